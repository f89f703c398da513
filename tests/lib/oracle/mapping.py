"""mapping -- the rules of tools/lab/demo.yaml.in, once more, by hand.

Each function says what the provider must hold for one entry, as a flat
{path: value}; an attribute that must not be there is not in it. Values the
rules cannot decide (two addresses) are AMBIGUOUS and equal nothing.
"""

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
WORK_MAIL = 'emails[type eq "work"].value'
WORK_PHONE = 'phoneNumbers[type eq "work"].value'
AMBIGUOUS = object()
# What the rules name; nothing else is ever touched.
PATHS = {"userName", "displayName", "name.givenName", "name.familyName", "title", "active", WORK_MAIL, WORK_PHONE,
         f"{ENTERPRISE}:employeeNumber", f"{ENTERPRISE}:department", f"{ENTERPRISE}:manager.value"}


def texts(entry, name):
    return [value.decode("utf-8") for value in sorted(entry["values"].get(name.lower(), [])) if value]


def only(entry, name):
    found = texts(entry, name)
    if len(found) > 1:
        return AMBIGUOUS
    return found[0] if found else None


def least(entry, name):
    found = texts(entry, name)
    return found[0] if found else None


def has_class(entry, name):
    return name.lower() in (value.decode().lower() for value in entry["values"].get("objectclass", []))


def in_scope(entry):
    if entry["kind"] == "group":
        return has_class(entry, "groupOfNames")
    return has_class(entry, "inetOrgPerson") and only(entry, "mail") is not None


def user(entry):
    mail = only(entry, "mail")
    wanted = {
        "userName": mail.casefold() if isinstance(mail, str) else mail,
        "displayName": only(entry, "displayName") or least(entry, "cn"),
        "name.givenName": only(entry, "givenName"),
        "name.familyName": only(entry, "sn"),
        "title": only(entry, "title"),
        "active": not texts(entry, "pwdAccountLockedTime"),
        WORK_MAIL: mail,
        WORK_PHONE: least(entry, "telephoneNumber"),
        f"{ENTERPRISE}:employeeNumber": only(entry, "employeeNumber"),
        f"{ENTERPRISE}:department": only(entry, "departmentNumber"),
    }
    return {path: value for path, value in wanted.items() if value is not None}


def group(entry):
    return {"displayName": least(entry, "cn")}
