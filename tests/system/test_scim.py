#!/usr/bin/python3
"""The SCIM target against a real provider and a real OAuth server, over TLS."""

import os
import re
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from lab import LabTestCase  # noqa: E402
from scim_driver import ENTERPRISE, MAIL, Driver, create, operation  # noqa: E402

HEADER = re.compile(r"^test/alpha/1/b0/7;i=\d+(;r=\d+)?$")


class Target(LabTestCase):
    OPTIONS = {"people": 5, "groups": 2}
    made = 0

    def settings(self, **more):
        env = self.lab.env
        return {"url": env["scim_url"], "ca_file": env["ca_file"], "connections": 4, "timeout_seconds": 5,
                "oauth": {"token_url": env["token_url"], "client_id": env["client_id"],
                          "client_secret_file": env["client_secret_file"]}, **more}

    def driver(self, paths=None, **more):
        driver = Driver(self.settings(**more), paths)
        self.addCleanup(driver.close)
        return driver

    def name(self):
        Target.made += 1
        return f"scim{Target.made}@example.org"

    def user(self, driver, **values):
        """A fresh user: (anchor, object)."""
        name = self.name()
        outcome = driver.one(create(Target.made, "anchor-" + name, userName=name, **values))
        self.assertEqual(outcome["result"], "DONE", outcome)
        return "anchor-" + name, outcome["objects"][0]

    def stored(self, name):
        return self.lab.find("Users", "userName", name)

    def get(self, target_id, kind="Users"):
        return self.lab.scim("GET", f"/{kind}/{target_id}").body

    def effects(self, op):
        """Requests of that intent that took effect, by the provider's own log."""
        return [row for row in self.lab.writes() if row["op"] and f";i={op}" in row["op"] and row.get("effect_us")]

    def intent(self):
        Target.made += 1
        return 100000 + Target.made

    def assertResult(self, outcome, result):
        self.assertEqual(outcome["result"], result, outcome)


