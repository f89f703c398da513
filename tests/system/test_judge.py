#!/usr/bin/python3
"""The independent judge of the provider's log sees what it must see: each kind
of breach is planted in a log that is otherwise in order."""

import copy
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from oracle import exclusive  # noqa: E402


def row(at, epoch, seq=1, **more):
    """One admitted request: odd epochs are alpha's, even ones beta's."""
    node = "alpha" if epoch % 2 else "beta"
    return {"received_us": at, "admitted_us": at + 1, "effect_us": at + 2, "answered_us": at + 3, "method": "PATCH",
            "path": "/scim/v2/Users/u1", "status": 200, "client": f"client-{epoch}", "ids": ["u1"],
            "op": f"corp/{node}/{epoch}/boot{epoch}/{seq}", **more}


def deletion(at, client):
    return {"method": "DELETE", "path": f"/reg/{client}", "status": 204, "answered_us": at}


ORDERLY = [row(100, 1), row(200, 1, 2), row(1000, 2), row(1100, 2, 2), row(2000, 3)]
FENCES = [deletion(900, "client-1"), deletion(1900, "client-2")]


class Judging(unittest.TestCase):
    def judge(self, rows, **more):
        return exclusive.judge(rows, FENCES, **more)

    def assertFault(self, kind, rows, **more):
        self.assertIn(kind, self.judge(rows, **more)["faults"])

    def test_an_orderly_log_is_acquitted(self):
        verdict = self.judge(ORDERLY, resources=[{"id": "u1", "externalId": "a"}, {"id": "u2", "externalId": "b"}])
        self.assertEqual({}, verdict["faults"])
        self.assertEqual((True, True, 0, [1, 2, 3]), (verdict["epochs_monotone"], verdict["old_credential_refused"],
                                                      verdict["duplicates"], verdict["epochs"]))
        self.assertEqual([("beta", "alpha"), ("alpha", "beta")],
                         [(each["node"], each["from"]) for each in verdict["takeovers"]])

    def test_an_admission_below_an_epoch_that_was_admitted_is_seen(self):
        self.assertFault("admissions", [*ORDERLY, row(1500, 1, 3)])
        self.assertFault("admissions", [*ORDERLY, row(1500, 1, 3, method="GET")])

    def test_an_effect_that_comes_after_one_of_a_higher_epoch_is_seen(self):
        late = row(300, 1, 3, effect_us=1500)
        self.assertFault("effects", [*ORDERLY, late])
        elsewhere = row(300, 1, 3, effect_us=1500, ids=["u2"])
        self.assertNotIn("effects", self.judge([*ORDERLY, elsewhere])["faults"])

    def test_a_late_effect_within_a_bulk_request_is_seen(self):
        late = row(300, 1, 3, effect_us=None, method="POST", path="/scim/v2/Bulk", ids=[],
                   bulk=[{"id": "u1", "effect_us": 1500}])
        self.assertFault("effects", [*ORDERLY, late])

    def test_two_processes_or_nodes_of_one_epoch_are_seen(self):
        self.assertFault("identities", [*ORDERLY, row(2100, 3, op="corp/alpha/3/another/2")])
        self.assertFault("identities", [*ORDERLY, row(2100, 3, op="corp/beta/3/boot3/2")])

    def test_one_credential_for_two_epochs_is_seen_unless_it_is_known_to_be_shared(self):
        rows = copy.deepcopy(ORDERLY)
        for each in rows:
            each["client"] = "sync"
        self.assertFault("identities", rows)
        self.assertEqual({}, self.judge(rows, shared=["sync"])["faults"])

    def test_an_admission_after_a_confirmed_fence_is_seen(self):
        self.assertFault("fenced", [*ORDERLY[:2], row(950, 1, 3), *ORDERLY[2:]], confirmed={2: 920})
        self.assertNotIn("fenced", self.judge(ORDERLY, confirmed={2: 920})["faults"])

    def test_a_deleted_client_without_an_op_is_seen_too(self):
        self.assertFault("fenced", [*ORDERLY, row(1500, 1, 3, op=None, method="GET")])

    def test_a_write_that_does_not_say_whose_it_is_is_seen(self):
        self.assertFault("anonymous", [*ORDERLY, row(2100, 3, 2, op=None)])
        stranger = row(2100, 3, 2, op=None, client="administrator")
        self.assertEqual({}, self.judge([*ORDERLY, stranger])["faults"])

    def test_two_objects_of_one_anchor_are_seen(self):
        self.assertFault("anchors", ORDERLY, resources=[{"id": "u1", "externalId": "a"}, {"id": "u2", "externalId": "a"}])

    def test_what_was_refused_is_no_admission(self):
        refused = row(1500, 1, 3, status=401)
        del refused["admitted_us"]
        self.assertEqual({}, self.judge([*ORDERLY, refused])["faults"])


if __name__ == "__main__":
    unittest.main()
