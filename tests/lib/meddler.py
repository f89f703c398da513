"""meddler -- a TCP proxy that does to a connection what a network must not.

    with Meddler("127.0.0.1", port) as meddler:
        ... connect to meddler.port ...
        meddler.corrupt = True   # one bit of each piece that the caller sends
        meddler.repeat = True    # each piece twice
        meddler.replay()         # what an earlier connection said, on a new one
"""

import contextlib
import socket
import threading

PIECE = 4096
RECORD_MAX = 1 << 20


class Meddler:
    def __init__(self, host, port):
        self.target = (host, port)
        self.corrupt = self.repeat = False
        self.spoilt = 0  # pieces that did not pass as they were
        self.recorded = []  # bytes of each connection's caller, up to RECORD_MAX
        self.listener = socket.create_server((host, 0))
        self.port = self.listener.getsockname()[1]
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def cut(self):
        """End every connection."""
        for each in self.open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def replay(self, index=-1):
        """Say again what the caller of an earlier connection said; what came back until the other side hung up,
        or within two seconds."""
        answer = b""
        with socket.create_connection(self.target, timeout=2) as again:
            with contextlib.suppress(OSError):
                again.sendall(bytes(self.recorded[index]))
                while piece := again.recv(PIECE):
                    answer += piece
        return answer

    def _accept(self):
        while True:
            try:
                caller, _ = self.listener.accept()
            except OSError:
                return
            try:
                called = socket.create_connection(self.target, timeout=5)
            except OSError:
                caller.close()
                continue
            called.settimeout(None)
            self.open += [caller, called]
            self.recorded.append(bytearray())
            threading.Thread(target=self._pass, args=(caller, called, self.recorded[-1]), daemon=True).start()
            threading.Thread(target=self._pass, args=(called, caller, None), daemon=True).start()

    def _pass(self, source, sink, record):
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                if record is not None:
                    if len(record) < RECORD_MAX:
                        record += piece
                    piece = self._spoil(piece)
                sink.sendall(piece)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _spoil(self, piece):
        if self.corrupt:
            self.spoilt += 1
            at = len(piece) // 2
            piece = piece[:at] + bytes([piece[at] ^ 0x10]) + piece[at + 1:]
        if self.repeat:
            self.spoilt += 1
            piece += piece
        return piece
