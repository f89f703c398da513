"""comparison -- source entries against target resources, difference by difference."""

from collections import Counter

from . import mapping
from .source import normal_dn

NOT_COMPARED = {"schemas", "id", "meta", "externalId", "members"}


def flatten(resource):
    """A resource as {path: value}, in the spelling of mapping.py.

    Two values of the same type in one multi-valued attribute get one path each,
    so that neither hides the other.
    """
    flat = {}

    def put(path, value):
        while path in flat:
            path += " again"
        flat[path] = value

    def walk(prefix, value):
        if isinstance(value, dict):
            separator = ":" if prefix == mapping.ENTERPRISE else "."
            for name, sub in value.items():
                walk(f"{prefix}{separator}{name}", sub)
        elif isinstance(value, list):
            for element in value:
                if not isinstance(element, dict):
                    put(f"{prefix}[]", element)
                    continue
                for name, sub in element.items():
                    if name != "type":
                        walk(f'{prefix}[type eq "{element.get("type", "")}"].{name}', sub)
        else:
            put(prefix, value)

    for name, value in resource.items():
        if name not in NOT_COMPARED:
            walk(name, value)
    return flat


class Comparison:
    """Collects differences; each is one thing an operator would have to look at."""

    def __init__(self, entries, users, groups):
        self.details = []
        self.duplicates = 0
        self.memberships_equal = True
        self.wanted = {entry["anchor"]: entry for entry in entries if mapping.in_scope(entry)}
        self.by_dn = {normal_dn(entry["dn"]): entry for entry in self.wanted.values()}
        self.targets = {"user": {}, "group": {}}
        self.anchor_of = {}
        for kind, resources in (("user", users), ("group", groups)):
            self.index(kind, resources)

    def differ(self, what, anchor, attribute=None, source=None, target=None):
        if source is mapping.AMBIGUOUS:
            source = "(ambiguous)"
        self.details.append({"difference": what, "anchor": anchor, "attribute": attribute,
                             "source": source, "target": target})

    def index(self, kind, resources):
        names = set()
        for resource in resources:
            anchor = resource.get("externalId")
            name = resource.get("userName" if kind == "user" else "displayName", "").casefold()
            self.anchor_of[resource["id"]] = anchor
            if anchor in self.targets[kind] or name in names:
                self.duplicates += 1
                self.differ("duplicate", anchor, "externalId", None, resource["id"])
                continue
            names.add(name)
            if anchor in self.wanted and self.wanted[anchor]["kind"] == kind:
                self.targets[kind][anchor] = resource
            else:
                self.differ("unexpected", anchor, None, None, resource["id"])

    def resolve(self, entry, attribute):
        """Anchors of the objects in scope that the attribute's DNs name."""
        found = set()
        for value in entry["values"].get(attribute, []):
            other = self.by_dn.get(normal_dn(value.decode("utf-8"))) if value else None
            if other:
                found.add(other["anchor"])
        return found

    def expected(self, entry):
        if entry["kind"] == "group":
            return mapping.group(entry)
        wanted = mapping.user(entry)
        managers = sorted(anchor for anchor in self.resolve(entry, "manager") if self.wanted[anchor]["kind"] == "user")
        if managers:
            wanted[f"{mapping.ENTERPRISE}:manager.value"] = managers[0]
        return wanted

    def compare_values(self, entry, resource):
        wanted, held = self.expected(entry), flatten(resource)
        manager = f"{mapping.ENTERPRISE}:manager.value"
        if manager in held:
            held[manager] = self.anchor_of.get(held[manager], held[manager])
        for path in sorted(wanted.keys() | held.keys()):
            source, target = wanted.get(path), held.get(path)
            if source != target or type(source) is not type(target):
                self.differ("value", entry["anchor"], path, source, target)

    def expected_members(self, entry):
        """A group that names itself names nobody: groupOfNames cannot be empty."""
        return self.resolve(entry, "member") - {entry["anchor"]}

    def compare_members(self, entry, resource):
        wanted = self.expected_members(entry)
        listed = [self.anchor_of.get(member["value"], member["value"]) for member in resource.get("members", [])]
        held = set(listed)
        if wanted == held and len(listed) == len(held):
            return
        self.memberships_equal = False
        for anchor in sorted(wanted - held):
            self.differ("member missing", entry["anchor"], "members", anchor, None)
        for anchor in sorted(held - wanted, key=str):
            self.differ("member unexpected", entry["anchor"], "members", None, anchor)
        for anchor, times in sorted(Counter(listed).items(), key=str):
            if times > 1:
                self.differ("member twice", entry["anchor"], "members", anchor, anchor)

    def memberships(self):
        return sum(len(self.expected_members(entry)) for entry in self.wanted.values() if entry["kind"] == "group")

    def run(self):
        for anchor, entry in sorted(self.wanted.items()):
            resource = self.targets[entry["kind"]].get(anchor)
            if resource is None:
                self.differ("missing", anchor, None, entry["dn"], None)
                self.memberships_equal = self.memberships_equal and entry["kind"] == "user"
                continue
            self.compare_values(entry, resource)
            if entry["kind"] == "group":
                self.compare_members(entry, resource)


def compare(entries, users, groups):
    """The report; see compare's documentation."""
    work = Comparison(entries, users, groups)
    work.run()
    kinds = [entry["kind"] for entry in work.wanted.values()]
    return {
        "source_users": kinds.count("user"), "target_users": len(users),
        "source_groups": kinds.count("group"), "target_groups": len(groups),
        "memberships": work.memberships(), "memberships_equal": work.memberships_equal,
        "mismatches": len(work.details), "duplicates": work.duplicates, "details": work.details,
    }
