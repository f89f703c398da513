#!/usr/bin/python3
"""The commands by which an operator decides: what they send, what they show. The
daemon is a canned one."""

import csv
import os
import unittest

import control_samples as samples
from cli_case import Case
from fake_daemon import answer, progress

PERSON = "3f0c6a52-7d2e-4f6e-9a57-0c1d2e3f0000"


class Decisions(Case):
    def sent(self, daemon, command):
        return [request["args"] for request in daemon.requests if request["command"] == command]

    def test_a_beginning_of_a_hash_names_the_list_that_is_shown_now(self):
        daemon = self.daemon()
        for typed in ("9b1f03ac", "9B1F03AC5D", samples.HASH):
            self.assertEqual(0, self.run_tool("approve", typed).returncode)
        self.assertEqual([samples.HASH] * 3, [args["hash"] for args in self.sent(daemon, "approve")])
        # A whole one is not looked for: it may name an earlier list.
        self.assertEqual(2, len(self.sent(daemon, "hold-list")))

    def test_a_beginning_that_fits_none_or_several_releases_nothing(self):
        twins = [dict(hold, hash="9b1f03ac" + digit * 56) for hold, digit in
                 zip(samples.HOLDS["holds"], "12")]
        daemon = self.daemon(**{"hold-list": answer({"staging": None, "holds": twins})})
        for typed, why in (("9b1f03ac", "all begin with"), ("9b1f03ad", "could not find")):
            for words in (["approve", typed], ["reject", typed]):
                done = self.run_tool(*words)
                self.assertEqual((1, ""), (done.returncode, done.stdout))
                self.assert_sentence(done.stderr)
                self.assertIn(why, done.stderr)
        self.assertEqual([], self.sent(daemon, "approve") + self.sent(daemon, "reject"))

    def test_only_takes_the_words_that_follow_it_and_may_be_repeated(self):
        daemon = self.daemon()
        self.run_tool("approve", samples.HASH, "--only", "a", "b", "--reason", "because", "--only", "c")
        self.run_tool("--only-is-no-global", "approve")
        self.run_tool("reject", "--only", "a", "--reason", "r", samples.HASH, "--", "--b")
        self.assertEqual(["a", "b", "c"], self.sent(daemon, "approve")[0]["only"])
        self.assertEqual([], self.sent(daemon, "reject"))  # two words, one is expected
        self.run_tool("reject", "--only=a", "--reason=r", samples.HASH)
        self.assertEqual((["a"], "r"), tuple(self.sent(daemon, "reject")[0][key] for key in ("only", "reason")))

    def test_more_names_than_the_limit_are_refused_before_anything_is_asked(self):
        daemon = self.daemon()
        done = self.run_tool("approve", samples.HASH, "--only", *["x"] * 1001)
        self.assertEqual(2, done.returncode)
        self.assert_sentence(done.stderr)
        self.assertEqual([], daemon.requests)
        self.assertEqual(0, self.run_tool("approve", samples.HASH, "--only", *["x"] * 1000).returncode)

    @unittest.skipUnless(os.getuid() == 0, "only root's SUDO_USER counts")
    def test_who_is_the_person_behind_sudo(self):
        daemon = self.daemon()
        self.run_tool("approve", samples.HASH, SUDO_USER="grace")
        self.run_tool("retry", "--all", SUDO_USER="grace")
        self.run_tool("approve", samples.HASH, SUDO_USER="")
        self.assertEqual(["grace", "root"], [args["who"] for args in self.sent(daemon, "approve")])
        self.assertEqual({"object": None, "who": "grace"}, self.sent(daemon, "retry")[0])

    def test_a_reason_is_bounded(self):
        self.daemon()
        done = self.run_tool("approve", samples.HASH, "--reason", "x" * 501)
        self.assertEqual(2, done.returncode)
        self.assert_sentence(done.stderr)
        self.assertEqual(0, self.run_tool("approve", samples.HASH, "--reason", "x" * 500).returncode)

    def test_what_waits_for_a_cycle_shows_how_far_it_is(self):
        self.daemon(approve=[progress("export", 2, 4), answer(samples.APPROVED)])
        shown, status = self.on_terminal("approve", samples.HASH)
        self.assertEqual(0, status)
        self.assertRegex(shown.decode(), r"export.*2 of 4")
        self.assertIn("\r\033[K", shown.decode()[shown.decode().index("2 of 4"):])
        self.assertEqual("", self.run_tool("approve", samples.HASH).stderr)

    def test_a_refusal_for_safety_is_exit_3(self):
        self.daemon(approve=answer(None, 3, "cannot approve orphans without naming them: use --only"))
        done = self.run_tool("approve", samples.HASH)
        self.assertEqual((3, ""), (done.returncode, done.stdout))
        self.assertIn("without naming them", done.stderr)

    def test_members_and_reanchor_and_maintenance_send_what_was_typed(self):
        daemon = self.daemon()
        self.run_tool("members", "adopt", "--all", "--dry-run")
        self.run_tool("reanchor", "--match", "userName", "--dry-run", "--reason", "x")
        self.run_tool("maintenance", "off")
        sent = [{key: value for key, value in request["args"].items() if key != "who"}
                for request in daemon.requests]
        self.assertEqual([{"group": None, "dry_run": True},
                          {"match": "userName", "dry_run": True, "reason": "x"},
                          {"on": False, "staging": False}], sent)