class Operations(Target):
    def test_a_created_user_has_every_value_and_its_anchor(self):
        driver = self.driver()
        anchor, shown = self.user(driver, **{
            "active": True, "displayName": "Ä \"x\" \\ \u2028", MAIL: "w@example.org", "name.givenName": "Ä",
            "name.familyName": "Ö", ENTERPRISE + ":department": "D"})
        stored = self.get(shown["id"])
        self.assertEqual(stored["externalId"], anchor)
        self.assertEqual(stored["displayName"], "Ä \"x\" \\ \u2028")
        self.assertEqual(stored["emails"], [{"type": "work", "value": "w@example.org"}])
        self.assertEqual(stored["name"], {"givenName": "Ä", "familyName": "Ö"})
        self.assertEqual(stored[ENTERPRISE], {"department": "D"})
        self.assertIs(stored["active"], True)
        self.assertEqual(shown["values"][MAIL], ["w@example.org"])

    def test_an_update_leaves_alone_what_it_does_not_name(self):
        driver = self.driver()
        reply = self.lab.create_user(self.name(), nickName="n", emails=[
            {"type": "home", "value": "h@example.org"}, {"type": "work", "value": "o@example.org", "display": "d"}],
            phoneNumbers=[{"type": "work", "value": "1"}], title="t")
        target_id = reply.body["id"]
        for values, mails in [
                ({MAIL: "n@example.org", "title": None, "name.givenName": "G"},
                 [("home", "h@example.org", None), ("work", "n@example.org", "d")]),
                ({MAIL: None}, [("home", "h@example.org", None), ("work", None, "d")]),
                ({MAIL: "again@example.org"}, [("home", "h@example.org", None), ("work", "again@example.org", "d")])]:
            self.assertResult(driver.one(operation("update", self.intent(), id=target_id, set=values)), "DONE")
            stored = self.get(target_id)
            self.assertEqual(sorted((m["type"], m.get("value"), m.get("display")) for m in stored["emails"]), mails)
        self.assertEqual(stored["nickName"], "n")
        self.assertEqual(stored["phoneNumbers"][0]["value"], "1")
        self.assertEqual(stored["name"]["givenName"], "G")
        self.assertNotIn("title", stored)

    def test_a_value_in_a_list_is_added_where_there_is_none(self):
        driver = self.driver()
        _, shown = self.user(driver)
        self.assertResult(driver.one(operation("update", self.intent(), id=shown["id"],
                                               set={MAIL: "new@example.org", ENTERPRISE + ":department": "D"})), "DONE")
        self.assertEqual(self.get(shown["id"])["emails"], [{"type": "work", "value": "new@example.org"}])
        self.assertResult(driver.one(operation("update", self.intent(), id=shown["id"],
                                               set={MAIL: None, ENTERPRISE + ":department": None})), "DONE")
        self.assertFalse(self.get(shown["id"]).get("emails"))

    def test_without_patch_the_object_is_put_back_with_only_ours_changed(self):
        self.lab.set_options(patch=False)
        driver = self.driver()
        reply = self.lab.create_user(self.name(), nickName="n", emails=[{"type": "home", "value": "h@example.org"}])
        target_id = reply.body["id"]
        self.assertFalse(driver.ask(discover=1)["patch"])
        self.assertResult(driver.one(operation("update", self.intent(), id=target_id,
                                               set={MAIL: "w@example.org", "displayName": "D"})), "DONE")
        stored = self.get(target_id)
        self.assertEqual((stored["nickName"], stored["displayName"], len(stored["emails"])), ("n", "D", 2))
        self.assertIn("PUT", [row["method"] for row in self.lab.writes()])

    def test_deactivate_and_reactivate(self):
        driver = self.driver()
        _, shown = self.user(driver, active=True)
        for verb, expected in (("deactivate", False), ("reactivate", True)):
            self.assertResult(driver.one(operation(verb, self.intent(), id=shown["id"])), "DONE")
            self.assertIs(self.get(shown["id"])["active"], expected)

    def test_what_is_gone_is_gone_for_every_verb(self):
        driver = self.driver()
        _, shown = self.user(driver)
        self.assertResult(driver.one(operation("delete", self.intent(), id=shown["id"])), "DONE")
        for verb in ("delete", "read", "update", "deactivate"):
            self.assertResult(driver.one(operation(verb, self.intent(), id=shown["id"], set={"title": "t"})), "GONE")

    def test_find_goes_by_anchor_then_by_match(self):
        driver = self.driver()
        anchor, shown = self.user(driver)
        name = shown["values"]["userName"][0]
        odd = self.lab.create_user('o"dd\\user').body["id"]
        found = driver.run(
            operation("find", self.intent(), anchor=anchor, match_path="userName", match_value="nobody"),
            operation("find", self.intent(), anchor="none", match_path="userName", match_value=name),
            operation("find", self.intent(), anchor="none", match_path="userName", match_value="nobody"),
            operation("find", self.intent(), anchor="none"),
            operation("find", self.intent(), anchor="none", match_path="userName", match_value='o"dd\\user'))
        for outcome in found:
            self.assertResult(outcome, "DONE")
        self.assertEqual([[each["id"] for each in outcome["objects"]] for outcome in found],
                         [[shown["id"]], [shown["id"]], [], [], [odd]])

    def test_a_taken_name_is_a_conflict_that_names_the_attribute(self):
        driver = self.driver()
        _, shown = self.user(driver)
        outcome = driver.one(create(self.intent(), "other-anchor", userName=shown["values"]["userName"][0]))
        self.assertResult(outcome, "CONFLICT")
        self.assertEqual((outcome["status"], outcome["attribute"]), (409, "userName"))

    def test_a_manager_is_set_read_and_removed(self):
        driver = self.driver()
        (_, boss), (_, shown) = self.user(driver), self.user(driver)
        steps = [({"add": [boss["id"]]}, [boss["id"]]), ({"remove": [boss["id"]]}, [])]
        for change, expected in steps:
            self.assertResult(driver.one(operation("update", self.intent(), id=shown["id"], link_path="manager",
                                                   **change)), "DONE")
            outcome = driver.one(operation("read", self.intent(), id=shown["id"]))
            self.assertEqual((outcome["objects"][0]["links"], outcome["objects"][0]["links_known"]), (expected, True))

    def test_a_version_that_is_not_the_latest_is_stale(self):
        driver = self.driver()
        _, shown = self.user(driver)
        self.assertTrue(shown["etag"])
        self.lab.patch(f"/Users/{shown['id']}", {"op": "replace", "path": "title", "value": "foreign"})
        change = {"id": shown["id"], "set": {"displayName": "ours"}}
        self.assertResult(driver.one(operation("update", self.intent(), etag=shown["etag"], **change)), "STALE")
        self.assertNotIn("displayName", self.get(shown["id"]))
        fresh = driver.one(operation("read", self.intent(), id=shown["id"]))["objects"][0]["etag"]
        self.assertResult(driver.one(operation("update", self.intent(), etag=fresh, **change)), "DONE")

    def test_versions_are_not_used_where_the_service_does_not_offer_them(self):
        self.lab.set_options(etag=False)
        driver = self.driver()
        _, shown = self.user(driver)
        self.assertIsNone(shown["etag"])
        self.assertResult(driver.one(operation("update", self.intent(), id=shown["id"], etag='W/"old"',
                                               set={"title": "t"})), "DONE")

    def test_every_request_says_who_sends_it(self):
        driver = self.driver()
        self.user(driver)
        row = self.lab.writes()[-1]
        self.assertRegex(row["op"], HEADER)


