#!/usr/bin/python3
"""The command line tool alone: words, exit statuses, help, completion, JSON, and
what it makes of a daemon's answers. The daemon is a canned one, or none."""

import json
import os
import pwd
import re
import subprocess
import unittest

import control_samples as samples
from cli_case import Case
from fake_daemon import FakeDaemon, answer, progress

# Every command that asks the daemon, as an operator would type it.
DAEMON_COMMANDS = {
    "status": ["status"], "sync": ["sync"], "sync --wait": ["sync", "--full", "--wait"],
    "preview": ["preview"], "show": ["show", "ada"], "verify": ["verify", "--all"],
    "errors": ["errors"], "history": ["history"], "events": ["events"],
    "events verify": ["events", "verify"], "pause": ["pause", "--for", "2h"], "resume": ["resume"],
    "hold list": ["hold", "list"], "approve": ["approve", samples.HASH],
    "reject": ["reject", samples.HASH, "--reason", "not ours"], "retry": ["retry", "ada"],
    "members adopt": ["members", "adopt", "engineers"], "reanchor": ["reanchor", "--match", "userName"],
    "maintenance": ["maintenance", "on", "--staging"],
    "token create": ["token", "create", "--for", "15m"], "explain": ["explain"],
    "failover": ["failover", "--reason", "a drill"],
    "handover": ["handover"], "handover --to": ["handover", "--to", "beta", "--reason", "new hardware"],
    "retire": ["retire", "beta", "--now", "--reason", "moved"],
    "fence accept": ["fence", "accept", "--reason", "it is unplugged"], "upgrade finalize": ["upgrade", "finalize"],
    "register status": ["register", "status"], "register init": ["register", "init", "--reason", "the first"],
}

# These look for themselves when there is no daemon: at its file, at the register,
# of which a node that is alone has none.
OWN_EYES = {"events verify": 1, "register status": 2}

WHO = pwd.getpwuid(os.getuid()).pw_name


class Words(Case):
    def commands(self):
        text = self.run_tool("--help").stdout
        return re.findall(r"^  ([a-z]+)  ", text, re.M)

    def test_help_lists_every_command_of_the_interface(self):
        expected = {"sync", "preview", "status", "watch", "show", "verify", "check", "events", "config",
                    "rules", "errors", "history", "pause", "resume", "version", "completion", "hold",
                    "approve", "reject", "retry", "members", "reanchor", "maintenance", "token", "join", "explain",
                    "failover", "fence", "upgrade", "register", "credentials", "handover",
                    "retire", "wait"}
        self.assertEqual(expected, set(self.commands()))

    def test_every_command_has_help_with_examples(self):
        for command in self.commands():
            for words in ([command, "--help"], [command, "-h"], ["--help", command]):
                with self.subTest(words=words):
                    done = self.run_tool(*words)
                    self.assertEqual((0, ""), (done.returncode, done.stderr))
                    self.assertIn(f"Usage: twinsync [-c FILE] [--json] {command}", done.stdout)
                    self.assertRegex(done.stdout, rf"Examples\n(.*\n)*.*twinsync.*{command}")

    def test_wrong_words_are_exit_2_and_one_sentence(self):
        for words in ([], ["frob"], ["status", "now"], ["status", "--frob"], ["show"], ["verify"],
                      ["pause", "--for"], ["pause", "--for", "soon"], ["events", "wipe"],
                      ["history", "--limit", "0"], ["rules", "test"], ["completion", "fish"],
                      ["errors", "--csv", "--json"], ["watch"], ["hold"], ["hold", "drop"],
                      ["approve"], ["reject", "9b1f"], ["retry"], ["retry", "ada", "--all"], ["members"],
                      ["members", "adopt"], ["members", "adopt", "x", "--all"], ["reanchor"],
                      ["token"], ["token", "burn"], ["token", "create", "--for", "soon"], ["join"],
                      ["join", "--token", "x", "--wait", "0"],
                      ["maintenance", "off", "--staging"], ["failover"], ["retire"], ["retire", "beta", "--now"], ["fence"], ["fence", "accept"], ["upgrade"], ["upgrade", "undo"], ["explain", "it"],
                      ["register"], ["register", "burn"], ["register", "init"], ["register", "repair"],
                      ["register", "status", "--reason", "curious"],
                      ["hold", "list", "--csv", "--json"], ["approve", samples.HASH, "--only"]):
            with self.subTest(words=words):
                done = self.run_tool(*words)
                self.assertEqual(2, done.returncode)
                self.assert_sentence(done.stderr)

    def test_a_wrong_configuration_is_exit_2_and_says_where(self):
        with open(self.config, "a") as file:
            file.write("frob: 1\n")
        done = self.run_tool("status")
        self.assertEqual(2, done.returncode)
        self.assertRegex(done.stderr, r"twinsync\.yaml:\d+:\d+: .*frob")
        os.unlink(self.config)
        self.assertEqual(2, self.run_tool("status").returncode)

    def test_completion_completes_commands_words_and_options(self):
        script = self.run_tool("completion", "bash").stdout

        def complete(*words):
            line = " ".join(f"'{word}'" for word in words)
            asked = (f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
                     "_twinsync; printf '%s\\n' \"${COMPREPLY[@]}\"")
            return set(subprocess.run(["bash", "--norc", "-c", asked], capture_output=True, text=True,
                                      check=True).stdout.split())

        self.assertEqual({"status"}, complete("twinsync", "st"))
        self.assertLessEqual({"sync", "watch", "--json"}, complete("twinsync", ""))
        self.assertEqual({"--full"}, complete("twinsync", "sync", "--f"))
        self.assertEqual({"verify"}, complete("twinsync", "-c", "x.yaml", "events", "v"))
        self.assertLessEqual({"check", "show", "schema"}, complete("twinsync", "config", ""))
        self.assertEqual({"test"}, complete("twinsync", "rules", "t"))