class Lists(Case):
    GOLDEN = """\
● orphans of users: (detail)
  1 user at the target carries an anchor that no source has ever shown
  1 object held

NAME               ANCHOR   VERB        TARGET ID  CREATED     WHY
kiosk@example.org  HR-4711  deactivate  902c2460   2024-05-06  no source has ever shown HR-4711

  delete some:
    twinsync approve {hash} --only TARGET-ID ...
  keep them:
    twinsync reject {hash}
"""

    def holds(self, *holds, staging=None):
        return self.daemon(**{"hold-list": answer({"holds": list(holds), "staging": staging})})

    def test_a_block_is_sentence_numbers_objects_and_what_to_type(self):
        self.holds(dict(samples.HOLDS["holds"][1], detail="(detail)", since=None))
        self.assertEqual(self.GOLDEN.format(hash=samples.ORPHANS_HASH), self.run_tool("hold", "list").stdout)

    def test_twenty_objects_are_shown_or_all(self):
        self.holds(samples.HOLDS["holds"][0])
        for words, rows, more in ((["hold", "list"], 20, True), (["hold", "list", "--all"], 44, False)):
            done = self.run_tool(*words)
            self.assertEqual(rows, done.stdout.count("3f0c6a52-"))
            self.assertEqual(more, "and 24 more: twinsync hold list --all" in done.stdout)

    def test_what_stays_in_scope_is_not_offered_for_rejection(self):
        hold = dict(samples.HOLDS["holds"][0], **{"class": "creates"})
        hold["objects"] = [dict(each, verb="create") for each in hold["objects"]]
        self.holds(hold)
        shown = self.run_tool("hold", "list").stdout
        self.assertIn("twinsync approve", shown)
        self.assertNotIn("twinsync reject", shown)
        self.assertIn("correct the source or the rules", shown)

    def test_a_list_that_the_daemon_cut_says_so(self):
        self.holds(dict(samples.HOLDS["holds"][0], items=60000, cut=True))
        self.assertIn("and 59,956 more, which are not listed", self.run_tool("hold", "list", "--all").stdout)

    def test_staging_says_how_to_go_on(self):
        self.holds(staging=samples.STAGING["staging"])
        shown = self.run_tool("hold", "list").stdout
        self.assertIn("has never written to its target", shown)
        self.assertIn("twinsync preview", shown)
        self.assertIn("twinsync sync --plan HASH", shown)

    def test_a_hold_without_a_list_yet_says_when_there_is_one(self):
        self.holds(dict(samples.HOLDS["holds"][0], hash=None, approve=None))
        shown = self.run_tool("hold", "list").stdout
        self.assertIn("its list is made by the next cycle", shown)
        self.assertNotIn("approve", shown)

    def test_no_hold_is_one_line(self):
        self.holds()
        self.assertEqual("nothing is held\n", self.run_tool("hold", "list").stdout)

    def test_csv_has_one_row_an_object_with_its_hold(self):
        self.daemon()
        rows = list(csv.DictReader(self.run_tool("hold", "list", "--csv").stdout.splitlines()))
        self.assertEqual(45, len(rows))
        self.assertEqual((samples.HASH, "deletes", PERSON),
                         tuple(rows[0][key] for key in ("hash", "class", "anchor")))
        self.assertEqual((samples.ORPHANS_HASH, "902c2460"),
                         tuple(rows[44][key] for key in ("hash", "target_id")))

    def test_nothing_from_a_directory_reaches_the_terminal_as_a_command(self):
        evil = dict(samples.HOLDS["holds"][1], text="a\033[2J", detail="\033]0;x\007")
        evil["objects"] = [dict(evil["objects"][0], name="b\033[H", why="\u009b31m")]
        self.holds(evil)
        for words in (["hold", "list"], ["hold", "list", "--csv"]):
            shown = self.run_tool(*words).stdout.replace("\r\n", "\n")
            self.assertNotRegex(shown, r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]")


if __name__ == "__main__":
    unittest.main()
