"""ad_instep -- a domain and a SCIM provider: does the one show what the other says?

What must be there is worked out by a plain search as an administrator; the
product's own words do not count.
"""

import re

from ad import SUFFIX, Domain

SOURCE = """\
sources:
  - name: corp
    type: ad
    uri: {uri}
    base: {base}
    bind: {{method: simple, dn: "{dn}", password-file: {password}}}
    tls: {{ca-file: {ca}}}
rules:
  - kind: user
    sources: [corp]
    when: "{when}"
    match: [userName]
    flow:
      userName: "fold(sAMAccountName)"
      displayName: "coalesce(displayName, first(cn))"
      title: "dn"
      active: "userAccountControl & 2 = 0"
    references: {{manager: manager}}
  - kind: group
    sources: [corp]
    when: "has('objectClass','group') AND groupType & 0x80000000"
    flow: {{displayName: "first(cn)"}}
    references: {{members: [member]}}
deprovision: {{user: delete, group: delete, out-of-scope: delete}}
"""
WHEN = "has('objectClass','user') AND NOT has('objectClass','computer')"
PEOPLE = "(&(objectClass=user)(!(objectClass=computer))(!(isCriticalSystemObject=TRUE))(!(sAMAccountName=sync)))"
GROUPS = "(&(objectClass=group)(!(isCriticalSystemObject=TRUE))(!(groupType:1.2.840.113556.1.4.803:=1)))"


def configured(domain, when=WHEN, account="sync"):
    """An edit of the lab's configuration: this domain instead of its slapd."""
    source = SOURCE.format(uri=domain.ldaps_uri, base=SUFFIX, dn=domain.dn(account), password=domain.password_file,
                           ca=domain.ca_file, when=when)

    def edit(text):
        return re.sub(r"sources:\n.*?(?=target:\n)", lambda _: source, text, flags=re.S)
    return edit


def wanted(domain):
    """People {name: (display name, active, DN, manager's name)} and groups {name: names}."""
    people, groups, names = {}, {}, {}
    for dn, values in domain.ldap.search_s(SUFFIX, 2, PEOPLE, ["sAMAccountName", "displayName", "cn",
                                                              "userAccountControl", "manager"]):
        if dn:
            name = values["sAMAccountName"][0].decode().lower()
            names[dn.lower()] = name
            people[name] = [values.get("displayName", values["cn"])[0].decode(),
                            not int(values["userAccountControl"][0]) & 2, dn,
                            values.get("manager", [b""])[0].decode().lower()]
    for person in people.values():
        person[3] = names.get(person[3])
    listed = [(dn, values) for dn, values in domain.ldap.search_s(SUFFIX, 2, GROUPS, ["cn", "member", "groupType"])
              if dn and int(values["groupType"][0]) < 0]
    for dn, values in listed:
        names[dn.lower()] = "group " + values["cn"][0].decode()
    for _, values in listed:
        members = {names.get(each.decode().lower()) for each in values.get("member", [])}
        groups[values["cn"][0].decode()] = members - {None}
    return people, groups


def shown(lab):
    """The same of the provider."""
    def all_of(kind):
        found, start = [], 1
        while True:
            page = lab.scim("GET", f"/{kind}?startIndex={start}&count=200").body
            found += page["Resources"]
            start += len(page["Resources"])
            if start > page["totalResults"] or not page["Resources"]:
                return found
    users, teams = all_of("Users"), all_of("Groups")
    names = {user["id"]: user["userName"] for user in users}
    names.update({team["id"]: "group " + team["displayName"] for team in teams})
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    people = {user["userName"]: [user.get("displayName"), user.get("active", True), user.get("title"),
                                 names.get(user.get(enterprise, {}).get("manager", {}).get("value"))] for user in users}
    groups = {team["displayName"]: {names[member["value"]] for member in team.get("members", [])} for team in teams}
    if len(people) != len(users) or len(groups) != len(teams):
        raise AssertionError("the provider has objects of one name")
    return people, groups


__all__ = ["Domain", "configured", "shown", "wanted"]