class WithoutDaemon(Case):
    def test_commands_that_need_it_are_exit_4_and_one_sentence(self):
        for name, words in DAEMON_COMMANDS.items():
            if name in OWN_EYES:
                continue
            with self.subTest(command=name):
                done = self.run_tool(*words)
                self.assertEqual((4, ""), (done.returncode, done.stdout))
                self.assert_sentence(done.stderr)
                self.assertIn("start twinsyncd", done.stderr)

    def test_json_is_one_document_also_then(self):
        for name, words in DAEMON_COMMANDS.items():
            with self.subTest(command=name):
                done = self.run_tool("--json", *words)
                document = json.loads(done.stdout)
                self.assertEqual(OWN_EYES.get(name, 4), document["exit"])
                self.assert_sentence("twinsync: " + document["error"] + "\n")

    def test_version_needs_none(self):
        done = self.run_tool("--json", "version")
        self.assertEqual(0, done.returncode)
        self.assertIsNone(json.loads(done.stdout)["daemon"])

    def test_check_says_what_is_not_reachable_and_is_exit_4(self):
        done = self.run_tool("--json", "check")
        self.assertEqual(4, done.returncode)
        document = json.loads(done.stdout)
        self.assertFalse(document["ready"])
        reachable = [finding for part in document["parts"] for finding in part["findings"]
                     if finding["name"] == "reachable"]
        self.assertEqual([False, False], [finding["ok"] for finding in reachable])
        self.assertTrue(all(finding["fix"] for finding in reachable))
        self.assertIn("not ready", self.run_tool("check").stdout)

    def test_rules_test_without_a_source_is_exit_4(self):
        done = self.run_tool("rules", "test", "ada")
        self.assertEqual((4, ""), (done.returncode, done.stdout))
        self.assertRegex(done.stderr, r"\Atwinsync: .*source \"corp\": could not connect to [^\n]*\n\Z")


