"""comparison -- source entries against target resources, difference by difference."""

from collections import Counter

from . import mapping, nested
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


def unique_name(kind, resource):
    """What the provider allows once per kind, as it compares it."""
    name = resource.get("userName" if kind == "user" else "displayName", "")
    return "" if name is mapping.AMBIGUOUS else name.casefold()


class Comparison:
    """Collects differences; each is one thing an operator would have to look at.

    tenant: {"foreign": {id: resource}, "adopted": {id: resource}}, how objects were
    before the first run: the former must still be so, of the latter what no
    rule names, and the members that a group had may have stayed.
    ways: contested: a name that somebody else rightly has may be missing, see
    quarantined(). flatten: groups have the people of the groups below them.
    deactivated: users who left are still there, inactive, and keep their names.
    """

    def __init__(self, entries, users, groups, tenant=None, **ways):
        self.details = []
        self.deactivated, self.left = ways.get("deactivated"), set()
        self.tenant = {"foreign": {}, "adopted": {}, **(tenant or {})}
        self.duplicates = 0
        self.memberships_equal = True
        self.wanted = {entry["anchor"]: entry for entry in entries if mapping.in_scope(entry)}
        self.by_dn = {normal_dn(entry["dn"]): entry for entry in self.wanted.values()}
        self.targets = {"user": {}, "group": {}}
        self.anchor_of = {}
        self.holders = {}
        for kind, resources in (("user", users), ("group", groups)):
            self.index(kind, resources)
        self.excused = self.quarantined() if ways.get("contested") else set()
        for anchor in self.excused:
            if self.resource(anchor) is None:
                del self.by_dn[normal_dn(self.wanted[anchor]["dn"])]
        self.flat = self.flattened() if ways.get("flatten") else None

    def differ(self, what, anchor, attribute=None, source=None, target=None):
        if source is mapping.AMBIGUOUS:
            source = "(ambiguous)"
        self.details.append({"difference": what, "anchor": anchor, "attribute": attribute,
                             "source": source, "target": target})

    def index(self, kind, resources):
        names = set()
        for resource in resources:
            anchor, name = resource.get("externalId"), unique_name(kind, resource)
            self.holders[kind, name] = resource["id"]
            if resource["id"] in self.tenant["foreign"]:
                self.compare_foreign(resource)
                continue
            self.anchor_of[resource["id"]] = anchor
            if anchor in self.targets[kind] or name in names:
                self.duplicates += 1
                self.differ("duplicate", anchor, "externalId", None, resource["id"])
                continue
            names.add(name)
            if anchor in self.wanted and self.wanted[anchor]["kind"] == kind:
                self.targets[kind][anchor] = resource
            elif self.deactivated and kind == "user" and anchor and resource.get("active") is False:
                self.left.add(resource["id"])
            else:
                self.differ("unexpected", anchor, None, None, resource["id"])

    def compare_foreign(self, resource):
        before = self.tenant["foreign"][resource["id"]]
        for name in sorted(before.keys() | resource.keys()):
            if before.get(name) != resource.get(name):
                self.differ("foreign touched", resource["id"], name, before.get(name), resource.get(name))

    # ---- names that only one can have ----

    def resource(self, anchor):
        return self.targets[self.wanted[anchor]["kind"]].get(anchor)

    def wanted_name(self, anchor):
        entry = self.wanted[anchor]
        wanted = (mapping.group if entry["kind"] == "group" else mapping.user)(entry)
        return unique_name(entry["kind"], wanted)

    def has_its_name(self, anchor):
        resource = self.resource(anchor)
        return resource is not None and unique_name(self.wanted[anchor]["kind"], resource) == self.wanted_name(anchor)

    def quarantined(self):
        """Anchors that rightly lack their name (or are not there for want of it):
        somebody foreign or deactivated has it, or one of ours who wants it too, or
        one who in turn rightly lacks another. Two who have each other's name are
        no excuse."""
        found = set()
        for anchor in self.wanted:
            chain = []
            while anchor not in chain and not self.has_its_name(anchor):
                chain.append(anchor)
                holder = self.holders.get((self.wanted[anchor]["kind"], self.wanted_name(anchor)))
                if holder in self.tenant["foreign"] or holder in self.left:
                    found.update(chain)
                if self.anchor_of.get(holder) not in self.wanted:
                    break
                anchor = self.anchor_of[holder]
            else:
                if chain and anchor not in chain:
                    found.update(chain)
        return found

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
        before = flatten(self.tenant["adopted"].get(resource["id"], {}))
        for path in sorted(wanted.keys() | held.keys()):
            source, target = wanted.get(path, before.get(path) if path not in mapping.PATHS else None), held.get(path)
            if entry["anchor"] in self.excused and path == ("displayName" if entry["kind"] == "group" else "userName"):
                continue
            if source != target or type(source) is not type(target):
                self.differ("value", entry["anchor"], path, source, target)

    def named_members(self, entry):
        """A group that names itself names nobody: groupOfNames cannot be empty."""
        return self.resolve(entry, "member") - {entry["anchor"]}

    def flattened(self):
        groups = {anchor: self.named_members(entry) for anchor, entry in self.wanted.items() if entry["kind"] == "group"}
        return nested.people(groups, {anchor: entry["kind"] for anchor, entry in self.wanted.items()})

    def expected_members(self, entry):
        return self.named_members(entry) if self.flat is None else self.flat[entry["anchor"]]

    def compare_members(self, entry, resource):
        wanted = self.expected_members(entry)
        before = {member["value"] for member in self.tenant["adopted"].get(resource["id"], {}).get("members", [])}
        listed = [self.anchor_of.get(member["value"], member["value"]) for member in resource.get("members", [])
                  if member["value"] not in before or self.anchor_of.get(member["value"]) in wanted]
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

    def run(self, present):
        for each, before in sorted(self.tenant["foreign"].items()):
            if each not in present:
                self.differ("foreign gone", each, None, before.get("userName") or before.get("displayName"), None)
        for anchor, entry in sorted(self.wanted.items()):
            resource = self.targets[entry["kind"]].get(anchor)
            if resource is None and anchor in self.excused:
                continue
            if resource is None:
                self.differ("missing", anchor, None, entry["dn"], None)
                self.memberships_equal = self.memberships_equal and entry["kind"] == "user"
                continue
            self.compare_values(entry, resource)
            if entry["kind"] == "group":
                self.compare_members(entry, resource)


def compare(entries, users, groups, tenant=None, **ways):
    """The report; see compare's documentation."""
    work = Comparison(entries, users, groups, tenant, **ways)
    others = work.tenant["foreign"].keys() | work.left
    work.run({resource["id"] for resource in [*users, *groups]})
    kinds = [entry["kind"] for entry in work.wanted.values()]
    ours = [sum(resource["id"] not in others for resource in each) for each in (users, groups)]
    return {
        "source_users": kinds.count("user"), "target_users": ours[0],
        "source_groups": kinds.count("group"), "target_groups": ours[1],
        "memberships": work.memberships(), "memberships_equal": work.memberships_equal,
        "mismatches": len(work.details), "duplicates": work.duplicates,
        "foreign": len(work.tenant["foreign"]),
        "foreign_untouched": not any(each["difference"].startswith("foreign") for each in work.details),
        "quarantined": len(work.excused), "details": work.details,
    }
