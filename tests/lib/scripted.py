"""scripted -- a web server on loopback that does what a test says, byte for byte.

A script is a function of a Request; it answers bytes, which are sent as they
are, or one of the actions below. Everything that arrived is kept in `requests`.
"""

import json
import socket
import threading

CLOSE = "close"  # close the connection without an answer
HANG = "hang"    # keep it open and say nothing until the server stops


class Request:
    def __init__(self, method, path, headers, body, ordinal):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.ordinal = ordinal  # on its connection, from 1

    def json(self):
        return json.loads(self.body)


def reply(status, document=None, content_type="application/scim+json", headers=()):
    """The bytes of an answer; `document` may be bytes, or anything for JSON."""
    body = b"" if document is None else document if isinstance(document, bytes) else json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    if content_type and document is not None:
        lines.append(f"Content-Type: {content_type}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def listing(resources, total=None, **more):
    return reply(200, {"totalResults": len(resources) if total is None else total, "Resources": resources, **more})


class Scripted:
    """script: what answers; discovery answers 404 unless `script` takes it."""

    def __init__(self, script):
        self.script = script
        self.requests = []
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.connections = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/scim/v2"
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stopping.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        with self.lock:
            for connection in self.connections:
                connection.close()

    def accept(self):
        while not self.stopping.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with connection, connection.makefile("rb") as stream:
                ordinal = 0
                while not self.stopping.is_set():
                    ordinal += 1
                    request = self.receive(stream, ordinal)
                    if request is None or not self.answer(connection, request):
                        return
        except (OSError, ValueError):
            return

    @staticmethod
    def receive(stream, ordinal):
        line = stream.readline().decode("latin-1").split()
        if len(line) != 3:
            return None
        headers = {}
        while True:
            field = stream.readline().decode("latin-1").strip()
            if not field:
                break
            name, _, value = field.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))
        return Request(line[0], line[1].removeprefix("/scim/v2"), headers, body, ordinal)

    def answer(self, connection, request):
        with self.lock:
            self.requests.append(request)
        action = self.script(request)
        if action is None:
            action = reply(404, {"status": "404"})
        if action == CLOSE:
            return False
        if action == HANG:
            self.stopping.wait()
            return False
        connection.sendall(action)
        return True

    def writes(self):
        with self.lock:
            return [each for each in self.requests if each.method != "GET"]
