"""services -- the two servers on Node: settings, keys, start."""

import base64
import concurrent.futures
import glob
import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import urllib.request

from . import certificates, processes, stock
from .layout import REGISTER_NODES, LabError, write_private

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOKEN_SECONDS = 300


def node():
    found = shutil.which("node") or shutil.which("nodejs")
    if not found:
        raise LabError("cannot start the lab's servers: there is no node on PATH: run tools/setup")
    if not os.path.exists(os.path.join(HERE, "node_modules", ".package-lock.json")):
        raise LabError("cannot start the lab's servers: their packages are missing: run tools/setup")
    return found


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def rsa_jwk(key_file, private):
    """The key as a JWK; openssl prints the numbers, nothing else is needed."""
    fields = {"modulus": "n", "privateExponent": "d", "prime1": "p", "prime2": "q",
              "exponent1": "dp", "exponent2": "dq", "coefficient": "qi"}
    text = certificates.openssl("pkey", "-in", key_file, "-text", "-noout")
    jwk = {"kty": "RSA", "e": "AQAB", "alg": "RS256", "use": "sig", "kid": os.path.basename(key_file)}
    name, digits = None, ""
    for line in [*text.splitlines(), "end:"]:
        if line.startswith(" "):
            digits += line.strip().replace(":", "")
            continue
        if name in fields and (private or name == "modulus"):
            jwk[fields[name]] = b64url(bytes.fromhex(digits).lstrip(b"\0"))
        name, digits = line.split(":")[0], ""
    return jwk


def ec_jwk(key_file):
    der = base64.b64decode("".join(certificates.openssl("pkey", "-in", key_file, "-pubout").splitlines()[1:-1]))
    point = der[-64:]  # an uncompressed P-256 point ends the structure
    return {"kty": "EC", "crv": "P-256", "x": b64url(point[:32]), "y": b64url(point[32:]),
            "alg": "ES256", "use": "sig", "kid": os.path.basename(key_file)}


def make_secrets(layout):
    os.makedirs(layout.path("secrets"), mode=0o700, exist_ok=True)
    names = ["admin.password", "sync.password", "limited.password", "weak.password", "sync.secret",
             "sync-post.secret", "resource-server.secret", "registration.token", "cookie.key",
             *(f"register-{node}.password" for node in REGISTER_NODES)]
    for name in names:
        write_private(layout.secret(name), secrets.token_urlsafe(32) + "\n")
    names = [layout.secret(name) for name in ("issuer.key", "sync-rsa.key")]
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: certificates.openssl(
            "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", name), names))
    for name in names:
        os.chmod(name, 0o600)
    certificates.new_key(layout.secret("sync-ec.key"))
    write_private(layout.secret("keys.json"), json.dumps({
        "issuer": rsa_jwk(layout.secret("issuer.key"), True), "sync-rsa": rsa_jwk(layout.secret("sync-rsa.key"), False),
        "sync-ec": ec_jwk(layout.secret("sync-ec.key"))}))


def oauth_settings(layout):
    read = layout.read_secret
    keys = json.loads(read("keys.json"))
    jwt = "private_key_jwt"
    clients = [
        {"client_id": "sync", "method": "client_secret_basic", "secret": read("sync.secret")},
        {"client_id": "sync-post", "method": "client_secret_post", "secret": read("sync-post.secret")},
        {"client_id": "sync-rsa", "method": jwt, "jwks": {"keys": [keys["sync-rsa"]]}},
        {"client_id": "sync-ec", "method": jwt, "jwks": {"keys": [keys["sync-ec"]]}},
    ]
    return {
        "issuer": f"https://127.0.0.1:{layout.port('oauth')}",
        "store_file": layout.path("oauth", "store.jsonl"),
        "token_seconds": layout.settings["token_seconds"],
        "clients": clients,
        "resource_server": {"client_id": "scim-provider", "secret": read("resource-server.secret")},
        "initial_access_token": read("registration.token"),
        "cookie_key": read("cookie.key"),
        "jwks": {"keys": [keys["issuer"]]},
    }


def scim_settings(layout):
    env = layout.environment()
    return {
        "base_url": env["scim_url"],
        "store_file": layout.path("scim", "store.jsonl"),
        "introspection": {
            "introspection_url": env["introspection_url"],
            "client_id": "scim-provider",
            "secret": layout.read_secret("resource-server.secret"),
            "ca_file": env["ca_file"],
        },
    }


def sources():
    """What the servers are made of: their own files, and the list of all packages with their versions."""
    return [os.path.join(HERE, "package-lock.json"), *glob.glob(os.path.join(HERE, "*", "*.mjs"))]


def bundle(name, folder):
    """The server and all that it imports as one file, which is loaded in a third of the time."""
    done = subprocess.run(
        ["esbuild", os.path.join(HERE, name, "server.mjs"), "--bundle", "--platform=node", "--format=esm",
         "--target=node18", "--log-level=error", f"--outfile={folder}/server.mjs",
         # Packages that are no modules ask for Node's own parts by this.
         "--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"],
        capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"could not bundle the {name} server: {done.stderr.strip()[-300:]}")


def program(name):
    """The server's file: with a stock, the bundled one."""
    kept = stock.keep(stock.name_of("server", [name], sources()), lambda folder: bundle(name, folder))
    return os.path.join(kept or os.path.join(HERE, name), "server.mjs")


def pid_file(layout, name):
    return layout.path(name, "pid")


def start(layout, name):
    """name: "oauth" or "scim"."""
    os.makedirs(layout.path(name), mode=0o700, exist_ok=True)
    settings = {"oauth": oauth_settings, "scim": scim_settings}[name](layout)
    kind = layout.settings["certificates"][name]
    certificate, key = certificates.server_files(layout.path("tls"), kind)
    settings.update(port=layout.port(name), control_port=layout.port(f"{name}_control"),
                    certificate_file=certificate, key_file=key, log_file=layout.path(name, "requests.jsonl"))
    write_private(layout.path(name, "settings.json"), json.dumps(settings, indent=1))

    def serves():
        """Asked often: a context is made only when somebody listens, and without the system's authorities."""
        try:
            with socket.create_connection(("127.0.0.1", layout.port(name)), 1) as raw:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                context.wrap_socket(raw).close()
            return True
        except OSError:
            return False

    processes.start(f"the {name} server", [node(), program(name), layout.path(name, "settings.json")],
                    pid_file(layout, name), layout.path(name, "log"), serves)


def token(layout):
    """A bearer token of the client `sync`."""
    env = layout.environment()
    request = urllib.request.Request(env["token_url"], b"grant_type=client_credentials")
    login = f"{env['client_id']}:{layout.read_secret('sync.secret')}"
    request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    with urllib.request.urlopen(request, timeout=10, context=ssl.create_default_context(cafile=env["ca_file"])) as reply:
        return json.load(reply)["access_token"]
