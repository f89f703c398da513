#!/usr/bin/python3
"""The SCIM target against a scripted server that lies, stalls and hangs up."""

import json
import os
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from scim_driver import MAIL, Driver, create, operation  # noqa: E402
from scripted import CLOSE, HANG, Scripted, listing, reply  # noqa: E402

USER = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"]}


class Scripts(unittest.TestCase):
    """A server that sends what the test says, byte for byte."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="twinsync-scim-")
        self.addCleanup(self.folder.cleanup)
        self.token = os.path.join(self.folder.name, "token")
        with open(self.token, "w", encoding="utf-8") as file:
            file.write("static-token")
        os.chmod(self.token, 0o600)

    def start(self, script, **more):
        server = Scripted(script)
        self.addCleanup(server.close)
        driver = Driver({"url": server.url, "plaintext": True, "token_file": self.token, "connections": 1,
                         "timeout_seconds": 3, "bulk": True, **more})
        self.addCleanup(driver.close)
        return server, driver

    def outcome(self, script, op, **more):
        server, driver = self.start(script, **more)
        return server, driver.one(op)

    def assertResult(self, outcome, result):
        self.assertEqual(outcome["result"], result, outcome)


class SilentResend(Scripts):
    """libcurl repeats a request when a kept connection closes before an answer."""

    def run_with_close_at(self, ordinal, verb):
        applied = []

        def script(request):
            if request.method == "GET":
                return None
            number = len(applied)
            applied.append(request.headers["twinsync-op"])
            if request.ordinal == ordinal:
                return CLOSE  # after the effect
            body = request.json() if request.body else {}
            return reply(201, {**body, "id": f"id{number}"}) if request.method == "POST" else reply(204)

        _, driver = self.start(script)
        if verb == "create":
            ops = [create(i, f"a{i}", userName=f"u{i}") for i in range(1, 13)]
        else:
            ops = [operation(verb, i, id=f"id{i}", set={"title": "t"}) for i in range(1, 13)]
        outcomes = [driver.one(op) for op in ops]
        return applied, outcomes

    def test_a_write_is_not_repeated_when_its_kept_connection_closes(self):
        for verb in ("create", "update", "delete"):
            for ordinal in (4, 5, 7):  # the first three are discovery
                with self.subTest(verb=verb, ordinal=ordinal):
                    applied, outcomes = self.run_with_close_at(ordinal, verb)
                    self.assertEqual(len(applied), 12, applied)
                    self.assertEqual(len(set(applied)), 12)
                    results = [each["result"] for each in outcomes]
                    self.assertIn("UNKNOWN", results)
                    self.assertLessEqual(set(results), {"UNKNOWN", "DONE"})
                    unknown = next(each for each in outcomes if each["result"] == "UNKNOWN")
                    self.assertIn("not sent again", unknown["text"])

    def test_a_read_is_repeated(self):
        def script(request):
            if request.path.startswith("/Users/"):
                return CLOSE if request.ordinal == 4 else reply(200, {"id": "i", **USER})
            return None
        server, outcome = self.outcome(script, operation("read", 1, id="i"))
        self.assertResult(outcome, "DONE")
        self.assertEqual(len([each for each in server.requests if each.path == "/Users/i"]), 2)


class Lies(Scripts):
    def test_another_object_than_the_one_asked_for(self):
        lie = reply(200, {"id": "other", "externalId": "b", "userName": "x"})

        def script(request):
            return None if request.path.count("/") < 1 or "Config" in request.path else lie
        self.assertResult(self.outcome(script, operation("read", 1, id="i"))[1], "LATER")
        self.assertResult(self.outcome(script, operation("update", 1, id="i", set={"title": "t"}))[1], "UNKNOWN")
        self.assertResult(self.outcome(script, create(1, "a", userName="u"))[1], "UNKNOWN")

    def test_a_service_that_ignores_filters_finds_nobody(self):
        people = [{"id": f"i{n}", "externalId": f"x{n}", "userName": f"u{n}"} for n in range(3)]

        def script(request):
            return listing(people) if "filter=" in request.path else None
        op = operation("find", 1, anchor="a", match_path="userName", match_value="u")
        outcome = self.outcome(script, op)[1]
        self.assertResult(outcome, "LATER")
        self.assertIn("do not match the filter", outcome["text"])

    def test_a_list_that_counts_matches_but_shows_none(self):
        outcome = self.outcome(lambda request: listing([], 3) if "filter=" in request.path else None,
                               operation("find", 1, anchor="a"))[1]
        self.assertResult(outcome, "LATER")

    def test_redirects_are_not_followed(self):
        seen = []

        def script(request):
            seen.append(request.path)
            return reply(307, headers=["Location: /scim/v2/Elsewhere"]) if request.method == "POST" else None
        self.assertResult(self.outcome(script, create(1, "a", userName="u"))[1], "REFUSED")
        self.assertNotIn("/Elsewhere", seen)

    def test_bytes_that_are_no_answer(self):
        for answer in (b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", b"HTTP/9 999\r\n\r\n",
                       b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                       b"HTTP/1.1 201 Created\r\nX: " + b"y" * 400000 + b"\r\n\r\n",
                       b"HTTP/1.1 201 Created\r\nContent-Length: 99999999999\r\n\r\n"):
            with self.subTest(answer[:40]):
                outcome = self.outcome(lambda request, a=answer: None if request.method == "GET" else a,
                                       create(1, "a", userName="u"), timeout_seconds=1)[1]
                self.assertResult(outcome, "UNKNOWN")

    def test_a_server_that_never_answers_is_left_in_time(self):
        started = time.monotonic()
        outcome = self.outcome(lambda request: HANG if request.method == "POST" else None,
                               create(1, "a", userName="u"), timeout_seconds=1)[1]
        self.assertResult(outcome, "UNKNOWN")
        self.assertLess(time.monotonic() - started, 8)

    def test_discovery_of_nonsense_leaves_rfc_7643(self):
        for answer in (reply(200, {"patch": 5, "bulk": [], "filter": "x", "Resources": [{"schema": 1}, 7, None]}),
                       reply(200, b"[[[["), reply(200, b"<html>", "text/html"),
                       reply(200, {"Resources": [{"id": "urn:ietf:params:scim:schemas:core:2.0:User",
                                                  "attributes": [{"name": "x" * 5000, "type": "string"}, {}, 5]}]})):
            with self.subTest(answer[:60]):
                def script(request, answer=answer):
                    if request.method == "POST":
                        return reply(201, {**request.json(), "id": "i"})
                    return answer
                self.assertResult(self.outcome(script, create(1, "a"))[1], "DONE")

    def test_without_discovery_nothing_is_written(self):
        server, outcome = self.outcome(lambda request: CLOSE, create(1, "a", userName="u"))
        self.assertResult(outcome, "LATER")
        self.assertEqual(server.writes(), [])


class Pages(Scripts):
    PEOPLE = [{"id": f"i{n}", "userName": f"u{n}"} for n in range(10)]

    def enumerate(self, pages):
        """pages: function of startIndex."""
        def script(request):
            if not request.path.startswith("/Users"):
                return None
            start = int(request.path.partition("startIndex=")[2].partition("&")[0])
            return pages(start)
        _, driver = self.start(script)
        return driver.ask(enumerate="user")

    def test_pages_of_any_length_are_walked_by_what_came(self):
        answer = self.enumerate(lambda start: listing(self.PEOPLE[start - 1:start + start % 3], 10))
        self.assertEqual((answer["enumerate"], len(answer["objects"])), ("success", 10), answer["text"])

    def test_an_object_that_comes_twice_is_an_error(self):
        answer = self.enumerate(lambda start: listing(self.PEOPLE[max(0, start - 2):start + 2], 10))
        self.assertIn("came twice", answer["text"])
        self.assertNotEqual(answer["enumerate"], "success")

    def test_a_total_that_shrinks_is_an_error(self):
        answer = self.enumerate(lambda start: listing(self.PEOPLE[start - 1:start + 2], 10 if start == 1 else 9))
        self.assertNotEqual(answer["enumerate"], "success")
        self.assertIn("from 10 to 9", answer["text"])

    def test_an_empty_page_before_the_end_is_an_error(self):
        answer = self.enumerate(lambda start: listing(self.PEOPLE[:3] if start == 1 else [], 10))
        self.assertIn("stopped after 3", answer["text"])

    def test_growth_is_followed_to_its_end(self):
        answer = self.enumerate(lambda start: listing(self.PEOPLE[start - 1:start + 2], 7 if start == 1 else 10))
        self.assertEqual((answer["enumerate"], len(answer["objects"])), ("success", 10), answer["text"])

    def test_a_member_that_is_no_object_is_an_error(self):
        answer = self.enumerate(lambda start: listing([{"id": "i", "userName": 7}], 1))
        self.assertIn("another type", answer["text"])

    def test_a_large_group_is_read_within_bounds(self):
        members = [{"value": f"{n:032x}", "$ref": f"https://example.org/scim/v2/Users/{n:032x}", "type": "User",
                    "display": f"Person {n}"} for n in range(50000)]
        answer = json.dumps({"totalResults": 1, "Resources": [{"id": "g", "displayName": "G", "members": members}]})
        _, driver = self.start(lambda request: reply(200, answer.encode()) if "/Groups" in request.path else None)
        shown = driver.ask(enumerate="group")
        self.assertEqual(len(shown["objects"][0]["links"]), 50000, shown["text"])


class BulkAnswers(Scripts):
    """A service whose Bulk does everything and reports half of it."""

    COUNT = 10000  # Bulk is first tried after a few tenths of a second

    def bench(self, shorten):
        stored, unreported = [], []

        def script(request):
            if "ServiceProviderConfig" in request.path:
                return reply(200, {"bulk": {"supported": True, "maxOperations": 10, "maxPayloadSize": 100000}})
            if request.method == "GET":
                return None
            if request.path != "/Bulk":
                stored.append(request.json()["userName"])
                return reply(201, {**request.json(), "id": f"id{len(stored)}"})
            results = []
            for each in request.json()["Operations"]:
                stored.append(each["data"]["userName"])
                results.append({"method": "POST", "bulkId": each["bulkId"], "status": "201",
                                "location": f"/scim/v2/Users/id{len(stored)}"})
            kept = shorten(results)
            unreported.extend(results[len(kept):])
            return reply(200, {"Operations": kept})

        _, driver = self.start(script)
        answer = driver.ask(bench={"count": self.COUNT, "prefix": "b"})
        return answer["bench_done"], stored, unreported

    def test_what_a_bulk_answer_leaves_out_is_unknown(self):
        done, stored, unreported = self.bench(lambda results: results[:len(results) // 2])
        self.assertTrue(unreported)
        self.assertEqual((done, len(stored), len(set(stored))), (self.COUNT - len(unreported), self.COUNT, self.COUNT))

    def test_a_bulk_answer_that_reports_all_is_all_done(self):
        done, stored, unreported = self.bench(lambda results: results[::-1])
        self.assertEqual((done, len(set(stored)), unreported), (self.COUNT, self.COUNT, []))


class Headers(Scripts):
    def test_an_identifier_cannot_leave_its_place_in_the_url(self):
        server, _ = self.outcome(lambda request: None, operation("delete", 1, id="../Groups/g?x#y\r\nX: 1"))
        self.assertEqual([each.path for each in server.writes()],
                         ["/Users/..%2FGroups%2Fg%3Fx%23y%0D%0AX%3A%201"])

    def test_a_version_cannot_carry_a_second_header(self):
        def script(request):
            return reply(200, {"etag": {"supported": True}}) if "ServiceProvider" in request.path else None
        server, outcome = self.outcome(script, operation("update", 1, id="i", etag='"1"\r\nX: y', set={"title": "t"}))
        self.assertResult(outcome, "REFUSED")
        self.assertEqual(server.writes(), [])

    def test_plain_http_needs_the_option(self):
        driver = Driver({"url": "http://127.0.0.1:1/scim", "token_file": self.token})
        self.assertIn("plain http", driver.read()["open"])
        self.assertEqual(driver.process.wait(), 1)
        driver.process.stdin.close()
        driver.process.stdout.close()
        driver.folder.cleanup()

    def test_a_request_carries_agent_token_and_type(self):
        server, _ = self.outcome(lambda request: None, create(5, "a", **{"userName": "u", MAIL: "w@example.org"}))
        [request] = server.writes()
        self.assertEqual(request.headers["authorization"], "Bearer static-token")
        self.assertEqual(request.headers["content-type"], "application/scim+json")
        self.assertRegex(request.headers["user-agent"], r"^twinsync/\d")
        self.assertEqual(request.headers["twinsync-op"], "test/alpha/1/b0/7;i=5")
        self.assertNotIn("expect", request.headers)



if __name__ == "__main__":
    unittest.main()
