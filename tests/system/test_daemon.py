#!/usr/bin/python3
"""The daemon as a process: starting, stopping, its lock, its socket, the service
manager, and what happens when the worker dies. No server is needed: a source
and a target that are not there must not keep it from running."""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import sqlite3
import stat
import subprocess
import tempfile
import time
import unittest

from cli_case import BUILD, CONFIG, TWINSYNC

TWINSYNCD = os.path.join(BUILD, "twinsyncd")
DEADLINE_SECONDS = 30


def wait_until(condition, what):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain until {what}")
        time.sleep(0.01)
    return value


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="twinsync-daemon-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.state = os.path.join(self.folder, "state")
        self.config = os.path.join(self.folder, "twinsync.yaml")
        with open(self.config, "w") as file:
            file.write(CONFIG.format(folder=self.folder).replace(
                f"state-directory: {self.folder}", f"state-directory: {self.state}"))
        with open(os.path.join(self.folder, "secret"), "w") as file:
            file.write("secret")
        os.chmod(os.path.join(self.folder, "secret"), 0o600)

    def start(self, *launcher, **environment):
        """The daemon, already answering; killed when the test ends."""
        daemon = self.launch(*launcher, **environment)
        wait_until(lambda: daemon.poll() is not None or self.answers(), "the daemon answers")
        self.assertIsNone(daemon.returncode)
        return daemon

    def launch(self, *launcher, **environment):
        daemon = subprocess.Popen([*launcher, TWINSYNCD, "-c", self.config], stderr=subprocess.PIPE, text=True,
                                  env={**os.environ, **environment})
        self.addCleanup(self.end, daemon)
        return daemon

    def end(self, daemon):
        daemon.kill()
        daemon.wait()
        daemon.stderr.close()

    def refused(self):
        """A start that must fail; its exit status and what it said."""
        done = subprocess.run([TWINSYNCD, "-c", self.config], capture_output=True, text=True,
                              timeout=DEADLINE_SECONDS, check=False)
        return done.returncode, done.stderr

    def answers(self):
        return self.tool("status").returncode in (0, 1)

    def tool(self, *words):
        return subprocess.run([TWINSYNC, "-c", self.config, *words], capture_output=True, text=True,
                              timeout=DEADLINE_SECONDS, check=False)

    def worker_of(self, daemon):
        """The pid of the daemon's only child, or None."""
        with open(f"/proc/{daemon.pid}/task/{daemon.pid}/children") as file:
            children = file.read().split()
        return int(children[0]) if children else None


class Starting(Case):
    def test_it_answers_and_stops_as_asked(self):
        daemon = self.start()
        status = json.loads(self.tool("--json", "status").stdout)
        self.assertEqual(("corp", "alpha"), (status["cluster"], status["node"]))
        for key in ("version", "role", "assigned", "epoch", "lease", "fence", "peer", "replication", "cycle",
                    "counts", "exports", "problems"):
            self.assertIn(key, status)
        daemon.terminate()
        self.assertEqual(0, daemon.wait(DEADLINE_SECONDS))
        self.assertFalse(os.path.exists(os.path.join(self.state, "control.sock")))
        self.assertEqual(4, self.tool("status").returncode)

    def test_what_it_makes_is_for_its_user_alone(self):
        self.start()
        self.assertEqual(0o700, stat.S_IMODE(os.stat(self.state).st_mode))
        for name in os.listdir(self.state):
            mode = os.lstat(os.path.join(self.state, name)).st_mode
            self.assertEqual(0, mode & 0o077, name)
        self.assertEqual(0o600, stat.S_IMODE(os.stat(os.path.join(self.state, "control.sock")).st_mode))

    def test_it_takes_as_many_descriptors_as_it_may(self):
        for hard, allowed in ((5000, 5000), (17000, 16384)):
            with self.subTest(hard=hard):
                daemon = self.start("prlimit", f"--nofile=256:{hard}")
                worker = self.worker_of(daemon)
                self.assertEqual((allowed, hard), resource.prlimit(worker, resource.RLIMIT_NOFILE))
                daemon.terminate()
                daemon.wait(DEADLINE_SECONDS)

    def test_a_second_one_is_refused_and_told_by_whom(self):
        daemon = self.start()
        code, said = self.refused()
        self.assertEqual(3, code)
        self.assertIn(f"the one with pid {daemon.pid} is running; stop it first (systemctl stop", said)
        self.assertTrue(self.answers())

    def test_a_dead_daemons_lock_and_socket_are_no_hindrance(self):
        daemon = self.start()
        daemon.kill()
        daemon.wait(DEADLINE_SECONDS)
        self.assertTrue(os.path.exists(os.path.join(self.state, "control.sock")))
        self.start()

    def test_a_wrong_configuration_is_exit_2_at_once(self):
        with open(self.config, "a") as file:
            file.write("frob: 1\n")
        code, said = self.refused()
        self.assertEqual(2, code)
        self.assertRegex(said, r"ended exit=2 .*twinsync\.yaml:\d+:\d+:")

    def test_a_state_directory_that_others_may_write_to_is_refused(self):
        os.mkdir(self.state)
        os.chmod(self.state, 0o777)
        code, said = self.refused()
        self.assertEqual(3, code)
        self.assertIn("others may write to it (mode 0777): chmod 0700 it", said)

    def test_a_state_directory_that_cannot_be_made_is_exit_1(self):
        with open(self.state, "w"):
            pass
        code, said = self.refused()
        self.assertEqual(1, code)
        self.assertIn(f"could not open the state directory \"{self.state}\"", said)

    def test_a_long_path_is_no_hindrance(self):
        self.state = os.path.join(self.folder, "x" * 120)
        with open(self.config) as file:
            text = file.read()
        with open(self.config, "w") as file:
            file.write(text.replace(os.path.join(self.folder, "state"), self.state))
        self.start()

    def test_help_and_version_end_at_once(self):
        for option, said in (("--help", "Examples:"), ("--version", "twinsyncd ")):
            done = subprocess.run([TWINSYNCD, option], capture_output=True, text=True, check=False)
            self.assertEqual((0, ""), (done.returncode, done.stderr))
            self.assertIn(said, done.stdout)
        done = subprocess.run([TWINSYNCD, "frob"], capture_output=True, text=True, check=False)
        self.assertEqual(2, done.returncode)

    def test_fail_points_are_listed(self):
        done = subprocess.run([TWINSYNCD, "--failpoints"], capture_output=True, text=True, check=False)
        self.assertEqual(0, done.returncode)
        self.assertIn("intents-durable", done.stdout.split())


