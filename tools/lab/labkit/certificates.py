"""certificates -- the lab's own authority, and certificates that are wrong.

good        127.0.0.1, from our CA
expired     the same, valid until yesterday
other-ca    the same, from a CA that nobody was told of
wrong-name  from our CA, for another address
client      for EXTERNAL binds: its subject is mapped to the sync account
"""

import os
import subprocess

from .layout import LabError

KINDS = ("good", "expired", "other-ca", "wrong-name")
CLIENT_SUBJECT = "/O=Twinsync Lab/CN=sync"


def openssl(*argv, text=None):
    done = subprocess.run(["openssl", *argv], input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"could not run openssl {argv[0]}: {done.stderr.strip()[-200:]}")
    return done.stdout


def new_key(path):
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    os.chmod(path, 0o600)


def new_authority(folder, name, common_name):
    new_key(f"{folder}/{name}.key")
    openssl("req", "-x509", "-new", "-key", f"{folder}/{name}.key", "-days", "3650", "-sha256",
            "-subj", f"/O=Twinsync Lab/CN={common_name}", "-out", f"{folder}/{name}.crt",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    for extra in ("index.txt", "index.txt.attr"):
        open(f"{folder}/{name}.{extra}", "w", encoding="ascii").close()


def issue(folder, name, authority, subject, extension, dates):
    """A key and a certificate; `dates` are openssl ca's -startdate and -enddate."""
    new_key(f"{folder}/{name}.key")
    request = openssl("req", "-new", "-key", f"{folder}/{name}.key", "-subj", subject)
    config = f"{folder}/{name}.cnf"
    with open(config, "w", encoding="ascii") as file:
        file.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/{authority}.index.txt\n"
                   f"new_certs_dir={folder}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\n"
                   f"x509_extensions=x\ncopy_extensions=none\n[p]\nO=optional\nCN=supplied\n[x]\n{extension}\n")
    openssl("ca", "-batch", "-notext", "-config", config, "-cert", f"{folder}/{authority}.crt",
            "-keyfile", f"{folder}/{authority}.key", "-in", "/dev/stdin", "-out", f"{folder}/{name}.crt",
            "-startdate", dates[0], "-enddate", dates[1], text=request)
    os.unlink(config)


def make_all(folder):
    os.makedirs(folder, mode=0o700, exist_ok=True)
    new_authority(folder, "ca", "Lab CA")
    new_authority(folder, "other-ca", "Another CA")
    always = ("20200101000000Z", "20491231000000Z")
    past = ("20200101000000Z", "20210101000000Z")
    here = "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth"
    elsewhere = "subjectAltName=IP:192.0.2.1,DNS:elsewhere.example.org\nextendedKeyUsage=serverAuth"
    server = "/O=Twinsync Lab/CN=127.0.0.1"
    issue(folder, "good", "ca", server, here, always)
    issue(folder, "expired", "ca", server, here, past)
    issue(folder, "other-ca-server", "other-ca", server, here, always)
    issue(folder, "wrong-name", "ca", "/O=Twinsync Lab/CN=elsewhere.example.org", elsewhere, always)
    issue(folder, "client", "ca", CLIENT_SUBJECT, "extendedKeyUsage=clientAuth", always)
    issue(folder, "stranger", "other-ca", CLIENT_SUBJECT, "extendedKeyUsage=clientAuth", always)


def server_files(folder, kind):
    """(certificate, key) of a server certificate of that kind."""
    name = "other-ca-server" if kind == "other-ca" else kind
    return f"{folder}/{name}.crt", f"{folder}/{name}.key"
