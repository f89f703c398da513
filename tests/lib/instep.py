"""instep -- what tests of the whole product share: both sides end in step.

Judged by the independent comparer and by the provider's own log, never by what
the product says of itself.
"""

import re
from collections import Counter

from lab import LabTestCase


def quick(text):
    """A configuration in which doubts are settled after a second."""
    return with_target(text, "quiesce-seconds: 1")


def with_target(text, *lines):
    """More options for the target section."""
    return text.replace("target:\n", "target:\n" + "".join(f"  {line}\n" for line in lines))


class InStepCase(LabTestCase):
    """Tests that end with both sides in step, as the independent comparer says."""

    OPTIONS = {"people": 30, "groups": 4}
    COMPARE = ()  # options of the independent comparer

    def new_node(self, edit=quick, **options):
        """A node with a state of its own, stopped when the test ends."""
        node = self.lab.node(f"node{len(self.lab.nodes)}", edit=edit, **options)
        self.addCleanup(node.kill)
        return node

    def assertInStep(self):
        report = self.lab.compare(*self.COMPARE)
        self.assertEqual([], report["details"])
        self.assertEqual((0, 0), (report["mismatches"], report["duplicates"]))
        return report

    def assertSettled(self, node, cycles=3):
        """In step after at most so many cycles, with nothing left to do."""
        for _ in range(cycles):
            node.sync()
            if node.status()["counts"]["pending"] == 0:
                break
        self.assertEqual(0, node.status()["counts"]["pending"])
        return self.assertInStep()

    def assertNoSecondCreate(self, since=0):
        """Whatever was lost: no creation was carried out twice, nor tried when it had been."""
        made, refused = Counter(), []
        for row in self.lab.writes()[since:]:
            for intent, status, effect in creations(row):
                made[intent] += effect
                if status == 409:
                    refused.append(intent)
        self.assertEqual({}, {intent: times for intent, times in made.items() if times > 1})
        self.assertEqual([], refused, "created again what was there")
        return sum(made.values())

    def assertSentence(self, text, *words):
        """One sentence, as an operator reads it, with these words in it."""
        sentence = text.strip()
        self.assertNotIn("\n", sentence)
        self.assertFalse(sentence.endswith("."), sentence)
        for word in words:
            self.assertIn(word, sentence)

    def empty_target(self):
        """Delete all that the provider has, for another first load."""
        for kind in ("Groups", "Users"):
            for resource in self.lab.scim("GET", f"/{kind}?count=1000").body["Resources"]:
                self.assertStatus(self.lab.scim("DELETE", f"/{kind}/{resource['id']}"), 204)


def creations(row):
    """(intent number, status, had an effect) of each creation in a line of the provider's log."""
    if row["method"] != "POST" or not row["op"]:
        return []
    if row["path"].endswith("/Bulk"):
        return [(int(each["bulkId"]), int(each["status"]), bool(each.get("effect_us")))
                for each in row.get("bulk") or [] if each["method"] == "POST"]
    return [(int(re.search(r";i=(\d+)", row["op"])[1]), row["status"], bool(row.get("effect_us")))]
