"""ad_peer -- a domain controller that answers what a test tells it to.

For what Samba never does: answers in several pages, links in entries of their
own, tombstones without a name, ranges of 1,500 members, refused cookies. It
lets everybody bind and knows a small domain (`add`); a search with a DirSync
control is answered by the next of its scripts, made of told() and page().
What it was asked by DirSync is in `asked`.
"""

import socket
import threading
import uuid

from ldap_peer import attributes, ber, read_message, result, text

BASE = "DC=ad,DC=test"
SERVICE = f"CN=NTDS Settings,CN=DC1,CN=Configuration,{BASE}"
ACCOUNT = f"CN=sync,CN=Users,{BASE}"
DIRSYNC = "1.2.840.113556.1.4.841"
PAGED = "1.2.840.113556.1.4.319"
AD = "1.2.840.113556.1.4.800"
RANGE = 1500
FLAGS = 0x80000801
PROTOCOL_ERROR, UNAVAILABLE, SIZE_LIMIT = 2, 12, 4


def guid(number):
    return bytes([number % 256, number // 256]) + b"\x5a" * 14


BASE_GUID, INVOCATION = guid(1), guid(2)


def name(number, dn):
    return f"<GUID={uuid.UUID(bytes_le=guid(number))}>;{dn}"


def elements(data):
    """(tag, contents) of each BER element."""
    found = []
    while data:
        size, start = data[1], 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(data[2:start], "big")
        found.append((data[0], data[start:start + size]))
        data = data[start + size:]
    return found


def integer(value):
    return ber(0x02, value.to_bytes(max(1, (value.bit_length() + 8) // 8), "big", signed=True))


def told(number, dn=None, *, unnamed=False, **values):
    """An entry of a DirSync answer."""
    named = "" if unnamed else name(number, dn or f"CN=o{number},{BASE}")
    values = {attribute.replace("__", ";range="): listed for attribute, listed in values.items()}
    return ber(0x64, text(named), attributes(objectGUID=[guid(number)], instanceType=["4"], **values)), b""


def added(*numbers):
    return [name(number, f"CN=o{number},{BASE}") for number in numbers]


def page(cookie, more=False, code=0, bare=False):
    """The end of a DirSync answer."""
    value = ber(0x30, integer(1 if more else 0), integer(0), text(cookie))
    control = b"" if bare or code else ber(0xA0, ber(0x30, text(DIRSYNC), text(value)))
    return result(0x65, code), control


TOMBSTONES = (told(9000, isDeleted=["TRUE"]), page("fresh"))  # what a whole import asks for first


class Peer:
    """Use as a context; `scripts` are used up in order."""

    def __init__(self, *scripts):
        self.scripts, self.asked, self.objects = list(scripts), [], {}
        self.limited = False  # refuse to list everything
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.uri = f"ldap://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def add(self, number, kind="user", members=(), **values):
        """An object below the base."""
        self.objects[number] = {
            "objectGUID": [guid(number)], "parentGUID": [BASE_GUID], "objectClass": ["top", kind],
            "sAMAccountName": [f"o{number}"], "member": added(*members), **values}

    # ---- the protocol ----

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
        if tag != 0x63:  # unbind, abandon
            return []
        parts = elements(rest)
        request = elements(parts[0][1])
        controls = {}
        for _, control in elements(parts[1][1]) if len(parts) > 1 else []:
            fields = elements(control)
            critical = any(tag == 0x01 and value != b"\0" for tag, value in fields[1:])
            controls[fields[0][1].decode()] = (critical, fields[-1][1])
        base, scope, wanted = request[0][1].decode(), request[1][1][0], [each.decode() for _, each in elements(request[7][1])]
        asked_for = ber(request[6][0], request[6][1])
        if DIRSYNC in controls:
            return self.changes(*controls[DIRSYNC], asked_for)
        if scope == 0:
            return self.read(base, wanted)
        return self.search(asked_for, wanted, controls.get(PAGED))

    def changes(self, critical, value, asked_for):
        flags, size, cookie = (each for _, each in elements(elements(value)[0][1]))
        self.asked.append((cookie.decode(), b"isDeleted" in asked_for))
        if not critical or len(flags) > 4 or int.from_bytes(flags, "big") != FLAGS or size != b"\x10\0\0":
            return [(result(0x65, UNAVAILABLE), b"")]
        return list(self.scripts.pop(0)) if self.scripts else [page("fresh")]

    def read(self, base, wanted):
        known = {
            "": {"supportedCapabilities": [AD], "supportedControl": [DIRSYNC], "namingContexts": [BASE],
                 "defaultNamingContext": [BASE], "configurationNamingContext": [f"CN=Configuration,{BASE}"],
                 "dsServiceName": [SERVICE], "dnsHostName": ["dc1.ad.test"], "highestCommittedUSN": ["100"]},
            BASE: {"objectGUID": [BASE_GUID]}, SERVICE: {"invocationId": [INVOCATION]},
            ACCOUNT: {"objectGUID": [guid(3)]}}
        found = []
        if base.startswith("<GUID="):
            number = self.number_of(uuid.UUID(base[6:-1]).bytes_le)
            found = [self.entry(number, wanted)]
        elif base in known:
            found = [(ber(0x64, text(base), attributes(**known[base])), b"")]
        return [*found, (result(0x65), b"")]

    @staticmethod
    def number_of(raw):
        return raw[0] + 256 * raw[1]

    def entry(self, number, wanted):
        values = dict(self.objects[number])
        members = values.pop("member", [])
        for attribute in wanted:
            if attribute.startswith("member") and members:
                first = int(attribute.partition("range=")[2].partition("-")[0] or 0)
                rest = members[first:first + RANGE]
                end = "*" if first + RANGE >= len(members) else first + RANGE - 1
                values[f"member;range={first}-{end}"] = rest
        values = {each: listed for each, listed in values.items() if each.partition(";")[0] in
                  {attribute.partition(";")[0] for attribute in wanted}}
        return ber(0x64, text(name(number, f"CN=o{number},{BASE}")), attributes(**values)), b""

    def search(self, asked_for, wanted, paged):
        some = [number for number in self.objects if guid(number) in asked_for]
        owners = [number for number, values in self.objects.items()
                  if any(member.partition(";")[0].encode() in asked_for for member in values["member"])]
        everything = b"objectGUID" not in asked_for and b"<GUID=" not in asked_for
        if self.limited and everything:
            return [(result(0x65, SIZE_LIMIT), b"")]
        numbers = sorted(self.objects if everything else some + owners)
        more = b""
        if paged:
            size, cookie = (each for _, each in elements(elements(paged[1])[0][1]))
            start = int(cookie or b"0")
            end = start + min(int.from_bytes(size, "big"), 2)  # small pages
            more = str(end).encode() if end < len(numbers) else b""
            numbers = numbers[start:end]
        value = ber(0x30, integer(0), text(more))
        control = ber(0xA0, ber(0x30, text(PAGED), text(value))) if paged else b""
        reference = ber(0x73, text("ldap://dns.ad.test/DC=DomainDnsZones,DC=ad,DC=test")), b""
        return [*(self.entry(number, wanted) for number in numbers), reference, (result(0x65), control)]
