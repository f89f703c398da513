"""fake_daemon -- a control socket with canned answers, for the tool's own tests.

    with FakeDaemon(state_directory, {"status": answer({...})}) as daemon:
        run the tool
    daemon.requests   # what it was asked

An entry is a list of lines (documents, or bytes as they are) that answer the
command, or a function that makes one from the arguments. FakeDaemon.HANG_UP as
a line closes the connection there.
"""

import json
import os
import socket
import threading


def answer(result=None, exit_status=0, error=None):
    """The last line of an answer."""
    document = {"exit": exit_status}
    if result is not None:
        document["result"] = result
    if error is not None:
        document["error"] = error
    return document


def progress(phase, done, total):
    return {"progress": {"phase": phase, "done": done, "total": total}}


class FakeDaemon:
    HANG_UP = object()

    def __init__(self, directory, answers):
        self.path = os.path.join(directory, "control.sock")
        self.answers = answers
        self.requests = []
        self.listener = socket.socket(socket.AF_UNIX)

    def __enter__(self):
        self.listener.bind(self.path)
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        # Closing alone would leave the thread in accept().
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(self.path)

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, client.makefile("rb") as lines:
            for line in lines:
                request = json.loads(line)
                self.requests.append(request)
                found = self.answers[request["command"]]
                if callable(found):
                    found = found(request.get("args", {}))
                for item in found if isinstance(found, list) else [found]:
                    if item is FakeDaemon.HANG_UP:
                        return
                    if not isinstance(item, bytes):
                        item = json.dumps(item).encode() + b"\n"
                    try:
                        client.sendall(item)
                    except OSError:
                        return
