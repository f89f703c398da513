"""halfpair -- an engine that is told to lead or follow, by a test that is the rest of its pair."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import threading

from instep import quick
from lab import BUILD, wait_until

PAIR = """nodes:
- {name: alpha, endpoint: 'tcp://127.0.0.1:7400'}
- {name: beta, endpoint: 'tcp://127.0.0.2:7400'}
register: {type: manual}
"""


def paired(text):
    """A configuration of a pair, for one of its nodes."""
    return quick(text).replace("target:\n", "target:\n  fence: none\n").replace(
        "this-node: ", "this-node: alpha #") + PAIR


class HalfPair:
    """An engine in a process of its own, over the state directory of a lab's node."""

    def __init__(self, node):
        self.node = node
        self.numbers = itertools.count(1)
        self.answers, self.came = {}, threading.Condition()
        self.log = open(node.log_file, "ab")  # noqa: SIM115
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "tests", "system", "drivers", "pair_engine"), node.config_file],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            answer = json.loads(line)
            with self.came:
                self.answers[answer["id"]] = answer
                self.came.notify_all()

    def send(self, order, **details):
        """The order's number; its answer comes by wait()."""
        number = next(self.numbers)
        self.process.stdin.write(json.dumps({"id": number, "do": order, **details}) + "\n")
        self.process.stdin.flush()
        return number

    def wait(self, number, seconds=60):
        with self.came:
            if not self.came.wait_for(lambda: number in self.answers, seconds):
                raise AssertionError(f"no answer within {seconds} s: {self.node.log()[-2000:]}")
            return self.answers[number]

    def do(self, order, **details):
        return self.wait(self.send(order, **details))

    def activate(self, epoch, **details):
        answer = self.do("activate", epoch=epoch, **details)
        if answer["code"] != 0:
            raise AssertionError(answer["error"])

    def ask(self, command, **args):
        return self.do("ask", command=command, args=args)

    def sync(self, **args):
        """One cycle to its end; must succeed."""
        answer = self.ask("sync", wait=True, **args)
        if answer["code"] != 0:
            raise AssertionError(f"sync: {answer} {self.node.log()[-2000:]}")
        return answer["result"]

    def status(self):
        return self.ask("status")["result"]

    def settle(self, cycles=5):
        """In so many cycles there is nothing left to do."""
        for _ in range(cycles):
            self.sync()
            if self.status()["counts"]["pending"] == 0:
                return
        raise AssertionError(f"something is left to do: {self.status()['counts']}")

    def until_waiting(self):
        """Until an export waits for the standby."""
        before = self.do("port")["waited"]
        wait_until(lambda: self.do("port")["waited"] > before, "an export waits for the standby")

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.reader.join()
        self.process.stdout.close()
        self.log.close()


def copy_state(source, target):
    """The state of a node that does not run, as a perfect standby would have it."""
    shutil.rmtree(target.state)
    shutil.copytree(source.state, target.state)
