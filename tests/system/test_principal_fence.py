#!/usr/bin/python3
"""A principal is made for an epoch, fenced by evidence, and never by anything less."""

import hashlib
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from lab import wait_until  # noqa: E402
from principal_driver import PrincipalTestCase  # noqa: E402

REG = {"method": "DELETE", "path": "^/reg/"}


class Life(PrincipalTestCase):
    def test_a_client_is_registered_and_can_ask_for_tokens(self):
        driver = self.driver()
        client = driver.mint("p", 7)
        self.assertTrue(client["secret"])
        self.assertEqual(self.admitted(self.token_of(client).body["access_token"]), 200)
        self.assertEqual(driver.ask(records=True), [])

    def test_what_was_minted_in_vain_is_deleted_however_often(self):
        driver = self.driver()
        client = driver.mint("p", 7)
        driver.must(unmint="p")
        self.assertStatus(self.token_of(client), 401)
        driver.must(unmint="p")

    def test_an_unmint_whose_answer_is_lost_is_repeated(self):
        driver = self.driver()
        client = driver.mint("p", 7)
        self.lab.fault("close", REG, times=1, server="oauth", when="after")
        driver.must(unmint="p")
        self.assertStatus(self.token_of(client), 401)

    def test_a_registration_whose_answer_is_lost_leaves_nothing_usable(self):
        driver = self.driver()
        self.lab.fault("close", {"method": "POST", "path": "^/reg"}, times=1, server="oauth", when="after")
        answer = driver.ask(mint="p", epoch=7)
        self.assertEqual(answer["code"], "the other side is not reachable")
        self.assertNotIn("secret", answer)
        again = driver.mint("p", 7)
        self.assertStatus(self.token_of(again), 200)
        asked = [row for row in self.asked() if row["path"] == "/token"]
        self.assertEqual([row["client"] for row in asked], [again["id"]])

    def test_a_busy_registration_is_not_a_principal(self):
        driver = self.driver()
        for status in (429, 500, 503, 401, 403):
            number = self.lab.fault("status", {"path": "^/reg"}, times=1, server="oauth", status=status)
            answer = driver.ask(mint="p", epoch=7)
            self.assertNotEqual(answer["code"], "success", status)
            self.assertEqual(self.lab.fault_hits(number, "oauth"), 1)
        for spoiled in ("malformed", "wrong-types", "truncated"):
            self.lab.fault(spoiled, {"path": "^/reg"}, times=1, server="oauth")
            self.assertNotEqual(driver.ask(mint="p", epoch=7)["code"], "success", spoiled)

    def test_a_probe_tells_and_changes_nothing(self):
        driver = self.driver()
        driver.must(probe=True)
        self.assertEqual([row["status"] for row in self.asked()], [400])
        wrong = os.path.join(driver.folder.name, "wrong.token")
        with open(os.open(wrong, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write("not-the-initial-token")
        answer = self.driver(registration_token_file=wrong).ask(probe=True)
        self.assertEqual(answer["code"], "authentication or authorization was refused")
        self.assertIn("registration.token-file", answer["error"])
        self.assertNotIn("not-the-initial-token", answer["error"])
        gone = self.driver(registration_url="https://127.0.0.1:1/reg").ask(probe=True)
        self.assertEqual(gone["code"], "the other side is not reachable")


class Fence(PrincipalTestCase):
    def test_the_old_credential_ends_and_ours_works(self):
        driver, old, new = self.pair()
        self.assertEqual(self.admitted(old["access"]), 200)
        [row] = driver.fence("new", "old")
        self.assertEqual(row["state"], "confirmed", row)
        self.assertIn("refused (401)", row["text"])
        self.assertEqual(self.admitted(old["access"]), 401)
        self.assertStatus(self.token_of(old), 401)
        self.assertEqual(self.admitted(self.token_of(new).body["access_token"]), 200)

    def test_five_refusals_stand_beside_five_successes_each_on_its_own_connection(self):
        driver, old, new = self.pair()
        driver.fence("new", "old")
        reads = [row for row in self.served() if row["path"].endswith("/Users?startIndex=1&count=1")]
        refused = [row for row in reads if row["status"] == 401]
        ours = [row for row in reads if row.get("client") == new["id"]]
        canary = [row for row in reads if row.get("client") == old["id"]]
        self.assertEqual((len(canary), canary[0]["status"]), (1, 200))
        self.assertGreaterEqual(len(refused), 5)
        self.assertEqual(len(refused), len(ours))
        self.assertEqual({row["status"] for row in ours}, {200})
        self.assertEqual({row["op"] for row in ours}, {"test/alpha/3/b0/0"})
        self.assertEqual(len({row["connection"] for row in reads}), len(reads))
        self.assertEqual([row["method"] for row in self.served(old)], ["GET"])

    def test_our_control_token_is_recorded_before_it_is_used(self):
        driver, old, _ = self.pair()
        driver.fence("new", "old")
        [recorded] = driver.ask(records=True)
        self.assertEqual(recorded["lifetime_s"], 300)  # as the lab issues them
        self.assertEqual(len(recorded["hash"]), 64)
        self.assertNotEqual(recorded["hash"], hashlib.sha256(old["access"].encode()).hexdigest())

    def test_a_control_token_that_may_not_be_used_is_not(self):
        driver, _, new = self.pair()
        driver.ask(hook=False)
        answer = driver.ask(fence=["old"], own="new")
        self.assertEqual(answer["code"], "cancelled")
        self.assertEqual(self.served(new), [])
        driver.ask(hook=True)
        self.assertEqual(self.until_confirmed(driver)["state"], "confirmed")

    def test_who_never_had_a_token_is_gone_with_its_client(self):
        driver = self.driver()
        old = driver.mint("old", 1)
        driver.mint("new", 2)
        [row] = driver.fence("new", "old")
        self.assertEqual(row["state"], "confirmed", row)
        self.assertEqual(row["text"], "deleted; it never had a token")
        self.assertStatus(self.token_of(old), 401)
        self.assertEqual(self.served(), [])

    def test_several_are_fenced_in_one_round(self):
        driver, old, _ = self.pair()
        driver.mint("older", 1)
        rows = driver.fence("new", "old", "older")
        self.assertEqual([row["state"] for row in rows], ["confirmed", "confirmed"])
        self.assertEqual(self.admitted(old["access"]), 401)

    def test_neither_ourselves_nor_a_higher_epoch_is_touched(self):
        driver, old, new = self.pair()
        for rows in (["new"], ["old", "new"]):
            answer = driver.ask(fence=rows, own="old")
            self.assertEqual(answer["code"], "refused for safety", answer)
        self.assertStatus(self.token_of(new), 200)
        self.assertEqual(self.admitted(old["access"]), 200)

    def test_a_fence_that_a_crash_cut_off_goes_on_with_its_evidence(self):
        for status in (None, 503):  # cut off after, or before the deletion
            driver, old, _ = self.pair()
            if status:
                number = self.lab.fault("status", REG, server="oauth", status=status)
                self.assertEqual(driver.fence("new", "old")[0]["state"], "pending")
                self.lab.control("DELETE", f"/faults/{number}", server="oauth")
            else:
                self.assertEqual(driver.fence("new", "old")[0]["state"], "confirmed")
            driver.restart()
            row = self.until_confirmed(driver)
            self.assertIn("refused (401)", row["text"])
            self.assertEqual(self.admitted(old["access"]), 401)

    def test_what_is_remembered_of_a_fence_is_sealed(self):
        driver, old, new = self.pair()
        driver.fence("new", "old")
        path = os.path.join(driver.folder.name, "fence")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with open(path, "rb") as file:
            content = file.read()
        for secret in (b"Bearer", old["id"].encode(), new["id"].encode(), old["secret"].encode()):
            self.assertNotIn(secret, content)

    def test_a_fence_whose_canary_is_lost_waits_for_the_tokens_end(self):
        driver, old, _ = self.pair(lifetime_s=1)
        driver.fence("new", "old")
        driver.restart(forget=True)
        [row] = driver.fence("new", "old")
        self.assertPending(row, "no token of it could be judged; confirmed in")
        row = self.until_confirmed(driver)
        self.assertIn("longest life", row["text"])
        self.assertEqual(self.admitted(old["access"]), 401)

    def test_the_wait_for_the_tokens_end_goes_on_across_a_crash(self):
        self.lab.set_options("oauth", token_lag_seconds=600, token_seconds=4)
        driver, old, _ = self.pair(lifetime_s=4)
        began = time.monotonic()
        self.assertPending(driver.fence("new", "old")[0], "still admitted; confirmed in 6 s")
        wait_until(lambda: time.monotonic() - began > 3, "some of it has passed")
        driver.restart()
        left = int(driver.fence("new", "old")[0]["text"].split("confirmed in ")[1].split()[0])
        self.assertLessEqual(left, 3)
        self.assertIn("longest life", self.until_confirmed(driver)["text"])
        self.assertGreater(time.monotonic() - began, 4 * 1.1 + 1)
        self.assertEqual(self.admitted(old["access"]), 401)

    def test_a_cancelled_fence_ends_at_once_and_goes_on_later(self):
        driver, _, _ = self.pair()
        driver.ask(cancel=True)
        self.assertEqual(driver.ask(fence=["old"], own="new")["code"], "cancelled")
        driver.ask(resume=True)
        self.assertEqual(self.until_confirmed(driver)["state"], "confirmed")


class Trouble(PrincipalTestCase):
    def test_a_deletion_whose_answer_is_lost_is_found_done(self):
        driver, old, _ = self.pair()
        self.lab.fault("close", REG, times=1, server="oauth", when="after")
        self.assertIn("refused (401)", self.until_confirmed(driver)["text"])
        self.assertEqual(self.admitted(old["access"]), 401)
        self.assertEqual([row["status"] for row in self.asked() if row["method"] == "DELETE"], [0, 401])

    def test_no_status_of_the_registration_but_an_end_confirms(self):
        driver, old, _ = self.pair()
        for status in (403, 405, 429, 500, 503):
            number = self.lab.fault("status", REG, server="oauth", status=status)
            [row] = driver.fence("new", "old")
            self.assertPending(row, "the registration endpoint")
            self.lab.control("DELETE", f"/faults/{number}", server="oauth")
            self.assertEqual(self.admitted(old["access"]), 200)
        self.assertEqual(self.until_confirmed(driver)["state"], "confirmed")

    def test_a_refused_management_token_is_no_end_while_the_client_gets_tokens(self):
        driver, old, _ = self.pair()
        number = self.lab.fault("status", REG, server="oauth", status=401)
        [row] = driver.fence("new", "old")
        self.assertPending(row, "still gets tokens")
        revoked = [each for each in self.asked() if each["path"] == "/token/revocation"]
        self.assertEqual([each["status"] for each in revoked], [200])
        self.assertEqual(self.admitted(old["access"]), 200)
        self.lab.control("DELETE", f"/faults/{number}", server="oauth")
        self.until_confirmed(driver)
        self.assertEqual(self.admitted(old["access"]), 401)

    def test_tokens_that_outlive_their_client_keep_the_fence_pending(self):
        self.lab.set_options("oauth", token_lag_seconds=2)
        driver, old, _ = self.pair()
        [row] = driver.fence("new", "old")
        self.assertPending(row, "its tokens are still admitted; confirmed in 661 s")
        self.assertEqual(self.admitted(old["access"]), 200)
        row = self.until_confirmed(driver)
        self.assertEqual(self.admitted(old["access"]), 401)
        self.assertIn("refused (401)", row["text"])

    def test_tokens_that_nothing_ends_are_waited_for(self):
        self.lab.set_options("oauth", token_lag_seconds=600, token_seconds=3)
        driver, old, _ = self.pair(lifetime_s=3)
        began = time.monotonic()
        [row] = driver.fence("new", "old")
        self.assertPending(row, "still admitted")
        row = self.until_confirmed(driver)
        self.assertIn("longest life", row["text"])
        self.assertEqual(self.admitted(old["access"]), 401)
        self.assertGreater(time.monotonic() - began, 3 * 1.1 + 1)

    def test_an_outage_at_any_point_only_delays(self):
        driver, old, _ = self.pair()
        self.lab.stop("oauth")
        for _ in range(3):
            [row] = driver.fence("new", "old")
            self.assertPending(row, "does not answer")
        self.lab.start("oauth")
        wait_until(lambda: driver.fence("new", "old")[0]["state"] == "confirmed", "the fence is confirmed")
        self.assertEqual(self.admitted(old["access"]), 401)

    def test_a_sealed_row_of_another_pair_is_never_confirmed(self):
        driver, old, _ = self.pair()
        other = self.driver()
        other.mint("new", 2)
        row = other.fence("new", "missing")[0]
        self.assertEqual(row["state"], "unfenced")  # no such row: kind none
        self.assertEqual(self.admitted(old["access"]), 200)
        self.assertEqual(self.until_confirmed(driver)["state"], "confirmed")


if __name__ == "__main__":
    unittest.main()
