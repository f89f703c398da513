"""tenant -- a provider that was in use before, and whether it was left in peace.

    tenant = Tenant(layout)
    made = tenant.prefill(people, groups)     # whom a first run finds there
    ...
    tenant.disturbed(made["foreign"])         # [] as long as nobody touched them

`people` and `groups` are what the directory has, as (anchor, userName, display
name): what is to be found again there is made after them.

    hard          carries our anchor, as if we had made it
    soft          no externalId; the userName of a person in the directory, and a
                  nickname, which nobody may touch
    other         externalId of another system; unknown to the directory
    administrator no externalId, roles and userType; one of them, who is in the
                  way, has the userName of a person in the directory
    stranger      neither externalId nor a userName that the directory has

and groups: one that carries our anchor and has members of both kinds, one of
another system with members of its own.
"""

import json
import ssl
import urllib.error
import urllib.request

import ldap

from . import population
from .changes import Changer
from .layout import write_private
from .services import token

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENDPOINTS = {"User": "Users", "Group": "Groups"}
PAGE = 500


class Refused(Exception):
    """The provider's answer to what the lab asked it."""


class Tenant:
    def __init__(self, layout):
        self.env = layout.environment()
        self.layout = layout
        self.context = ssl.create_default_context(cafile=self.env["ca_file"])
        self.bearer = None

    # ---- a client of the lab's own ----

    def ask(self, method, path, body=None):
        """The answer's document, or Refused."""
        if self.bearer is None:
            self.bearer = token(self.layout)
        request = urllib.request.Request(
            self.env["scim_url"] + path, None if body is None else json.dumps(body).encode(), method=method,
            headers={"Authorization": f"Bearer {self.bearer}", "Content-Type": "application/scim+json"})
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.context) as reply:
                text = reply.read()
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 401 and self.bearer:
                    self.bearer = None
                    return self.ask(method, path, body)
                raise Refused(f"{method} {path}: {error.code} {error.read().decode()[:300]}") from None
        return json.loads(text) if text else None

    def person(self, user_name, **attributes):
        """A person who is there already; an attribute that is None is left out."""
        known = {"schemas": [USER], "userName": user_name, "displayName": user_name, **attributes}
        return self.ask("POST", "/Users", {name: value for name, value in known.items() if value is not None})

    def administrator(self, user_name, **attributes):
        return self.person(user_name, userType="Administrator",
                           roles=[{"value": "Company Administrator", "primary": True}], **attributes)

    def group(self, name, members=(), **attributes):
        """members: ids"""
        return self.ask("POST", "/Groups", {
            "schemas": [GROUP], "displayName": name, **attributes, "members": [{"value": each} for each in members]})

    def objects(self):
        """{id: resource} of all users and groups."""
        found = {}
        for endpoint in ENDPOINTS.values():
            start, total = 1, 1
            while start <= total:
                page = self.ask("GET", f"/{endpoint}?startIndex={start}&count={PAGE}")
                total, start = page["totalResults"], start + PAGE
                found.update((each["id"], each) for each in page["Resources"])
        return found

    # ---- a tenant in use ----

    def prefill(self, people, groups, others=20, each=3):
        """Fill an empty provider. Returns {"hard", "soft", "in_the_way": {id:
        anchor}, "groups": those with our anchor, "foreign": {id: resource},
        "adopted": {id: resource}}, resources as they are then."""
        ours = iter(people)
        hard = [self.person(name, externalId=anchor)["id"]
                for anchor, name, _ in (next(ours) for _ in range(each))]
        soft = [self.person(name.upper(), nickName="Kept")["id"]
                for _, name, _ in (next(ours) for _ in range(each))]
        anchor, name, _ = next(ours)
        in_the_way = {self.administrator(name)["id"]: anchor}
        foreign = [*in_the_way, self.administrator("root@example.com")["id"]]
        foreign += [self.person(f"other{n}@hr.example.com", externalId=f"HR-{n:06d}")["id"] for n in range(others)]
        foreign += [self.person(f"stranger{n}@example.com")["id"] for n in range(each)]
        foreign.append(self.group("another system's", foreign[-each:], externalId="HR-group")["id"])
        known = [self.group(name, [*hard, foreign[2]], externalId=anchor)["id"] for anchor, name, _ in groups[:1]]
        now = self.objects()
        return {"hard": hard, "soft": soft, "in_the_way": in_the_way, "groups": known,
                "foreign": {each: now[each] for each in foreign},
                "adopted": {each: now[each] for each in [*hard, *soft, *known]}}

    def prefill_from_directory(self, others):
        """The same after a lab's own people and groups; remembered in its folder."""
        changer = Changer(self.layout, 0)
        found = {}
        for kind, query in (("people", "(&(objectClass=inetOrgPerson)(mail=*)(employeeNumber=*5))"),
                            ("groups", "(&(objectClass=groupOfNames)(cn=group*))")):
            entries = changer.server.search_s(population.BASE, ldap.SCOPE_SUBTREE, query,
                                              ["entryUUID", "mail", "cn", "member"])
            # The largest group: who is in it at the provider only is a small part of it, so that the guard lets go
            # of them and of those who leave it afterwards.
            entries.sort(key=lambda entry: (-len(entry[1].get("member", ())), entry[0]))
            found[kind] = [(values["entryUUID"][0].decode(), values.get("mail", values["cn"])[0].decode().casefold(), dn)
                           for dn, values in entries]
        changer.server.unbind_s()
        made = self.prefill(found["people"], found["groups"], others)
        write_private(self.layout.path("tenant.json"), json.dumps(made))
        return made

    def remembered(self):
        """What prefill_from_directory() returned."""
        with open(self.layout.path("tenant.json"), encoding="utf-8") as file:
            return json.load(file)

    # ---- left in peace? ----

    def note(self, ids):
        """What these objects are like now, for disturbed()."""
        now = self.objects()
        return {each: now[each] for each in ids}

    def disturbed(self, before):
        """One sentence for each of the objects noted that is not as it was, its
        version and time of change included. A group may lose a member that the
        provider itself took out, because it is gone."""
        now, found = self.objects(), []
        for each, was in before.items():
            name = was.get("userName") or was.get("displayName")
            if each not in now:
                found.append(f"{name} ({each}) is gone")
            elif differing := differences(was, now[each], now):
                found.append(f"{name} ({each}) has other {', '.join(differing)}")
        return found


def differences(was, now, present):
    """The attributes that differ; what follows from members that are gone does not count."""
    was, now = dict(was), dict(now)
    kept = [member for member in was.get("members", []) if member["value"] in present]
    if len(kept) != len(was.get("members", [])):
        was["members"] = kept
        for resource in (was, now):
            resource["meta"] = {key: value for key, value in resource["meta"].items()
                                if key not in ("version", "lastModified")}
    names = was.keys() | now.keys()
    return sorted(name for name in names if was.get(name) != now.get(name) and (was.get(name) or now.get(name)))


def writes_by_object(rows):
    """{id: how many} of the writes in these lines of the provider's log that had
    an effect, each operation of a Bulk request for itself. A member that is
    added or removed counts for the group."""
    counts = {}
    for row in rows:
        if row["method"] == "GET":
            continue
        single = [{**row, "id": each} for each in (row.get("ids") or [])[:1]]
        for operation in row.get("bulk") or single:
            if operation.get("id") and 200 <= int(operation["status"]) < 300:
                counts[operation["id"]] = counts.get(operation["id"], 0) + 1
    return counts