class WithDaemon(Case):
    def test_json_is_exactly_the_daemons_document(self):
        self.daemon()
        expected = {"status": samples.STATUS, "sync": {"cycle": samples.CYCLE},
                    "sync --wait": {"cycle": samples.CYCLE}, "preview": samples.PREVIEW,
                    "show": samples.SHOW, "verify": samples.VERIFY, "errors": samples.ERRORS,
                    "history": samples.HISTORY, "events": samples.EVENTS,
                    "events verify": samples.EVENTS_VERIFY, "pause": samples.PAUSED,
                    "resume": samples.RESUMED, "hold list": samples.HOLDS, "approve": samples.APPROVED,
                    "reject": samples.REJECTED, "retry": samples.RETRIED, "members adopt": samples.ADOPTED,
                    "reanchor": samples.REANCHOR, "maintenance": samples.MAINTENANCE,
                    "token create": samples.TOKEN,
                    "explain": samples.EXPLAIN, "failover": samples.FAILOVER,
                    "retire": samples.RETIREMENT, "handover": samples.HANDOVER, "handover --to": samples.HANDOVER,
                    "fence accept": samples.ACCEPTED, "upgrade finalize": samples.UPGRADED,
                    "register status": samples.REGISTER, "register init": samples.REGISTERED}
        for name, words in DAEMON_COMMANDS.items():
            with self.subTest(command=name):
                done = self.run_tool(*words, "--json")
                self.assertEqual(expected[name], json.loads(done.stdout))
                self.assertEqual(("", 1 if name == "verify" else 0), (done.stderr, done.returncode))

    def test_requests_are_as_the_protocol_says(self):
        daemon = self.daemon()
        for words in DAEMON_COMMANDS.values():
            self.run_tool(*words)
        self.run_tool("sync", "--accept-missing")
        self.assertEqual([
            ("status", {}), ("sync", {"full": False, "wait": False}), ("sync", {"full": True, "wait": True}),
            ("preview", {}), ("show", {"object": "ada"}), ("verify", {}), ("errors", {}),
            ("history", {"limit": 20}), ("events", {"after": None, "limit": 50}), ("events-verify", {}),
            ("pause", {"for_seconds": 7200}), ("resume", {}), ("hold-list", {}),
            ("approve", {"hash": samples.HASH, "only": None, "who": WHO}),
            ("reject", {"hash": samples.HASH, "only": None, "who": WHO, "reason": "not ours"}),
            ("retry", {"object": "ada", "who": WHO}),
            ("members-adopt", {"group": "engineers", "dry_run": False, "who": WHO}),
            ("reanchor", {"match": "userName", "dry_run": False, "who": WHO}),
            ("maintenance", {"on": True, "staging": True, "who": WHO}),
            ("token-create", {"node": None, "for_seconds": 900, "who": WHO}), ("explain", {}),
            ("failover", {"accept_data_loss": False, "who": WHO, "reason": "a drill"}),
            ("handover-status", {}),
            ("handover", {"order": "begin", "to": "beta", "retire": False, "from_dead": False, "who": WHO,
                          "reason": "new hardware"}), ("handover-status", {}),
            ("retire", {"node": "beta", "who": WHO, "reason": "moved"}),
            ("fence-accept", {"who": WHO, "reason": "it is unplugged"}),
            ("upgrade-finalize", {"who": WHO}), ("register-status", {}),
            ("register-init", {"who": WHO, "reason": "the first"}),
            ("sync", {"full": False, "wait": False, "accept_missing": True}),
        ], [(request["command"], request["args"]) for request in daemon.requests])
        self.assertEqual({1}, {request["v"] for request in daemon.requests})

    def test_views_hold_what_matters_and_no_escape_in_a_pipe(self):
        self.daemon(status=answer(dict(samples.STATUS, problems=[samples.PROBLEM]), 1))
        expected = {
            "status": ["corp/alpha is not healthy: 1 error", "#42 delta", samples.PROBLEM["fix"]],
            "sync": ["cycle #42 (delta) was started"], "sync --wait": ["success after 812 ms", "3 created"],
            "preview": ["create", "Grace → Grace Hopper", "0 added, 2 removed", "plan 9b1f"],
            "show": ["is not in step", "is taken by another object", "ada → ada@example.org", "user 1",
                     "1 | 2 | 3 | 4 and 1 more", "cannot evaluate"],
            "verify": ["compared 1,060 objects: 2 differences", "Ada", "missing"],
            "errors": ["conflict", "userName is taken"], "history": ["42", "failed", "1 min 5 s", "beta's disk is broken", "5 refusals"],
            "events": ["cycle-finished", "id=42 kind=delta", "by uid 0"],
            "events verify": ["17 events: the chain is whole, its head is bb"],
            "pause": ["paused: no cycle"], "resume": ["running: cycles"],
            "hold list": ["deletions of users", "44 objects held; 5 allowed", "and 24 more",
                          "twinsync approve " + samples.HASH, "--only TARGET-ID"],
            "approve": ["deletions: 40 released, 4 no longer due, 2 still held"],
            "reject": ["44 objects stay"], "retry": ["1 object is tried again"],
            "members adopt": ["engineers g: 2 unknown here", "eve@example.org 7"],
            "reanchor": ["a-1", "b-1", "1 pair is held", "not clear: info@example.org"],
            "maintenance": ["nothing is written but by twinsync sync --plan"],
            "token create": [samples.TOKEN["token"] + "\n"],
            "explain": ["beta is standby: another node holds the lease", "wanted: 17.5 s", "while alpha is well"],
            "failover": ["exports in epoch 8"], "handover": ["00112233445566ff from alpha to beta: complete", "beta: source: every source answers"],
            "handover --to": ["proved     epoch 8", "complete after 3000 ms; the report is /var/lib"],
            "retire": ["beta is retired", "membership: done; beta is no member"],
            "fence accept": ["accepted without proof"], "upgrade finalize": ["schema level 2"],
            "register status": ["peer", "7, held by alpha", "alpha and beta", "client-7", "earlier epoch is gone"],
            "register init": ["the register is written"],
        }
        for name, words in DAEMON_COMMANDS.items():
            with self.subTest(command=name):
                done = self.run_tool(*words)
                for piece in expected[name]:
                    self.assertIn(piece, done.stdout)
                self.assertNotIn("\033", done.stdout + done.stderr)

    def test_the_status_of_a_pair_shows_lease_fence_peer_and_replication(self):
        self.daemon(status=answer(samples.PAIR_STATUS))
        shown = self.run_tool("status").stdout
        for piece in ("alpha, for another 9.1 s, register peer answers", "confirmed below epoch 7: the server says",
                      "beta connected, standby, heard 120 ms ago, round trip 310 us", "equal, 3 ms behind, protected"):
            self.assertIn(piece, shown)

    def test_a_node_without_another_member_says_so(self):
        alone = {"code": "alone", "severity": "warning", "text": "no other computer is a member", "fix": "bring one in"}
        self.daemon(status=answer(dict(samples.PAIR_STATUS, problems=[alone])))
        shown = self.run_tool("status").stdout
        self.assertIn("none: no other member", shown)
        self.assertNotIn("behind", shown)

    def test_an_open_handover_is_shown_with_what_it_waits_for(self):
        told = {"id": "00112233445566ff", "from": "alpha", "to": "beta", "step": "drain", "interrupted": False,
                "text": "session 42 runs: export 3 of 9, waited for 4 s"}
        self.daemon(status=answer(dict(samples.PAIR_STATUS, handover=told)))
        self.assertIn("alpha to beta: drain, session 42 runs", self.run_tool("status").stdout)

    def test_a_handover_that_was_cut_off_is_shown_as_such(self):
        told = {"id": "00112233445566ff", "from": "alpha", "to": "beta", "step": "lease", "interrupted": True,
                "text": "another epoch began meanwhile"}
        self.daemon(status=answer(dict(samples.PAIR_STATUS, handover=told)))
        self.assertIn("alpha to beta: interrupted at lease, another epoch", self.run_tool("status").stdout)

    def test_a_handover_takes_one_of_its_orders(self):
        for words in (("--to", "beta", "--abort"), ("--dry-run",), ("--retire",), ("--resume", "--abort")):
            done = self.run_tool("handover", *words)
            self.assertEqual(2, done.returncode, words)
            self.assertIn("--to NODE", done.stderr)

    def test_what_a_silent_peer_had_is_told_as_the_past(self):
        self.daemon(status=answer(dict(samples.PAIR_STATUS, peer=dict(samples.PAIR_STATUS["peer"], connected=False))))
        self.assertIn("equal when last heard, protected", self.run_tool("status").stdout)

    def test_a_standby_does_not_say_that_the_target_is_equal(self):
        rows = {"verified": True, "seq": 27, "rows": 423, "why": None}
        self.daemon(verify=answer(dict(samples.VERIFY, equal=None, compared=0, differences=[], journal=rows)))
        shown = self.run_tool("verify", "--all").stdout
        self.assertIn("423 rows", shown)
        self.assertIn("the target was not read", shown)
        self.assertNotIn("equal", shown)

    def test_the_daemons_refusal_is_passed_on(self):
        self.daemon(sync=answer(None, 3, "cannot start a cycle because deletions are held"))
        done = self.run_tool("sync")
        self.assertEqual((3, "", "twinsync: cannot start a cycle because deletions are held\n"),
                         (done.returncode, done.stdout, done.stderr))
        self.assertEqual({"exit": 3, "error": "cannot start a cycle because deletions are held"},
                         json.loads(self.run_tool("sync", "--json").stdout))

    def test_several_objects_of_one_name_are_listed(self):
        self.daemon(show=answer(samples.CANDIDATES, 1, "cannot show \"ada\": 2 objects have that name"))
        done = self.run_tool("show", "ada")
        self.assertEqual(1, done.returncode)
        self.assertIn("cn=ada,ou=groups", done.stdout)
        self.assertIn("2 objects", done.stderr)
        self.assertEqual(samples.CANDIDATES, json.loads(self.run_tool("show", "ada", "--json").stdout))

    def test_answers_that_make_no_sense_are_errors(self):
        for line, status in ((b"hello\n", 1), (b"{}\n", 1), (b'{"exit":7}\n', 1), (b"\xff\xfe\n", 1),
                             (FakeDaemon.HANG_UP, 4), (b'{"exit":0', 4)):
            with self.subTest(line=line):
                with FakeDaemon(self.folder, {"status": [line, FakeDaemon.HANG_UP]}):
                    done = self.run_tool("status")
                self.assertEqual((status, ""), (done.returncode, done.stdout))
                self.assert_sentence(done.stderr)

    def test_a_directorys_control_characters_do_not_reach_the_terminal(self):
        evil = dict(samples.SHOW, name="a\033]0;owned\007", dn="\033[2J", why="\u009b31m")
        evil["stages"] = [{"stage": "source", "state": "ok", "facts": {"dn": "\033[2Jx"},
                           "values": [{"path": "cn", "values": ["b\033[H"], "from": None}]}]
        row = dict(samples.ERRORS["errors"][0], name="c\033[2J", text="d\r\n\033[31m")
        self.daemon(show=answer(evil), errors=answer({"errors": [row]}))
        for words in (["show", "ada"], ["errors"], ["errors", "--csv"]):
            done = self.run_tool(*words)
            self.assertNotRegex(done.stdout.replace("\r\n", "\n"), r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]")

    def test_csv_is_quoted_and_holds_no_formula(self):
        row = dict(samples.ERRORS["errors"][0], name='=cmd("x")', text='say "no"')
        self.daemon(errors=answer({"errors": [row]}))
        lines = self.run_tool("errors", "--csv").stdout.split("\n")
        self.assertTrue(lines[0].startswith("kind,name,anchor,code"))
        self.assertIn('"\'=cmd(""x"")"', lines[1])
        self.assertIn('"say ""no"""', lines[1])

    def test_a_plan_goes_to_a_new_private_file(self):
        self.daemon()
        path = os.path.join(self.folder, "plan.json")
        done = self.run_tool("preview", "--out", path)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertEqual(0o600, os.stat(path).st_mode & 0o777)
        with open(path) as file:
            self.assertEqual(samples.PREVIEW, json.load(file))
        again = self.run_tool("preview", "--out", path, "--json")
        self.assertEqual((1, 1), (again.returncode, json.loads(again.stdout)["exit"]))
        self.assertIn("is there already", again.stderr)

    def test_events_are_followed_from_the_last_one_seen(self):
        first = {"events": [{"seq": 17, "time": "t", "event": "one", "text": "{}", "hash": ""}], "last": 19}
        then = {"events": [{"seq": 18, "time": "t", "event": "two", "text": "{}", "hash": ""}], "last": 19}

        def events(args):
            if args["after"] is None:
                return answer(first)
            return answer(then) if args["after"] == 17 else FakeDaemon.HANG_UP

        daemon = self.daemon(events=events)
        done = self.run_tool("events", "--follow", "--json")
        self.assertEqual(4, done.returncode)
        lines = done.stdout.splitlines()
        self.assertEqual(["one", "two"], [json.loads(line)["event"] for line in lines[:2]])
        self.assertEqual([None, 17, 18], [request["args"]["after"] for request in daemon.requests])

    def test_a_broken_chain_is_exit_1_and_named(self):
        self.daemon(**{"events-verify": answer({"verified": False, "count": 16, "head": "bb",
                                                "bad": {"seq": 17, "why": "its hash is not right"}}, 1)})
        done = self.run_tool("events", "verify")
        self.assertEqual(1, done.returncode)
        self.assertIn("broken at event 17: its hash is not right", done.stdout)