class Groups(Target):
    def test_a_large_group_is_changed_by_deltas(self):
        driver = self.driver()
        users = driver.run(*[create(200000 + i, f"m{i}", userName=f"member{i}@example.org") for i in range(700)])
        ids = sorted(outcome["objects"][0]["id"] for outcome in users)
        group = driver.one(create(self.intent(), "g", "group", displayName="Large"))["objects"][0]["id"]
        most = driver.ask(discover=1)["links_max"]
        for at in range(0, len(ids), most):
            self.assertResult(driver.one(operation("update", self.intent(), "group", id=group, link_path="members",
                                                   add=ids[at:at + most])), "DONE")
        shown = driver.one(operation("read", self.intent(), "group", id=group))["objects"][0]
        self.assertEqual(shown["links"], ids)
        self.assertResult(driver.one(operation("update", self.intent(), "group", id=group, link_path="members",
                                               add=ids[:1], remove=ids[1:1 + most], set={"displayName": "L2"})), "DONE")
        shown = driver.one(operation("read", self.intent(), "group", id=group))["objects"][0]
        self.assertEqual((shown["links"], shown["values"]), (ids[:1] + ids[1 + most:], {"displayName": ["L2"]}))
        change = [row for row in self.lab.writes() if row["method"] == "PATCH"]
        self.assertTrue(all(row["status"] in (200, 204) for row in change))

    def test_enumeration_shows_every_object_once(self):
        driver = self.driver()
        self.lab.set_options(page_max=7)
        answer = driver.ask(enumerate="user")
        self.assertEqual(answer["enumerate"], "success", answer["text"])
        ids = [each["id"] for each in answer["objects"]]
        total = self.lab.scim("GET", "/Users?count=1").body["totalResults"]
        self.assertEqual((len(set(ids)), len(ids)), (total, total))
        self.assertTrue(all(each["values"]["userName"] for each in answer["objects"]))


