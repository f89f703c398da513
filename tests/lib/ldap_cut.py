"""ldap_cut -- a wire to a directory that is cut at the worst moment.

    with LdapCut(lab.env["ldap_uri"]) as cut:        # ldap://, plain, on loopback
        ... configure cut.uri ...
        cut.before()    # the next change of a password never reaches it
        cut.after()     # it reaches it, and the answer is lost

What is looked for is the request of RFC 3062 in a client's bytes.
"""

import contextlib
import re
import socket
import threading
from urllib.parse import urlsplit

PASSWORD_MODIFY = b"1.3.6.1.4.1.4203.1.11.1"


class LdapCut:
    def __init__(self, uri=None):
        """`uri` may come later: leads_to()."""
        self.to = None
        if uri:
            self.leads_to(uri)
        self.mode, self.cuts = None, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"ldap://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.listener.close()

    def leads_to(self, uri):
        parts = urlsplit(uri)
        self.to = (parts.hostname, parts.port)

    def instead(self, text):
        """A configuration whose first source is reached through here."""
        plain = f"    uri: {self.uri}\n    allow-plaintext-loopback: true\n"
        return re.sub(r"    uri: ldaps:.*\n", plain, text, count=1)

    def before(self):
        self.mode = "before"

    def after(self):
        self.mode = "after"

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.to)
            except OSError:
                return
            muted, answered = threading.Event(), threading.Event()
            threading.Thread(target=self._up, args=(client, server, muted, answered), daemon=True).start()
            threading.Thread(target=self._down, args=(client, server, muted, answered), daemon=True).start()

    def _up(self, client, server, muted, answered):
        """From the client. The root DSE names the OID too, but in an answer."""
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self.mode and PASSWORD_MODIFY in data:
                    mode, self.mode = self.mode, None
                    muted.set()
                    if mode == "after":
                        server.sendall(data)
                        answered.wait(10)
                    self.cuts += 1
                    break
                server.sendall(data)
        _shut(client)
        _shut(server)

    def _down(self, client, server, muted, answered):
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if muted.is_set():
                    answered.set()
                    return
                client.sendall(data)
        _shut(client)


def _shut(each):
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
