"""directory -- slapd as the lab runs it: configuration, seed, start, stop."""

import base64
import hashlib
import os
import shutil
import subprocess

import ldap

from . import certificates, population, processes
from .layout import BASE, BRANCH, REGISTER, REGISTER_CLUSTER, REGISTER_NODES, LabError

SESSIONLOGS = ("none", "memory", "accesslog")
LIMITED_ENTRIES = 100
MAXSIZE_BYTES = 4 << 30

CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
moduleload accesslog
moduleload ppolicy
argsfile {dir}/slapd.args
TLSCACertificateFile {tls}/ca.crt
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
TLSVerifyClient try
sizelimit unlimited
threads 4
authz-regexp "^cn=sync,o=twinsync lab$" "cn=sync,ou=service,{base}"
authz-regexp "^gidNumber={gid}\\\\+uidNumber={uid},cn=peercred,cn=external,cn=auth$" "cn=admin,ou=service,{base}"

database config
rootdn cn=admin,ou=service,{base}

{accesslog}
database mdb
suffix {base}
directory {dir}/data
maxsize {maxsize}
rootdn cn=admin,ou=service,{base}
index objectClass,entryUUID,entryCSN,uid,cn,mail,member eq
limits dn.exact="cn=sync,ou=service,{base}" size=unlimited time=unlimited
limits dn.exact="cn=weak,ou=service,{base}" size=unlimited time=unlimited
limits dn.exact="cn=limited,ou=service,{base}" size={limited}
access to attrs=userPassword by self =xw by anonymous auth by * none
access to attrs=mail by dn.exact="cn=weak,ou=service,{base}" none by dn.children="ou=service,{base}" read by * none
access to dn.subtree="ou=groups,{base}" by dn.exact="cn=weak,ou=service,{base}" none by dn.children="ou=service,{base}" read by * none
access to * by dn.children="ou=service,{base}" read by * none
overlay syncprov
syncprov-checkpoint 1000 10
{sessionlog}
overlay ppolicy
{overlay}

database mdb
suffix {branch}
directory {dir}/branch
maxsize {maxsize}
rootdn cn=admin,ou=service,{base}
index objectClass,entryUUID,entryCSN eq
access to * by dn.children="ou=service,{base}" read by * none
overlay syncprov

database mdb
suffix {register}
directory {dir}/register
maxsize 67108864
rootdn cn=admin,ou=service,{base}
access to attrs=userPassword by self =xw by anonymous auth by * none
access to dn.one="{register}" attrs=description by dn.children="{register}" write by * none
access to * by dn.children="{register}" read by * none
"""

ACCESSLOG = """\
database mdb
suffix cn=accesslog
directory {dir}/accesslog
maxsize {maxsize}
rootdn cn=admin,ou=service,{base}
index default eq
index entryCSN,objectClass,reqEnd,reqResult,reqStart,reqDN
overlay syncprov
syncprov-nopresent TRUE
syncprov-reloadhint TRUE
"""

SESSIONLOG = {
    "none": ("", ""),
    "memory": ("syncprov-sessionlog 10000", ""),
    "accesslog": (
        "syncprov-sessionlog-source cn=accesslog",
        "overlay accesslog\nlogdb cn=accesslog\nlogops writes\nlogsuccess TRUE\nlogpurge 7+00:00 1+00:00",
    ),
}


def hashed(password):
    salt = os.urandom(8)
    digest = hashlib.sha1(password.encode() + salt).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


def write_config(layout):
    kind = layout.settings["sessionlog"]
    sessionlog, overlay = SESSIONLOG[kind]
    folder = layout.path("slapd")
    certificate, key = certificates.server_files(layout.path("tls"), layout.settings["certificates"]["slapd"])
    known = {"dir": folder, "base": BASE, "branch": BRANCH, "register": REGISTER, "maxsize": MAXSIZE_BYTES}
    text = CONFIG.format(
        tls=layout.path("tls"), certificate=certificate, key=key, limited=LIMITED_ENTRIES,
        uid=os.getuid(), gid=os.getgid(), sessionlog=sessionlog, overlay=overlay,
        accesslog=ACCESSLOG.format(**known) if kind == "accesslog" else "", **known)
    with open(f"{folder}/slapd.conf", "w", encoding="ascii") as file:
        file.write(text)
    if kind == "accesslog":
        os.makedirs(f"{folder}/accesslog", exist_ok=True)


def run_tool(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"could not run {os.path.basename(argv[0])}: {done.stderr.strip()[-300:]}")


# What slapadd makes anew for an entry that comes without it.
OPERATIONAL = ("structuralObjectClass", "entryUUID", "entryCSN", "creatorsName", "createTimestamp", "modifiersName",
               "modifyTimestamp", "contextCSN")


def register_entries(layout):
    """An account for each node of a pair, and the entry that keeps their register."""
    yield REGISTER, [("objectClass", "dcObject"), ("objectClass", "organization"), ("dc", "register"),
                     ("o", "Register")]
    for node in REGISTER_NODES:
        yield f"cn={node},{REGISTER}", [
            ("objectClass", "organizationalRole"), ("objectClass", "simpleSecurityObject"), ("cn", node),
            ("userPassword", hashed(layout.read_secret(f"register-{node}.password")))]
    yield f"cn={REGISTER_CLUSTER},{REGISTER}", [("objectClass", "applicationProcess"), ("cn", REGISTER_CLUSTER)]


def seed(layout):
    """Fill the databases offline: two from the generator, and the register's."""
    folder = layout.path("slapd")
    for name in ("data", "branch", "register"):
        os.makedirs(f"{folder}/{name}", exist_ok=True)
    write_config(layout)
    accounts = {name: hashed(layout.read_secret(f"{name}.password"))
                for name in ("admin", "sync", "limited", "weak")}
    settings = layout.settings
    plan = population.Population(settings["seed"], settings["people"], settings["groups"])
    for suffix, name, entries in ((BASE, "seed", plan.entries(accounts)), (BRANCH, "branch-seed", plan.branch_entries()),
                                  (REGISTER, "register-seed", register_entries(layout))):
        with open(f"{folder}/{name}.ldif", "w", encoding="ascii") as file:
            population.write_ldif(entries, file)
        run_tool("/usr/sbin/slapadd", "-q", "-w", "-b", suffix, "-f", f"{folder}/slapd.conf", "-l", f"{folder}/{name}.ldif")


