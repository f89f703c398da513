"""ldap_peer -- a directory that answers what a test tells it to.

For answers that no real server gives on demand. It says that it is slapd, lets
everybody bind, and plays `script` (messages made with entry, ids, reference and
done) for each search with a Sync Request control, one script a search.
"""

import socket
import threading

SYNC = "1.3.6.1.4.1.4203.1.9.1."
CSN = "rid=000,csn=20260101000000.000000Z#000000#000#000000"
SUCCESS = 0


def ber(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def text(value, tag=0x04):
    return ber(tag, value if isinstance(value, bytes) else value.encode())


def result(tag, code=SUCCESS):
    return ber(tag, ber(0x0A, bytes([code])), text(""), text(""))


def control(number, value):
    return ber(0xA0, ber(0x30, text(SYNC + str(number)), text(value)))


def attributes(**values):
    return ber(0x30, *(ber(0x30, text(name), ber(0x31, *(text(each) for each in listed)))
                       for name, listed in values.items()))


def entry(number, csn="20270101000000.000000Z#000000#000#000000", state=1):
    """A person, with a Sync State control unless `state` is None."""
    body = ber(0x64, text(f"uid=p{number},dc=ex"), attributes(uid=[f"p{number}"], entryCSN=[csn]))
    if state is None:
        return body, b""
    return body, control(2, ber(0x30, ber(0x0A, bytes([state])), text(bytes([number]) * 16)))


def ids(*numbers, deletes=False):
    value = ber(0xA3, ber(0x01, b"\xff") if deletes else b"", ber(0x31, *(text(bytes([n]) * 16) for n in numbers)))
    return ber(0x79, text(SYNC + "4", 0x80), text(value, 0x81)), b""


def torn():
    """A set of deletions whose only id is empty, as slapd 2.5 sends it when it ran out of room."""
    value = ber(0xA3, ber(0x01, b"\xff"), ber(0x31, text(b"")))
    return ber(0x79, text(SYNC + "4", 0x80), text(value, 0x81)), b""


def reference():
    return ber(0x73, text("ldap://elsewhere.example.org/dc=ex")), b""


def done(cookie=None, deletes=False, code=SUCCESS, bare=False):
    """The end: `cookie` None leaves it out, `bare` the whole control."""
    value = ber(0x30, b"" if cookie is None else text(cookie), ber(0x01, b"\xff") if deletes else b"")
    return result(0x65, code), b"" if bare else control(3, value)


NOTHING_CHANGED = (done(deletes=True),)


def read_exactly(stream, size):
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def read_message(stream):
    """(message id, operation's tag, everything after the message id)."""
    head = read_exactly(stream, 2)
    size = head[1]
    if size & 0x80:
        size = int.from_bytes(read_exactly(stream, size & 0x7F), "big")
    body = read_exactly(stream, size)
    end = 2 + body[1]
    return body[:end], body[end], body[end:]


class Peer:
    """Use as a context; `uri` is where it listens; `scripts` are used up in order."""

    def __init__(self, *scripts):
        self.scripts = list(scripts)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.uri = f"ldap://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                while True:
                    number, tag, rest = read_message(stream)
                    for body, controls in self.answers(tag, rest):
                        connection.sendall(ber(0x30, number, body, controls))
            except (EOFError, OSError):
                return

    def answers(self, tag, rest):
        if tag == 0x60:  # bind
            return [(result(0x61), b"")]
        if tag == 0x77:  # who am I
            return [(ber(0x78, ber(0x0A, b"\0"), text(""), text(""), text("dn:cn=sync", 0x8B)), b"")]
        if tag != 0x63:  # unbind, abandon
            return []
        if (SYNC + "1").encode() in rest and b"supportedControl" not in rest:
            return self.scripts.pop(0)
        root = ber(0x64, text(""), attributes(objectClass=["OpenLDAProotDSE"], supportedControl=[SYNC + "1"]))
        return [*([(root, b"")] if b"supportedControl" in rest else []), (result(0x65), b"")]