class OnATerminal(Case):
    def test_colours_are_used_unless_refused(self):
        self.daemon()
        shown, status = self.on_terminal("status")
        self.assertEqual(0, status)
        self.assertIn(b"\033[32m", shown)
        for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            shown, _ = self.on_terminal("status", **environment)
            self.assertNotIn(b"\033", shown)

    def test_waiting_shows_a_bar_and_takes_it_away(self):
        self.daemon(sync=[progress("import", 5, 10), progress("export", 2, 4),
                          answer({"cycle": samples.CYCLE})])
        shown, status = self.on_terminal("sync", "--wait")
        self.assertEqual(0, status)
        text = shown.decode()
        self.assertRegex(text, r"import.*█+░+ 5 of 10")
        self.assertRegex(text, r"export.*2 of 4")
        self.assertIn("\r\033[K", text[text.index("2 of 4"):])
        self.assertEqual("", self.run_tool("sync", "--wait").stderr)

    def test_watch_draws_and_gives_the_terminal_back(self):
        self.daemon()
        shown, status = self.on_terminal("watch", keys=b"q", until=b"cycle-finished")
        self.assertEqual(0, status)
        self.assertIn("corp/alpha is healthy".encode(), re.sub(rb"\033\[[0-9;?]*[a-zA-Z]", b"", shown))
        self.assertTrue(shown.startswith(b"\033[?1049h"))
        self.assertTrue(shown.rstrip().endswith(b"\033[?1049l"))

    def test_watch_keeps_the_first_lines_on_a_low_terminal(self):
        problems = [dict(samples.PROBLEM, code=f"problem-{number}") for number in range(9)]
        self.daemon(status=answer(dict(samples.STATUS, problems=problems), 1))
        shown, _ = self.on_terminal("watch", keys=b"q", until=b"q quits", rows=12)
        frame = shown.split(b"\033[H")[1].split(b"\033[J")[0]
        self.assertEqual(12, len(frame.split(b"\r\n")))
        self.assertIn(b"not healthy", frame)
        self.assertIn(b"q quits", frame)

    def test_watch_goes_on_without_a_daemon(self):
        shown, status = self.on_terminal("watch", keys=b"\x03", until=b"not reachable")
        self.assertEqual(0, status)
        self.assertIn(b"start twinsyncd", shown)
        self.assertTrue(shown.rstrip().endswith(b"\033[?1049l"))


if __name__ == "__main__":
    unittest.main()
