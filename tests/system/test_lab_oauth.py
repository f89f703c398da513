#!/usr/bin/python3
"""The lab's OAuth server issues tokens for every kind of client, and ends them at once."""

import base64
import http.client
import json
import os
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from lab import LabTestCase, wait_until  # noqa: E402

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRANT = {"grant_type": "client_credentials"}


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def integers(der):
    """r and s of an ECDSA signature, 32 bytes each."""
    out, at = b"", 2
    for _ in range(2):
        size = der[at + 1]
        out += der[at + 2:at + 2 + size].lstrip(b"\0").rjust(32, b"\0")
        at += 2 + size
    return out


def assertion(client, key, algorithm, audience):
    now = int(time.time())
    claims = {"iss": client, "sub": client, "aud": audience, "iat": now, "exp": now + 60, "jti": os.urandom(8).hex()}
    head = {"alg": algorithm, "kid": os.path.basename(key)}
    text = ".".join(b64url(json.dumps(each).encode()) for each in (head, claims))
    signed = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text.encode(),
                            check=True, capture_output=True).stdout
    return f"{text}.{b64url(integers(signed) if algorithm == 'ES256' else signed)}"


class OAuth(LabTestCase):
    OPTIONS = {"people": 5, "groups": 2}

    def secret(self, name):
        return self.lab.layout.read_secret(name)

    def issue(self, form=None, login=None):
        reply = self.lab.oauth("/token", {**GRANT, **(form or {})}, login)
        self.assertStatus(reply, 200)
        return reply.body["access_token"]

    def sync_token(self):
        return self.issue(login=("sync", self.secret("sync.secret")))

    def active(self, token):
        login = ("scim-provider", self.secret("resource-server.secret"))
        return self.lab.oauth("/token/introspection", {"token": token}, login).body["active"]

    def admitted(self, token):
        return self.lab.scim("GET", "/Users?count=1", token=token).status

    def call(self, method, url, bearer, body=None):
        request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), method=method,
                                         headers={"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10, context=self.lab.tls()) as reply:
                return reply.status, json.loads(reply.read() or "null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or "null")

    def register(self):
        status, client = self.call("POST", self.lab.env["registration_url"], self.secret("registration.token"), {
            "grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [],
            "token_endpoint_auth_method": "client_secret_basic"})
        self.assertEqual(status, 201, client)
        return client


class Clients(OAuth):
    def test_secret_in_the_header_and_in_the_body(self):
        self.assertEqual(self.admitted(self.sync_token()), 200)
        form = {"client_id": "sync-post", "client_secret": self.secret("sync-post.secret")}
        self.assertEqual(self.admitted(self.issue(form)), 200)

    def test_signed_assertions(self):
        env = self.lab.env
        for name, algorithm in (("rsa", "RS256"), ("ec", "ES256")):
            signed = assertion(env[f"client_id_{name}"], env[f"client_key_{name}"], algorithm, env["token_url"])
            token = self.issue({"client_assertion_type": ASSERTION, "client_assertion": signed})
            self.assertEqual(self.admitted(token), 200, name)

    def test_a_foreign_signature_is_refused(self):
        env = self.lab.env
        signed = assertion(env["client_id_ec"], env["client_key"], "ES256", env["token_url"])
        reply = self.lab.oauth("/token", {**GRANT, "client_assertion_type": ASSERTION, "client_assertion": signed})
        self.assertStatus(reply, 401)

    def test_a_wrong_secret_is_refused(self):
        self.assertStatus(self.lab.oauth("/token", GRANT, ("sync", "wrong")), 401)


class Ends(OAuth):
    def test_nobody_has_a_token_of_nobody(self):
        self.assertFalse(self.active("made-up"))
        self.assertEqual(self.admitted("made-up"), 401)

    def test_a_revoked_token_is_refused_on_the_same_kept_connection(self):
        token = self.sync_token()
        url = urllib.parse.urlsplit(self.lab.env["scim_url"])
        connection = http.client.HTTPSConnection(url.hostname, url.port, context=self.lab.tls())
        self.addCleanup(connection.close)

        def status():
            connection.request("GET", url.path + "/Users", headers={"Authorization": f"Bearer {token}"})
            reply = connection.getresponse()
            reply.read()
            return reply.status

        self.assertEqual(status(), 200)
        login = ("sync", self.secret("sync.secret"))
        self.assertStatus(self.lab.oauth("/token/revocation", {"token": token}, login), 200)
        self.assertEqual(status(), 401)
        self.assertEqual(self.lab.requests()[-1]["ordinal"], 2)

    def test_a_token_expires(self):
        self.lab.set_options("oauth", token_seconds=1)
        token = self.sync_token()
        self.assertEqual(self.admitted(token), 200)
        wait_until(lambda: self.admitted(token) == 401, "the token has expired")

    def test_deleting_a_registered_client_ends_its_tokens_only(self):
        client, other = self.register(), self.sync_token()
        login = (client["client_id"], client["client_secret"])
        token = self.issue(login=login)
        self.assertEqual(self.admitted(token), 200)
        status, _ = self.call("DELETE", client["registration_client_uri"], client["registration_access_token"])
        self.assertEqual(status, 204)
        self.assertFalse(self.active(token))
        self.assertEqual(self.admitted(token), 401)
        self.assertStatus(self.lab.oauth("/token", GRANT, login), 401)
        self.assertEqual(self.admitted(other), 200)

    def test_with_a_lag_tokens_outlive_their_client_for_so_long(self):
        self.lab.set_options("oauth", token_lag_seconds=1)
        client = self.register()
        login = (client["client_id"], client["client_secret"])
        token = self.issue(login=login)
        status, _ = self.call("DELETE", client["registration_client_uri"], client["registration_access_token"])
        self.assertEqual(status, 204)
        self.assertEqual(self.admitted(token), 200)
        self.assertStatus(self.lab.oauth("/token", GRANT, login), 401)
        status, _ = self.call("GET", client["registration_client_uri"], client["registration_access_token"])
        self.assertEqual(status, 401)
        wait_until(lambda: self.admitted(token) == 401, "the lag is over")

    def test_foreign_tokens_are_inactive_unless_any_may_be_asked_about(self):
        token, login = self.sync_token(), ("sync-post", self.secret("sync-post.secret"))
        form = {"token": token, "client_id": login[0], "client_secret": login[1]}
        self.assertEqual(self.lab.oauth("/token/introspection", form).body, {"active": False})
        self.lab.set_options("oauth", introspection="any")
        self.assertTrue(self.lab.oauth("/token/introspection", form).body["active"])

    def test_a_token_s_life_may_be_left_unsaid(self):
        login = ("sync", self.secret("sync.secret"))
        self.assertIn("expires_in", self.lab.oauth("/token", GRANT, login).body)
        self.lab.set_options("oauth", expires_in=False)
        self.assertNotIn("expires_in", self.lab.oauth("/token", GRANT, login).body)

    def test_registering_needs_the_initial_token(self):
        status, _ = self.call("POST", self.lab.env["registration_url"], "wrong", {})
        self.assertEqual(status, 401)

    def test_tokens_and_clients_survive_a_crash(self):
        client, token = self.register(), self.sync_token()
        self.lab.kill("oauth")
        self.assertEqual(self.admitted(token), 503)
        self.lab.start("oauth")
        self.assertEqual(self.admitted(token), 200)
        self.assertEqual(self.admitted(self.issue(login=(client["client_id"], client["client_secret"]))), 200)

    def test_every_request_is_introspected(self):
        token = self.sync_token()
        before = sum("introspection" in row["path"] for row in self.lab.requests("oauth"))
        for _ in range(5):
            self.admitted(token)
        after = sum("introspection" in row["path"] for row in self.lab.requests("oauth"))
        self.assertEqual(after - before, 5)


if __name__ == "__main__":
    unittest.main()