class Dying(Case):
    def test_a_killed_worker_is_started_again(self):
        daemon = self.start()
        worker = self.worker_of(daemon)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: self.worker_of(daemon) not in (None, worker), "another worker runs")
        wait_until(self.answers, "it answers")
        daemon.terminate()
        self.assertEqual(0, daemon.wait(DEADLINE_SECONDS))
        self.assertIn("worker-died signal=9", daemon.stderr.read())

    def test_a_worker_asked_to_end_ends_the_daemon(self):
        daemon = self.start()
        os.kill(self.worker_of(daemon), signal.SIGTERM)
        self.assertEqual(0, daemon.wait(DEADLINE_SECONDS))

    def test_no_worker_outlives_its_parent(self):
        daemon = self.start()
        worker = self.worker_of(daemon)
        watched = os.pidfd_open(worker)
        self.addCleanup(os.close, watched)
        daemon.kill()
        daemon.wait(DEADLINE_SECONDS)
        self.assertTrue(select.select([watched], [], [], DEADLINE_SECONDS)[0], "the worker lives")


class Events(Case):
    def test_an_altered_event_is_found_also_while_no_daemon_runs(self):
        daemon = self.start()
        self.tool("pause")
        self.assertEqual(0, self.tool("events", "verify").returncode)
        daemon.terminate()
        daemon.wait(DEADLINE_SECONDS)
        done = self.tool("--json", "events", "verify")
        self.assertEqual((0, True), (done.returncode, json.loads(done.stdout)["verified"]))
        self.assertGreater(json.loads(done.stdout)["count"], 0)

        with contextlib.closing(sqlite3.connect(os.path.join(self.state, "local.db"))) as db:
            with db:
                changed = db.execute("UPDATE event SET name = 'pauseD' WHERE name = 'paused'").rowcount
        self.assertGreater(changed, 0)
        done = self.tool("events", "verify")
        self.assertEqual((1, ""), (done.returncode, done.stderr))
        self.assertIn("the chain is broken at event", done.stdout)


class ServiceManager(Case):
    def test_it_is_told_of_readiness_life_and_the_end(self):
        path = os.path.join(self.folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(DEADLINE_SECONDS)
            daemon = self.launch(NOTIFY_SOCKET=path)

            def next_of(wanted):
                while True:
                    said = manager.recv(4096).decode()
                    if wanted in said:
                        return said

            ready = next_of("READY=1")
            self.assertIn(f"MAINPID={daemon.pid}", ready)
            self.assertTrue(self.answers())
            next_of("WATCHDOG=1")
            daemon.terminate()
            next_of("STOPPING=1")
            self.assertEqual(0, daemon.wait(DEADLINE_SECONDS))

    def test_a_stopped_worker_gives_no_sign_of_life(self):
        path = os.path.join(self.folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(DEADLINE_SECONDS)
            daemon = self.launch(NOTIFY_SOCKET=path)
            while "WATCHDOG=1" not in manager.recv(4096).decode():
                pass
            os.kill(self.worker_of(daemon), signal.SIGSTOP)
            manager.settimeout(2.5)
            silent = False
            for _ in range(3):  # what was said before it stopped may still come
                try:
                    manager.recv(4096)
                except TimeoutError:
                    silent = True
                    break
            self.assertTrue(silent)


if __name__ == "__main__":
    unittest.main()
