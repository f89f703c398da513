#!/usr/bin/python3
"""The lab's faults do what they say, and nothing else: each on the wire."""

import http.client
import json
import os
import sys
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from lab import BULK, ENTERPRISE, USER, LabTestCase, wait_until  # noqa: E402

LOST = (OSError, http.client.HTTPException)


class Faults(LabTestCase):
    OPTIONS = {"people": 5, "groups": 2}
    made = 0

    def name(self):
        Faults.made += 1
        return f"fault{Faults.made}@example.org"

    def exists(self, name):
        return len(self.lab.find("Users", "userName", name)) == 1

    def create(self, name=None, **attributes):
        return self.lab.create_user(name or self.name(), **attributes)


class Answers(Faults):
    def test_refusal_before_the_effect(self):
        for status in (429, 500, 503):
            name = self.name()
            self.lab.fault("status", {"method": "POST"}, times=1, status=status, retry_after=2)
            reply = self.create(name)
            self.assertStatus(reply, status)
            self.assertEqual(reply.headers["Retry-After"], "2")
            self.assertEqual(reply.body["status"], str(status))
            self.assertFalse(self.exists(name))

    def test_throttling_without_retry_after(self):
        self.lab.fault("status", times=1, status=429)
        self.assertIsNone(self.create().headers["Retry-After"])

    def test_error_after_the_effect(self):
        name = self.name()
        self.lab.fault("status", {"method": "POST"}, times=1, status=500, when="after")
        self.assertStatus(self.create(name), 500)
        self.assertTrue(self.exists(name))

    def test_close_before_the_effect(self):
        name = self.name()
        self.lab.fault("close", {"method": "POST"}, times=1)
        self.assertRaises(LOST, self.create, name)
        self.assertFalse(self.exists(name))

    def test_close_after_the_effect(self):
        name = self.name()
        self.lab.fault("close", {"method": "POST"}, times=1, when="after")
        self.assertRaises(LOST, self.create, name)
        self.assertTrue(self.exists(name))
        row = [each for each in self.lab.requests() if each["method"] == "POST"][-1]
        self.assertEqual((row["status"], row["fault"]), (0, "close"))

    def test_malformed_json(self):
        self.lab.fault("malformed", times=1)
        reply = self.create()
        self.assertEqual((reply.status, reply.body), (201, None))
        self.assertRaises(ValueError, json.loads, reply.text)

    def test_wrong_types(self):
        self.lab.fault("wrong-types", times=1)
        self.assertIsInstance(self.create().body["id"], int)
        self.lab.fault("wrong-types", times=1)
        self.assertIsInstance(self.lab.scim("GET", "/Users").body["Resources"], dict)

    def test_an_answer_too_large(self):
        self.lab.fault("oversized", times=1, bytes=3_000_000)
        self.assertGreater(len(self.create().text), 3_000_000)

    def test_another_content_type(self):
        self.lab.fault("content-type", times=1, value="text/html")
        self.assertEqual(self.create().headers["Content-Type"], "text/html")

    def test_an_answer_cut_off(self):
        name = self.name()
        self.lab.fault("truncated", {"method": "POST"}, times=1)
        self.assertRaises(LOST, self.create, name)
        self.assertTrue(self.exists(name))

    def test_a_stall_lies_between_admission_and_effect(self):
        self.lab.fault("stall", {"method": "POST"}, times=1, ms=300)
        self.create()
        row = self.lab.requests()[-1]
        self.assertGreaterEqual(row["effect_us"] - row["admitted_us"], 290_000)

    def test_a_stall_after_the_effect(self):
        self.lab.fault("stall", {"method": "POST"}, times=1, ms=2000, when="after")
        self.create()
        row = self.lab.requests()[-1]
        self.assertLess(row["effect_us"] - row["admitted_us"], 1_500_000)
        self.assertGreaterEqual(row["answered_us"] - row["effect_us"], 1_900_000)


