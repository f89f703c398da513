"""source -- the directory's entries, read with python-ldap, and their names.

An entry is {"dn": text, "anchor": entryUUID, "kind": "user" | "group",
"values": {attribute in lower case: [bytes, …]}}.
"""

import ldap
import ldap.dn

KINDS = {"user": "inetOrgPerson", "group": "groupOfNames"}


def normal_dn(text, known={}):  # noqa: B006 -- the default is a cache, on purpose
    """A DN as the directory compares it: RFC 4514 taken apart, without case."""
    if text not in known:
        known[text] = tuple(
            tuple(sorted((name.lower(), " ".join(value.casefold().split())) for name, value, _ in rdn))
            for rdn in ldap.dn.str2dn(text))
    return known[text]


def read(env):
    """Every person and group below the base, as the administrator sees them."""
    ldap.set_option(ldap.OPT_X_TLS_CACERTFILE, env["ca_file"])
    connection = ldap.initialize(env["ldaps_uri"])
    connection.set_option(ldap.OPT_X_TLS_CACERTFILE, env["ca_file"])
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    with open(env["admin_password_file"], encoding="utf-8") as file:
        connection.simple_bind_s(env["admin_dn"], file.read().strip())
    entries = []
    for kind, object_class in KINDS.items():
        found = connection.search_s(env["base"], ldap.SCOPE_SUBTREE, f"(objectClass={object_class})", ["*", "+"])
        for dn, attributes in found:
            values = {name.lower(): value for name, value in attributes.items()}
            entries.append({"dn": dn, "anchor": values["entryuuid"][0].decode().lower(), "kind": kind, "values": values})
    connection.unbind_s()
    return entries
