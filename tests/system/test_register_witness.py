#!/usr/bin/python3
"""The register kept by twinsync-witness: the common suite, who may speak, what
survives a kill between any two steps, and what damage does."""

import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from lab import wait_until  # noqa: E402
from register_driver import Failed, Register  # noqa: E402
from register_suite import RegisterSuite, while_stopped  # noqa: E402
from witness import FAILPOINTS, Witness  # noqa: E402


class WitnessCase(unittest.TestCase):
    def take(self, witness, start=True):
        """Two nodes of cluster corp at `witness`."""
        self.witness = witness
        self.certificates = {node: witness.new_node(node) for node in ("alpha", "beta")}
        if start:
            witness.start()

    def make(self, start=True):
        witness = Witness()
        self.addCleanup(witness.close)
        self.take(witness, start)

    @property
    def port(self):
        return self.witness.port

    def client(self, node="alpha", port=None, certificate=None, cluster="corp", **options):
        return Register({"cluster": cluster, "peer": {
            "endpoint": f"tcp://127.0.0.1:{port or self.port}", "certificate": self.witness.certificate,
            "own": certificate or self.certificates[node]}}, node=node, **options)

    def opened(self, **options):
        client = self.client(**options)
        self.addCleanup(client.close)
        return client


class WitnessSuite(RegisterSuite, WitnessCase):
    """One witness; clear() starts it on an empty state with the same keys."""

    @classmethod
    def setUpClass(cls):
        cls.shared = Witness()
        cls.addClassCleanup(cls.shared.close)

    def setUp(self):
        self.take(self.shared, start=False)
        super().setUp()

    def clear(self):
        self.witness.kill()
        if os.path.exists(self.witness.cell()):
            os.unlink(self.witness.cell())
        self.witness.start()

    def restart(self):
        self.witness.kill()
        self.witness.start()


