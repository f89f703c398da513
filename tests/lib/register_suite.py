"""register_suite -- what every register must do, whoever keeps it.

A test case of a real server inherits RegisterSuite and unittest.TestCase, and has

    client(node="alpha", port=None, **options)   a Register, to another port if asked
    port                                         where the server listens
    clear()                                      make the value absent
    restart()                                    kill -9 and start
"""

import signal
import threading
import time

from register_driver import Failed, Proxy, Register

VALUE_MAX = 48 * 1024
ROUNDS = 25


class RegisterSuite:
    PROXIED = True  # a lost answer can be played between client and server

    def setUp(self):
        self.clear()

    def opened(self, **options):
        client = self.client(**options)
        self.addCleanup(client.close)
        return client

    def proxied(self, **options):
        proxy = Proxy(self.port)
        self.addCleanup(proxy.close)
        return proxy, self.opened(port=proxy.port, **options)

    def test_is_created_once_where_nothing_is(self):
        alpha, beta = self.opened(), self.opened(node="beta")
        self.assertEqual(alpha.read(), "")
        self.assertEqual(alpha.swap("", "first"), "done")
        self.assertEqual(beta.swap("", "second"), "lost")
        self.assertEqual(beta.read(), "first")

    def test_swap_is_done_for_the_present_value_and_lost_for_any_other(self):
        alpha, beta = self.opened(), self.opened(node="beta")
        alpha.swap("", "one")
        self.assertEqual(beta.swap("one", "two"), "done")
        self.assertEqual(alpha.swap("one", "three"), "lost")
        self.assertEqual(alpha.swap("TWO", "three"), "lost", "values differ by case")
        self.assertEqual(alpha.swap("two ", "three"), "lost", "values differ by a space")
        self.assertEqual(alpha.read(), "two")

    def test_swap_of_nothing_is_lost_where_something_was_expected(self):
        self.assertEqual(self.opened().swap("something", "else"), "lost")
        self.assertEqual(self.opened().read(), "")

    def test_concurrent_swaps_have_exactly_one_winner(self):
        clients = [self.opened(node=node, timeout_ms=30000) for node in ("alpha", "beta", "alpha", "beta")]
        value = ""
        for number in range(ROUNDS):
            for index, client in enumerate(clients):
                client.begin("swap", expected=value, value=f"{number}-{index}")
            outcomes = [client.end()["outcome"] for client in clients]
            self.assertEqual(sorted(outcomes), ["done", "lost", "lost", "lost"])
            value = f"{number}-{outcomes.index('done')}"
            self.assertEqual({client.read() for client in clients}, {value})

    def test_value_of_48_kib_survives(self):
        alpha, beta = self.opened(), self.opened(node="beta")
        large, other = "x" * VALUE_MAX, "y" * VALUE_MAX
        self.assertEqual(alpha.swap("", large), "done")
        self.assertEqual(beta.read(), large)
        self.assertEqual(beta.swap(large, other), "done")
        self.assertEqual(alpha.read(), other)
        with self.assertRaisesRegex(Failed, "49153 bytes"):
            alpha.swap(other, "z" * (VALUE_MAX + 1))

    def test_done_outlives_a_kill_of_the_server(self):
        client = self.opened(timeout_ms=30000)
        client.swap("", "before")
        self.restart()
        self.assertEqual(self.opened(timeout_ms=30000).read(), "before")
        self.assertEqual(self.opened(timeout_ms=30000).swap("before", "after"), "done")
        self.restart()
        self.assertEqual(self.opened(node="beta", timeout_ms=30000).read(), "after")

    def test_lost_answer_is_unknown_and_reading_back_shows_the_truth(self):
        if not self.PROXIED:
            self.skipTest("nothing lies between client and server")
        proxy, client = self.proxied(timeout_ms=8000)
        client.swap("", "before")
        proxy.lose_answers = True
        self.assertEqual(client.swap("before", "after"), "unknown")
        proxy.lose_answers = False
        self.assertEqual(client.read(), "after")
        self.assertEqual(client.swap("before", "again"), "lost", "it was not sent a second time")
        self.assertEqual(client.swap("after", "more"), "done")

    def test_silent_server_ends_each_call_in_time(self):
        if not self.PROXIED:
            self.skipTest("nothing lies between client and server")
        proxy, client = self.proxied(timeout_ms=4000)
        client.swap("", "before")
        proxy.silent = True
        self.assertEqual(client.swap("before", "after"), "unknown")
        self.assertLess(client.answer["ms"], 20000)
        with self.assertRaises(Failed) as caught:
            client.read()
        self.assertLess(caught.exception.ms, 20000)
        self.assertIn(caught.exception.code, ("the time allowed has passed", "the other side is not reachable"))

    def test_nobody_there_is_an_error_that_is_certain(self):
        proxy, client = self.proxied(timeout_ms=4000)
        client.swap("", "before")
        proxy.close()
        with self.assertRaises(Failed):
            client.read()  # at the latest this notices that the connection is gone
        with self.assertRaises(Failed) as caught:
            client.swap("before", "after")
        self.assertLess(caught.exception.ms, 20000)
        self.assertEqual(self.opened().read(), "before")

    def test_cancel_ends_a_call_at_once_and_for_good_until_resumed(self):
        proxy, client = self.proxied(timeout_ms=60000)
        client.swap("", "before")
        proxy.silent = True
        with self.assertRaises(Failed) as caught:
            client.read(cancel_ms=100)
        self.assertEqual(caught.exception.code, "cancelled")
        self.assertLess(caught.exception.ms, 30000)
        with self.assertRaisesRegex(Failed, "cancelled"):
            client.swap("before", "after")
        proxy.silent = False
        proxy.cut()
        client.call("resume")
        self.assertEqual(client.read(), "before")

    def test_another_server_in_its_place_is_a_lost_register(self):
        client = self.opened()
        client.swap("", "value")
        identity = client.identity()
        self.assertEqual(self.opened(node="beta").identity(), identity)
        other = self.opened()
        other.pin(self.foreign_identity(identity))
        for act in (other.read, lambda: other.swap("value", "changed")):
            with self.assertRaisesRegex(Failed, "answers where") as caught:
                act()
            self.assertEqual(caught.exception.code, "in conflict with what is there")
        self.assertEqual(client.read(), "value")
        other.pin("")
        self.assertEqual(other.read(), "value")

    def foreign_identity(self, identity):
        """The identity of some other server of the kind."""
        return identity[:-1] + ("1" if identity[-1] == "0" else "0")

    def test_check_finds_nothing_wrong_with_what_is_well(self):
        found = self.opened().findings()
        self.assertTrue(found["reachable"]["ok"])
        self.assertIn("none yet", found["value"]["value"])


def while_stopped(signal_process, act):
    """act() while the server is frozen; it goes on afterwards."""
    signal_process(signal.SIGSTOP)
    try:
        return act()
    finally:
        signal_process(signal.SIGCONT)


__all__ = ["Failed", "Proxy", "Register", "RegisterSuite", "VALUE_MAX", "threading", "time", "while_stopped"]
