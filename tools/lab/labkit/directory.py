"""directory -- slapd as the lab runs it: configuration, seed, start, stop."""

import base64
import hashlib
import os
import shutil
import subprocess

import ldap

from . import certificates, population, processes
from .layout import BASE, BRANCH, LabError

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
access to attrs=userPassword by anonymous auth by * none
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
    known = {"dir": folder, "base": BASE, "branch": BRANCH, "maxsize": MAXSIZE_BYTES}
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


def seed(layout):
    """Fill both databases from the generator, offline."""
    folder = layout.path("slapd")
    for name in ("data", "branch"):
        os.makedirs(f"{folder}/{name}", exist_ok=True)
    write_config(layout)
    accounts = {name: hashed(layout.read_secret(f"{name}.password"))
                for name in ("admin", "sync", "limited", "weak")}
    settings = layout.settings
    plan = population.Population(settings["seed"], settings["people"], settings["groups"])
    for suffix, name, entries in ((BASE, "seed", plan.entries(accounts)), (BRANCH, "branch-seed", plan.branch_entries())):
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
    for name in ("data", "branch", "accesslog"):
        shutil.rmtree(os.path.join(target, name), ignore_errors=True)
        if os.path.exists(os.path.join(source, name)):
            run_tool("cp", "-a", "--sparse=always", os.path.join(source, name), target)