class BulkOperations(Faults):
    def bulk(self, *names):
        operations = [{"method": "POST", "path": "/Users", "bulkId": name,
                       "data": {"schemas": [USER], "userName": name}} for name in names]
        reply = self.lab.scim("POST", "/Bulk", {"schemas": [BULK], "Operations": operations})
        return {each["bulkId"]: each["status"] for each in reply.body["Operations"]}

    def test_one_operation_is_refused_before_or_after_its_effect(self):
        for when, happened in (("before", False), ("after", True)):
            good, bad = self.name(), self.name()
            self.lab.fault("bulk-operation", {"body": bad}, times=1, status=500, when=when)
            self.assertEqual(self.bulk(good, bad), {good: "201", bad: "500"})
            self.assertEqual((self.exists(good), self.exists(bad)), (True, happened))

    def test_one_operation_is_left_out_of_the_answer(self):
        good, bad = self.name(), self.name()
        self.lab.fault("bulk-operation", {"body": bad}, times=1, status=500, when="after", omit=True)
        self.assertEqual(self.bulk(good, bad), {good: "201"})
        self.assertTrue(self.exists(bad))


class Rules(Faults):
    def test_nth_counts_what_matches(self):
        number = self.lab.fault("status", {"method": "POST", "path": "/Users$", "nth": 2}, status=503)
        self.lab.scim("GET", "/Users")
        self.assertEqual([self.create().status for _ in range(3)], [201, 503, 201])
        self.assertEqual(self.lab.fault_hits(number), 1)

    def test_body_picks_one_object(self):
        self.lab.fault("status", {"body": "picked"}, status=503)
        self.assertEqual([self.create(f"{name}@example.org").status for name in ("picked", "other")], [503, 201])

    def test_kept_counts_on_one_connection(self):
        self.lab.fault("close", {"kept": 3}, when="after")
        url = urllib.parse.urlsplit(self.lab.env["scim_url"])
        connection = http.client.HTTPSConnection(url.hostname, url.port, context=self.lab.tls())
        self.addCleanup(connection.close)
        headers = {"Authorization": f"Bearer {self.lab.token()}", "Content-Type": "application/scim+json"}
        name = self.name()
        for ordinal in (1, 2, 3):
            body = json.dumps({"schemas": [USER], "userName": f"{ordinal}{name}"})
            connection.request("POST", url.path + "/Users", body, headers)
            if ordinal < 3:
                connection.getresponse().read()
        self.assertRaises(LOST, connection.getresponse)
        self.assertTrue(self.exists(f"3{name}"))
        row = [each for each in self.lab.requests() if each["method"] == "POST"][-1]
        self.assertEqual((row["ordinal"], row["status"]), (3, 0))

    def test_reset_ends_everything(self):
        self.lab.fault("status", status=503)
        self.lab.set_options(etag=False)
        self.lab.reset()
        reply = self.create()
        self.assertStatus(reply, 201)
        self.assertIn("version", reply.body["meta"])

    def test_an_unknown_action_is_refused(self):
        self.assertRaisesRegex(AssertionError, "unknown action type", self.lab.fault, "explode")
        self.assertRaisesRegex(AssertionError, "there is none", self.lab.set_options, bogus=1)