class Credentials(Target):
    def test_a_key_proves_the_client_as_well_as_a_secret(self):
        for algorithm in ("rsa", "ec"):
            driver = self.driver(oauth={
                "token_url": self.lab.env["token_url"], "client_id": self.lab.env[f"client_id_{algorithm}"],
                "private_key_file": self.lab.env[f"client_key_{algorithm}"]})
            self.user(driver)
            driver.close()

    def test_one_token_serves_many_requests(self):
        driver = self.driver()
        before = len(self.lab.requests("oauth"))
        driver.run(*[create(self.intent(), f"t{i}", userName=self.name()) for i in range(50)])
        asked = [row for row in self.lab.requests("oauth")[before:] if row["path"] == "/token"]
        self.assertEqual(len(asked), 1)

    def test_an_expired_token_is_renewed_once_and_the_write_done_once(self):
        driver = self.driver()
        self.user(driver)
        number, name = self.intent(), self.name()
        self.lab.fault("expire-token", {"method": "POST", "path": "/Users"}, times=1)
        outcome = driver.one(create(number, "renewed", userName=name))
        self.assertResult(outcome, "DONE")
        self.assertEqual((outcome["retries"], len(self.stored(name)), len(self.effects(number))), (1, 1, 1))

    def test_a_second_refusal_is_final(self):
        driver = self.driver()
        self.user(driver)
        self.lab.fault("expire-token", {"method": "POST", "path": "/Users"})
        number, name = self.intent(), self.name()
        self.assertResult(driver.one(create(number, "denied", userName=name)), "DENIED")
        self.assertEqual(self.stored(name), [])
        rows = [row for row in self.lab.writes() if row["op"] and f";i={number}" in row["op"]]
        self.assertEqual(len(rows), 2)

    def test_a_wrong_secret_is_denied(self):
        wrong = os.path.join(self.lab.folder, "wrong.secret")
        with open(wrong, "w", encoding="utf-8") as file:
            file.write("not the secret")
        os.chmod(wrong, 0o600)
        driver = self.driver(oauth={"token_url": self.lab.env["token_url"], "client_id": "sync",
                                    "client_secret_file": wrong})
        outcome = driver.one(create(self.intent(), "x", userName=self.name()))
        self.assertResult(outcome, "DENIED")
        self.assertNotIn("not the secret", outcome["text"])

    def test_a_token_server_that_talks_nonsense_delays_and_harms_nothing(self):
        for fault in ("malformed", "wrong-types", "truncated", "content-type"):
            with self.subTest(fault):
                rule = self.lab.fault(fault, {"path": "^/token$"}, server="oauth")
                driver = self.driver()
                name = self.name()
                outcome = driver.one(create(self.intent(), "x", userName=name))
                expected = "DONE" if fault == "content-type" else "LATER"
                self.assertResult(outcome, expected)
                self.assertEqual(len(self.stored(name)), 1 if expected == "DONE" else 0)
                self.assertGreater(self.lab.fault_hits(rule, "oauth"), 0)
                self.lab.reset()

    def test_check_reports_what_works(self):
        driver = self.driver()
        rows = {row["name"]: row for row in driver.ask(check=1)["check"]}
        self.assertTrue(all(rows[name]["ok"] for name in ("reachable", "token", "discovery", "read-users")), rows)
        self.assertIn("schemas read from the service", rows["discovery"]["value"])


class Certificates(Target):
    def expect_nothing_sent(self, **settings):
        before = len(self.lab.writes())
        driver = self.driver(**settings)
        outcome = driver.one(create(self.intent(), "x", userName=self.name()))
        self.assertIn(outcome["result"], ("LATER", "DENIED"))
        self.assertRegex(outcome["text"], "SSL|certificate")
        self.assertEqual(len(self.lab.writes()), before)
        driver.close()

    def test_a_foreign_authority_is_refused(self):
        self.expect_nothing_sent(ca_file=self.lab.env["other_ca_file"])

    def test_expired_and_misnamed_certificates_are_refused(self):
        for certificate in ("expired", "wrong-name", "other-ca"):
            with self.subTest(certificate):
                self.lab.restart("scim", certificate=certificate)
                self.addCleanup(self.lab.restart, "scim", certificate="good")
                self.expect_nothing_sent()


class Gate(Target):
    def test_a_closed_gate_lets_no_write_out(self):
        driver = self.driver(gate_after=0)
        before = len(self.lab.writes())
        for outcome in driver.run(*[create(self.intent(), f"g{i}", userName=self.name()) for i in range(20)]):
            self.assertResult(outcome, "STOPPED")
        self.assertEqual(len(self.lab.writes()), before)

    def test_a_gate_that_closes_meanwhile_stops_the_rest(self):
        driver = self.driver(gate_after=5)
        names = [self.name() for _ in range(30)]
        outcomes = driver.run(*[create(self.intent(), f"h{i}", userName=name) for i, name in enumerate(names)])
        results = [outcome["result"] for outcome in outcomes]
        self.assertEqual((results.count("DONE"), results.count("STOPPED")), (5, 25))
        self.assertEqual(sum(len(self.stored(name)) for name in names), 5)

    def test_cancelling_ends_what_runs_at_once(self):
        self.lab.fault("stall", {"method": "POST", "path": "/Users"}, ms=60000, when="before")
        driver = self.driver(timeout_seconds=60)
        driver.ask(discover=1)
        driver.send({"cancel_after_ms": 500})
        started = time.monotonic()
        outcomes = driver.run(*[create(self.intent(), f"c{i}", userName=self.name()) for i in range(8)])
        self.assertLess(time.monotonic() - started, 30)
        self.assertEqual({outcome["result"] for outcome in outcomes}, {"UNKNOWN", "STOPPED"})


if __name__ == "__main__":
    unittest.main()