def pid_file(layout):
    return layout.path("slapd", "pid")


def start(layout):
    write_config(layout)
    env = layout.environment()
    uris = " ".join((env["ldap_uri"], env["ldaps_uri"], env["ldapi_uri"]))

    def serves():
        try:
            ldap.initialize(env["ldap_uri"]).search_s("", ldap.SCOPE_BASE, attrlist=["1.1"])
            return True
        except ldap.LDAPError:
            return False

    processes.start(
        "slapd", ["/usr/sbin/slapd", "-d", "0", "-f", layout.path("slapd", "slapd.conf"), "-h", uris],
        pid_file(layout), layout.path("slapd", "log"), serves)


def copy_data(source, target):
    """A backup or a restore: slapd must be stopped. The files are mostly holes."""
    os.makedirs(target, exist_ok=True)
    for name in ("data", "branch", "register", "accesslog"):
        shutil.rmtree(os.path.join(target, name), ignore_errors=True)
        if os.path.exists(os.path.join(source, name)):
            run_tool("cp", "-a", "--sparse=always", os.path.join(source, name), target)


def dump(layout, file):
    """The base as LDIF, as a nightly backup has it; slapd may run."""
    run_tool("/usr/sbin/slapcat", "-b", BASE, "-f", layout.path("slapd", "slapd.conf"), "-l", file)


def reload(layout, file, operational=True):
    """Fill the base again from such a file; slapd must be stopped. Without
    operational attributes every entry gets another entryUUID and entryCSN."""
    folder = layout.path("slapd")
    shutil.rmtree(f"{folder}/data")
    os.makedirs(f"{folder}/data")
    if not operational:
        with open(file, encoding="ascii") as written:
            text = written.read().replace("\n ", "")
        file = f"{folder}/reload.ldif"
        with open(file, "w", encoding="ascii") as stripped:
            stripped.writelines(f"{line}\n" for line in text.split("\n")
                                if line.partition(":")[0] not in OPERATIONAL)
    run_tool("/usr/sbin/slapadd", "-q", "-w", "-b", BASE, "-f", f"{folder}/slapd.conf", "-l", file)


def access(connection, suffix):
    """(DN in cn=config of the database of that suffix, its access rules)."""
    [(dn, values)] = connection.search_s("cn=config", ldap.SCOPE_ONELEVEL, f"(olcSuffix={suffix})", ["olcAccess"])
    return dn, values.get("olcAccess", [])


def hide(connection, account, what, suffix=BASE):
    """Take from an account the right to read `what`, as slapd.access(5) writes it
    after `access to`, such as attrs=title, dn.subtree="ou=x,…" or filter=(…). In
    force at once, until the function that is returned is called, or a restart."""
    rule = f'{{0}}to {what} by dn.exact="{account}" none by * break'.encode()
    dn, _ = access(connection, suffix)
    connection.modify_s(dn, [(ldap.MOD_ADD, "olcAccess", [rule])])
    [added] = [each for each in access(connection, suffix)[1] if each == rule]

    def show():
        connection.modify_s(dn, [(ldap.MOD_DELETE, "olcAccess", [added])])
    return show
