"""mishaps -- what happens to a directory and goes unannounced.

    with hidden(lab, 'attrs=mail'):             # an ACL change, and its end
        node.sync("--full")
    backup = dump(lab); ...; reload(lab, backup)          # an old backup
    reload(lab, dump(lab), operational=False)             # every anchor another
"""

import contextlib
import os

import ldap
import ldap.dn
import ldap.modlist

from lab import directory, population
from labkit.layout import BASE

# What a directory's own administrator cannot set: it makes them by itself.
NO_USER_MODIFICATION = {name.lower() for name in directory.OPERATIONAL} | {"entrydn", "subschemasubentry",
                                                                           "hassubordinates"}


def half():
    """What `hidden` calls one half of the people: those whose uid ends in an even digit."""
    return "filter=(|" + "".join(f"(uid=*{digit})" for digit in "02468") + ")"


def subtree(dn):
    return f'dn.subtree="{dn}"'


@contextlib.contextmanager
def hidden(lab, what, account="sync"):
    """The reader's account may not read `what` meanwhile (see directory.hide)."""
    connection = lab.ldap()
    show = directory.hide(connection, lab.env[f"{account}_dn"], what)
    try:
        yield
    finally:
        show()
        connection.unbind_s()


def dump(lab, name="backup.ldif"):
    """The path of an LDIF file with the base as it is now, operational attributes included."""
    file = os.path.join(lab.parent, name)
    directory.dump(lab.layout, file)
    return file


def reload(lab, file, operational=True):
    """The directory emptied and filled from that file; without operational
    attributes every entry has another entryUUID afterwards."""
    lab.stop("slapd")
    directory.reload(lab.layout, file, operational)
    lab.start("slapd")


def entry(connection, dn):
    """Its user attributes."""
    [(_, values)] = connection.search_s(dn, ldap.SCOPE_BASE)
    return {name: value for name, value in values.items() if name.lower() not in NO_USER_MODIFICATION}


def reenter(connection, dn):
    """Deleted and entered again by hand: the same DN and values, another anchor."""
    values = entry(connection, dn)
    connection.delete_s(dn)
    connection.add_s(dn, ldap.modlist.addModlist(values))


def move(connection, dn, parent):
    """To another place in the tree; the new DN."""
    rdn = ldap.dn.dn2str(ldap.dn.str2dn(dn)[:1])
    connection.rename_s(dn, rdn, newsuperior=parent)
    return f"{rdn},{parent}"


def unit(connection, name, parent=population.PEOPLE):
    """A new organizational unit; the DN."""
    dn = f"ou={name},{parent}"
    connection.add_s(dn, [("objectClass", [b"organizationalUnit"]), ("ou", [name.encode()])])
    return dn


def rename_unit(connection, dn, name):
    """With everything in it, which the directory reports of the unit only; the new DN."""
    connection.rename_s(dn, f"ou={name}")
    return f"ou={name}," + dn.partition(",")[2]


def swap(connection, one, other, attribute="mail"):
    """Exchange the values of two entries, in one step each."""
    values = [entry(connection, dn).get(attribute) for dn in (one, other)]
    for dn, taken in zip((one, other), reversed(values)):
        connection.modify_s(dn, [(ldap.MOD_REPLACE, attribute, taken)])


__all__ = ["BASE", "dump", "entry", "half", "hidden", "move", "reenter", "reload", "rename_unit", "subtree", "swap",
           "unit"]