class WitnessTest(WitnessCase):
    def test_kill_between_any_two_steps_leaves_the_old_value_or_the_new(self):
        self.assertGreaterEqual(len(FAILPOINTS), 6)
        self.make()
        value = "value"
        self.opened().swap("", value)
        # A cell's steps are passed when it is opened, then when it is swapped.
        steps = [f"{point}:{turn}" for point in FAILPOINTS for turn in (1, 2) if turn == 1 or point.startswith("cell")]
        for step in steps:
            self.witness.kill()
            self.witness.start(failpoint=step)
            with self.client(timeout_ms=1000) as client:
                outcome = client.swap(value, f"after {step}")
            wait_until(lambda: not self.witness.running(), f"the witness dies at {step}")
            self.witness.kill()
            self.witness.start()
            with self.client(node="beta") as beta:
                there = beta.read()
            renamed = step in ("cell-renamed:2", "cell-durable:2", "witness-answered:1")
            self.assertEqual(there, f"after {step}" if renamed else value, step)
            self.assertIn(outcome, ("unknown", "done") if step == "witness-answered:1" else ("unknown",), step)
            value = there

    def test_frozen_witness_is_unknown_in_time_and_its_late_effect_is_seen(self):
        self.make()
        client = self.opened(timeout_ms=500)
        client.swap("", "before")
        outcome = while_stopped(self.witness.signal, lambda: client.swap("before", "after"))
        self.assertEqual(outcome, "unknown")
        self.assertLess(client.answer["ms"], 20000)
        wait_until(lambda: client.read() == "after", "what was in the socket lands late")

    def test_stranger_is_refused_with_what_to_do_and_logged(self):
        self.make()
        stranger = self.opened(certificate=self.witness.new_node("stranger", cluster=None), timeout_ms=1000)
        with self.assertRaisesRegex(Failed, "admit it there with twinsync-witness --admit") as caught:
            stranger.read()
        self.assertEqual(caught.exception.code, "authentication or authorization was refused")
        wait_until(lambda: "stranger-refused" in self.witness.log(), "the stranger is logged")

    def test_admitted_while_it_serves_and_expelled_with_a_connection_open(self):
        self.make()
        certificate = self.witness.new_node("gamma", cluster=None)
        gamma = self.opened(certificate=certificate, timeout_ms=1000)
        with self.assertRaises(Failed):
            gamma.read()
        self.witness.admit(certificate)
        self.assertEqual(gamma.swap("", "gamma's"), "done")
        self.witness.expel(certificate)
        self.assertEqual(gamma.swap("gamma's", "still gamma's"), "unknown", "no answer for the expelled")
        self.assertEqual(self.opened().read(), "gamma's")

    def test_certificate_of_one_cluster_does_not_reach_another(self):
        self.make()
        self.opened().swap("", "corp's")
        other = self.opened(certificate=self.witness.new_node("other", cluster="other"), cluster="corp")
        with self.assertRaisesRegex(Failed, "admitted for cluster other"):
            other.read()
        with self.assertRaisesRegex(Failed, "admitted for cluster other"):
            other.swap("corp's", "stolen")
        self.assertEqual(self.opened().read(), "corp's")
        own = self.opened(certificate=self.witness.path("other", "witness.cert"), cluster="other")
        self.assertEqual(own.read(), "")
        done = self.witness.run("--admit", self.certificates["alpha"], "--cluster", "other", check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("expel it first", done.stderr)

    def test_damaged_value_is_never_taken_for_none_and_waits_for_its_repair(self):
        self.make()
        self.opened().swap("", "value")
        self.witness.kill()
        with open(self.witness.cell(), "r+b") as file:
            whole = file.read()
        for damage in (whole[:-1], whole[:20], b"", whole[:-1] + b"?", whole + b"more"):
            with open(self.witness.cell(), "wb") as file:
                file.write(damage)
            self.witness.start()
            client = self.client()
            for act in (client.read, lambda: client.swap("", "new"), lambda: client.swap("value", "new")):
                with self.assertRaisesRegex(Failed, "twinsync-witness --repair corp --reason") as caught:
                    act()
                self.assertEqual(caught.exception.code, "refused for safety")
            client.close()
            self.witness.kill()
        self.witness.start()
        self.assertEqual(self.witness.run("--repair", "corp", check=False).returncode, 2)
        self.witness.run("--repair", "corp", "--reason", "disk was replaced")
        with open(os.path.join(self.witness.state, "repairs.log"), encoding="utf-8") as file:
            self.assertIn("reason=disk was replaced", file.read())
        self.assertEqual(self.opened().read(), "")
        done = self.witness.run("--repair", "corp", "--reason", "again", check=False)
        self.assertNotEqual(done.returncode, 0, "nothing is there to repair")
        self.opened().swap("", "value")
        done = self.witness.run("--repair", "corp", "--reason", "for fun", check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("it is not damaged", done.stderr)

    def test_other_state_behind_the_same_key_is_noticed(self):
        self.make()
        client = self.opened()
        client.swap("", "value")
        self.witness.kill()
        with open(os.path.join(self.witness.state, "identity"), "w", encoding="ascii") as file:
            file.write("0" * 32 + "\n")
        os.unlink(self.witness.cell())
        self.witness.start()
        for act in (client.read, lambda: client.swap("", "value"), lambda: client.swap("value", "next")):
            with self.assertRaisesRegex(Failed, "answers where"):
                act()
        self.assertFalse(os.path.exists(self.witness.cell()), "nothing was written there")

    def test_wrong_certificate_of_the_witness_is_told(self):
        self.make()
        client = Register({"peer": {"endpoint": self.witness.endpoint, "certificate": self.certificates["beta"],
                                    "own": self.certificates["alpha"]}}, timeout_ms=1000)
        self.addCleanup(client.close)
        with self.assertRaisesRegex(Failed, "its public certificate"):
            client.read()

    def refusal(self, certificate):
        """What opening a client with this certificate of the witness says."""
        with self.assertRaises(Failed) as caught:
            client = Register({"peer": {"endpoint": self.witness.endpoint, "certificate": certificate,
                                        "own": self.certificates["alpha"]}}, timeout_ms=1000)
            self.addCleanup(client.close)
            client.read()
        return str(caught.exception)

    def test_missing_certificate_of_the_witness_is_told_from_a_damaged_one(self):
        self.make()
        path = os.path.join(self.witness.state, "elsewhere.cert")
        told = self.refusal(path)
        self.assertIn(f'"{path}" does not exist; take what twinsync-witness --certificate prints', told)
        with open(path, "w", encoding="ascii") as file:
            file.write("curve\n    public-key = \"cut off\"\n")
        told = self.refusal(path)
        self.assertIn(f'"{path}" is damaged', told)
        self.assertNotIn("does not exist", told)

    def test_secret_key_that_others_can_read_is_refused(self):
        self.make(start=False)
        os.chmod(self.witness.certificate + "_secret", 0o640)
        done = self.witness.run("--certificate", check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("witness.cert_secret", done.stderr)

    def test_one_state_is_served_once(self):
        self.make()
        done = self.witness.run("--endpoint", "tcp://127.0.0.1:*", check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("another twinsync-witness does", done.stderr)

    def test_machine_of_its_own_is_asked_for(self):
        self.make()
        machine = self.opened().findings()["machine"]
        if os.path.exists("/etc/machine-id") and os.path.getsize("/etc/machine-id") > 0:
            self.assertFalse(machine["ok"])
            self.assertIn("third host", machine["fix"])
        else:
            self.assertIn("not known", machine["value"])

    def test_stops_as_asked(self):
        self.make()
        self.witness.signal(signal.SIGTERM)
        wait_until(lambda: not self.witness.running(), "it stops")


if __name__ == "__main__":
    unittest.main()