class StaleReads(Faults):
    LAG_MS = 1500

    def setUp(self):
        super().setUp()
        self.user = self.create(externalId=self.name(), title="old").body
        self.path = f"/Users/{self.user['id']}"
        self.lab.fault("stale", {"method": "GET"}, ms=self.LAG_MS)

    def title(self):
        return (self.lab.scim("GET", self.path).body or {}).get("title")

    def settled(self):
        wait_until(lambda: self.title() == "old", "the created user is seen")

    def test_a_created_object_is_not_found_at_first(self):
        self.assertStatus(self.lab.scim("GET", self.path), 404)
        self.assertEqual(self.lab.find("Users", "externalId", self.user["externalId"]), [])
        self.settled()
        self.assertEqual(len(self.lab.find("Users", "externalId", self.user["externalId"])), 1)

    def test_a_changed_object_is_the_old_one_at_first(self):
        self.settled()
        self.lab.patch(self.path, {"op": "replace", "path": "title", "value": "new"})
        self.assertEqual(self.title(), "old")
        self.assertEqual(self.lab.find("Users", "id", self.user["id"])[0]["title"], "old")
        wait_until(lambda: self.title() == "new", "the change is seen")

    def test_a_deleted_object_is_there_at_first(self):
        self.settled()
        self.lab.scim("DELETE", self.path)
        self.assertEqual(self.title(), "old")
        wait_until(lambda: self.lab.scim("GET", self.path).status == 404, "the deletion is seen")

    def test_members_lag_too(self):
        self.settled()
        group = self.lab.scim("POST", "/Groups", {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": self.name()}).body
        path = f"/Groups/{group['id']}"
        wait_until(lambda: self.lab.scim("GET", path).status == 200, "the group is seen")
        self.lab.patch(path, {"op": "add", "path": "members", "value": [{"value": self.user["id"]}]})
        self.assertEqual(self.lab.scim("GET", path).body["members"], [])
        wait_until(lambda: self.lab.scim("GET", path).body["members"], "the member is seen")


class Normalising(Faults):
    def test_each_way_to_store_something_else(self):
        self.lab.set_options(normalise={"lower": ["displayName", "emails.value", "enterprise.department"],
                                        "trim": ["title"], "reorder": ["phoneNumbers"], "drop": ["nickName"]})
        phones = [{"type": "work", "value": "1"}, {"type": "home", "value": "2"}]
        body = {"schemas": [USER, ENTERPRISE], "userName": self.name(), "displayName": "Ann ÜBEL", "title": " x ",
                "nickName": "gone", "emails": [{"type": "work", "value": "A@B.org"}], "phoneNumbers": phones,
                ENTERPRISE: {"department": "D1"}}
        stored = self.lab.scim("POST", "/Users", body).body
        self.assertEqual((stored["displayName"], stored["title"], stored.get("nickName")), ("ann übel", "x", None))
        self.assertEqual(stored["emails"][0]["value"], "a@b.org")
        self.assertEqual([each["type"] for each in stored["phoneNumbers"]], ["home", "work"])
        self.assertEqual(stored[ENTERPRISE]["department"], "d1")
        patched = self.lab.patch(f"/Users/{stored['id']}", {"op": "replace", "path": "displayName", "value": "BOB"})
        self.assertEqual(patched.body["displayName"], "bob")


class Tokens(Faults):
    def test_a_token_is_refused_once_then_the_next_is_taken(self):
        self.lab.fault("expire-token", times=1)
        first = self.lab.token()
        self.assertStatus(self.lab.scim("GET", "/Users"), 401)
        self.assertStatus(self.lab.scim("GET", "/Users"), 401)
        self.lab._token = None
        self.assertNotEqual(first, self.lab.token())
        self.assertStatus(self.lab.scim("GET", "/Users"), 200)

    def test_refused_once_or_always(self):
        self.lab.fault("status", times=1, status=401)
        self.assertEqual([self.lab.scim("GET", "/Users").status for _ in range(2)], [401, 200])
        self.lab.fault("status", status=401)
        self.assertEqual([self.lab.scim("GET", "/Users").status for _ in range(2)], [401, 401])

    def test_faults_of_the_authorization_server(self):
        form = {"grant_type": "client_credentials"}
        login = ("sync", self.lab.layout.read_secret("sync.secret"))
        self.lab.fault("status", {"path": "^/token$"}, times=1, server="oauth", status=503, retry_after=1)
        reply = self.lab.oauth("/token", form, login)
        self.assertEqual((reply.status, reply.headers["Retry-After"]), (503, "1"))
        self.lab.fault("malformed", {"path": "^/token$"}, times=1, server="oauth")
        self.assertIsNone(self.lab.oauth("/token", form, login).body)
        self.assertStatus(self.lab.oauth("/token", form, login), 200)


if __name__ == "__main__":
    unittest.main()
