"""register_driver -- one client of a register, driven by JSON
(tests/system/drivers/register_ops.c), and a proxy that loses what it is told to.

    with Register({"peer": {...}}) as register:
        register.swap("", "a")          -> "done"
        register.read()                 -> "a"
"""

import json
import os
import select
import socket
import subprocess
import tempfile
import threading

from lab import BUILD

PROGRAM = os.path.join(BUILD, "tests", "system", "drivers", "register_ops")
DEADLINE_SECONDS = 50


class Failed(Exception):
    """A call that ended in an error: `code` is its text, `ms` how long it took."""

    def __init__(self, answer):
        super().__init__(answer["error"])
        self.code = answer["code"]
        self.ms = answer.get("ms", 0)


class Register:
    """One running register_ops."""

    def __init__(self, settings, node="alpha", timeout_ms=2000):
        self.folder = tempfile.TemporaryDirectory(prefix="twinsync-register-")
        name = os.path.join(self.folder.name, "settings.json")
        with open(name, "w", encoding="utf-8") as file:
            json.dump({"cluster": "corp", "node": node, "timeout_ms": timeout_ms, **settings}, file)
        self.process = subprocess.Popen([PROGRAM, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer = None
        opened = self._take()
        if opened["code"] != "success":
            self.close()
            raise Failed(opened)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End it; a status other than 0 (a crash, a sanitizer) is an error."""
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(DEADLINE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()
        if self.process.returncode != 0:
            raise AssertionError(f"register_ops ended with {self.process.returncode}")

    def _take(self):
        ready, _, _ = select.select([self.process.stdout], [], [], DEADLINE_SECONDS)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            self.process.kill()
            raise AssertionError("register_ops gave no answer")
        return json.loads(line)

    def begin(self, op, **fields):
        self.process.stdin.write(json.dumps({"op": op, **fields}) + "\n")
        self.process.stdin.flush()

    def end(self):
        self.answer = self._take()
        if self.answer["code"] != "success":
            raise Failed(self.answer)
        return self.answer

    def call(self, op, **fields):
        self.begin(op, **fields)
        return self.end()

    def read(self, **fields):
        return self.call("read", **fields)["value"]

    def swap(self, expected, value, **fields):
        return self.call("swap", expected=expected, value=value, **fields)["outcome"]

    def identity(self):
        return self.call("identity")["identity"]

    def pin(self, identity):
        self.call("pin", identity=identity)

    def findings(self):
        return {each["name"]: each for each in self.call("check")["findings"]}


class Proxy:
    """TCP to host:port. `lose_answers` closes a connection instead of
    passing on what the server says once `words` went by from the client;
    `silent` holds everything back."""

    def __init__(self, port, host="127.0.0.1"):
        self.behind = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port = self.listener.getsockname()[1]
        self.lose_answers = False
        self.silent = False
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # accept() lives on in its thread otherwise
        except OSError:
            pass
        self.listener.close()
        self.cut()

    def cut(self):
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.connections = []

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.behind)
            except OSError:
                client.close()
                continue
            self.connections += [client, server]
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client, server):
        pair = [client, server]
        try:
            while True:
                ready, _, _ = select.select([] if self.silent else pair, [], [], 0.02)
                for end in ready:
                    data = end.recv(65536)
                    if not data:
                        return
                    if end is server and self.lose_answers:
                        return
                    (server if end is client else client).sendall(data)
        except OSError:
            pass
        finally:
            for end in pair:
                end.close()
