#!/usr/bin/python3
"""Active Directory, as Samba is one, read by DirSync: each test names something
that happens in a domain and what an import must say of it."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import ad  # noqa: E402
from ad import SUFFIX, UNIT, Domain  # noqa: E402


def members(answer, dn, attribute="member"):
    return {link["dn"] for link in answer.entry(dn)["links"] if link["attribute"] == attribute}


def keys(answer, dn, attribute="member"):
    return {link["key"] for link in answer.entry(dn)["links"] if link["attribute"] == attribute}


@unittest.skipIf(ad.missing(), f"{ad.missing()} is not installed: see tools/setup")
class AdTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.domain = Domain()
        cls.addClassCleanup(cls.domain.__exit__)
        cls.count = 0

    def setUp(self):
        type(self).count += 1
        self.unit = self.domain.unit(f"unit{self.count}")
        self.name = f"t{self.count}"

    def person(self, name, **values):
        return self.domain.person(f"{self.name}-{name}", self.unit, **values)

    def group(self, name, *those, **values):
        return self.domain.group(f"{self.name}-{name}", *those, unit=self.unit, **values)

    def delta(self, after, **words):
        answer = self.domain.read(after=after, **words)
        self.assertIsNotNone(answer.result, answer.error)
        self.assertEqual(("incremental", None), (answer.result["extent"], answer.result["full_because"]))
        return answer

    def whole(self, because=None, **words):
        answer = self.domain.read(**words)
        self.assertIsNotNone(answer.result, answer.error)
        self.assertEqual("complete", answer.result["extent"])
        if because is None:
            self.assertIsNone(answer.result["full_because"])
        else:
            self.assertIn(because, answer.result["full_because"])
        return answer

    def gone(self, answer):
        return {row["key"] for row in answer.rows if row["verb"] == "delete"}

    # ---- whole ----

    def test_a_first_import_is_complete_and_known_by_guid(self):
        boss = self.person("boss")
        ada = self.person("ada", displayName="Ada", manager=boss)
        group = self.group("group", ada, boss)
        answer = self.whole()
        row = answer.entry(ada)
        self.assertEqual(self.domain.anchor(ada), row["anchor"])
        self.assertEqual(self.domain.guid(ada).hex(), row["key"])
        self.assertEqual(self.domain.guid(self.unit).hex(), row["parent"])
        self.assertEqual(f"CN={self.name}-ada", row["rdn"])
        self.assertEqual([b"Ada"], answer.values(ada, "displayName"))
        self.assertEqual({boss}, members(answer, ada, "manager"))
        self.assertEqual({ada, boss}, members(answer, group))
        self.assertEqual({self.domain.guid(ada).hex(), self.domain.guid(boss).hex()}, keys(answer, group))

    def test_all_that_an_independent_search_finds_is_read(self):
        for number in range(30):
            self.person(f"p{number}")
        answer = self.whole()
        found = self.domain.ldap.search_s(SUFFIX, 2, "(|(objectClass=user)(objectClass=group)(objectClass=contact))",
                                          ["objectGUID"])
        guids = {values["objectGUID"][0].hex() for dn, values in found if dn}
        self.assertEqual(set(), guids - {row["key"] for row in answer.rows})

    def test_a_chain_of_parents_leads_to_the_base(self):
        ada = self.person("ada")
        answer = self.whole()
        rows = {row["key"]: row for row in answer.rows}
        rdns = []
        row = answer.entry(ada)
        while row is not None and row["dn"] != SUFFIX:
            rdns.append(row["rdn"])
            row = rows.get(row["parent"])
        self.assertEqual(ada, ",".join([*rdns, SUFFIX]))

    # ---- delta ----

    def test_nothing_changed_keeps_the_watermark(self):
        first = self.whole()
        answer = self.delta(first)
        self.assertEqual([], answer.rows)
        self.assertEqual(first.result["cookie"], answer.result["cookie"])

    def test_a_delta_shows_whoever_changed_as_a_whole(self):
        ada = self.person("ada", displayName="Ada", description="kept")
        bob = self.person("bob")
        first = self.whole()
        self.domain.set(ada, displayName="Countess")
        self.domain.set(bob, displayName="Bob")
        new = self.person("new")
        answer = self.delta(first)
        self.assertEqual({self.domain.anchor(dn) for dn in (ada, bob, new)}, answer.named("put"))
        self.assertEqual([b"Countess"], answer.values(ada, "displayName"))
        self.assertEqual([f"{self.name}-ada".encode()], answer.values(ada, "sAMAccountName"))

    def test_a_cleared_attribute_is_gone_from_the_row(self):
        ada = self.person("ada", displayName="Ada")
        first = self.whole()
        self.domain.set(ada, displayName=None)
        self.assertEqual([], self.delta(first).values(ada, "displayName"))

    def test_a_tombstone_deletes_by_identity(self):
        ada = self.person("ada")
        group = self.group("group", ada)
        first = self.whole()
        guid = self.domain.guid(ada).hex()
        self.domain.delete(ada)
        answer = self.delta(first)
        self.assertEqual({guid}, self.gone(answer))
        self.assertEqual(set(), answer.named("put"), group)

    def test_a_deleted_group_and_unit_are_told(self):
        group = self.group("group")
        inner = self.domain.unit("inner", self.unit)
        first = self.whole()
        guids = {self.domain.guid(group).hex(), self.domain.guid(inner).hex()}
        self.domain.delete(group)
        self.domain.delete(inner)
        self.assertEqual(guids, self.gone(self.delta(first)))

    def test_members_come_and_go(self):
        ada, bob, eve = self.person("ada"), self.person("bob"), self.person("eve")
        group = self.group("group", ada, bob)
        first = self.whole()
        self.domain.leave(group, ada)
        self.domain.join(group, eve)
        self.assertEqual({bob, eve}, members(self.delta(first), group))

    def crowd(self, name, count):
        """A group of so many contacts; they, who are added in one transaction."""
        those = [f"CN={name}{number},{self.unit}" for number in range(count)]
        self.domain.add("\n".join(f"dn: {dn}\nobjectClass: contact\n" for dn in those))
        return self.group(name, *those), those

    def test_of_a_large_group_a_delta_tells_only_who_came_and_went(self):
        crowd, those = self.crowd("crowd", 1502)
        first = self.whole()
        self.assertEqual(set(those), members(first, crowd))
        self.assertIsNone(first.entry(crowd)["partial"])
        ada = self.person("ada")
        self.domain.join(crowd, ada)
        self.domain.leave(crowd, those[7])
        answer = self.delta(first)
        self.assertEqual("member", answer.entry(crowd)["partial"])
        self.assertEqual({(ada, False), (those[7], True)},
                         {(link["dn"], link["gone"]) for link in answer.entry(crowd)["links"]})
        self.domain.set(crowd, displayName="other")
        answer = self.delta(answer)
        self.assertEqual(("member", []), (answer.entry(crowd)["partial"], answer.entry(crowd)["links"]))
        # Until it is of a size again that comes in one piece.
        self.domain.leave(crowd, *those[8:100])
        self.assertIsNone(self.delta(answer).entry(crowd)["partial"])

    def test_a_renamed_member_is_the_same_member(self):
        ada = self.person("ada")
        group = self.group("group", ada)
        first = self.whole()
        before = keys(first, group)
        ada = self.domain.move(ada, rdn=f"CN={self.name}-countess")
        answer = self.delta(first)
        self.assertEqual({self.domain.anchor(ada)}, answer.named("put"))
        self.assertEqual({answer.entry(ada)["key"]}, before)

    def test_a_renamed_unit_costs_one_row(self):
        inner = self.domain.unit("inner", self.unit)
        people = [self.domain.person(f"{self.name}-p{number}", inner) for number in range(5)]
        first = self.whole()
        hashes = {row["key"]: row["hash"] for row in first.rows}
        renamed = self.domain.move(inner, rdn="OU=other")
        answer = self.delta(first)
        self.assertEqual({self.domain.anchor(renamed)}, answer.named("put"))
        again = self.whole()
        for dn in people:
            row = again.entry(dn.replace("OU=inner", "OU=other"))
            self.assertEqual(hashes[row["key"]], row["hash"], "a row says nothing of the names above it")

    def test_one_that_is_brought_back_is_told_with_whoever_refers_to_it(self):
        ada, bob = self.person("ada"), self.person("bob")
        group = self.group("group", ada, bob)
        guid = self.domain.guid(ada)
        self.domain.delete(ada)
        first = self.whole()
        self.assertEqual({bob}, members(first, group))
        self.domain.restore(ada, guid)
        self.domain.join(group, ada)
        joined = self.delta(first)
        self.assertEqual(guid.hex(), joined.entry(ada)["key"])
        self.assertEqual({ada, bob}, members(joined, group))
        self.assertEqual(set(), self.gone(joined))

    def test_one_deleted_and_brought_back_between_two_imports_is_there(self):
        ada = self.person("ada")
        first = self.whole()
        guid = self.domain.guid(ada)
        self.domain.delete(ada)
        self.domain.restore(ada, guid)
        answer = self.delta(first)
        self.assertEqual(guid.hex(), answer.entry(ada)["key"])
        self.assertEqual(set(), self.gone(answer))

    def test_a_move_to_another_unit_is_another_parent(self):
        ada = self.person("ada")
        other = self.domain.unit("other", self.unit)
        first = self.whole()
        ada = self.domain.move(ada, unit=other)
        self.assertEqual(self.domain.guid(other).hex(), self.delta(first).entry(ada)["parent"])

    def test_leaving_the_filter_is_told_and_coming_back_is_too(self):
        ada = self.person("ada", displayName="in")
        words = {"filter": "(!(displayName=out))"}
        first = self.whole(**words)
        guid = self.domain.guid(ada).hex()
        self.domain.set(ada, displayName="out")
        out = self.delta(first, **words)
        self.assertEqual({guid}, self.gone(out))
        self.domain.set(ada, displayName="in again")
        self.assertEqual({self.domain.anchor(ada)}, self.delta(out, **words).named("put"))

    # ---- watermarks ----

    def test_a_refused_cookie_reads_everything_and_believes_no_absence(self):
        ada = self.person("ada")
        first = self.whole()
        guid = self.domain.guid(ada).hex()
        self.domain.delete(ada)
        broken = bytearray.fromhex(first.result["cookie"])
        at = broken.index(b"MSDS")
        first.result["cookie"] = (broken[:at] + b"foobar").hex()
        answer = self.whole(because="does not know the watermark's cookie", after=first)
        self.assertIn(guid, self.gone(answer))
        self.assertIn("they are not among it", answer.result["keep_because"])

    def test_a_watermark_of_another_kind_reads_everything(self):
        first = self.whole()
        first.result["cookie"] = b"rid=000,csn=1".hex()
        self.whole(because="not one of this kind", after=first)

    def test_other_attributes_read_everything(self):
        first = self.whole()
        self.whole(because="attributes", after=first, attributes="displayName")

    def test_a_controller_set_back_to_an_old_state_reads_everything(self):
        first = self.whole()
        text = bytearray.fromhex(first.result["cookie"])
        text[20] |= 0x40  # the first byte of its USN
        first.result["cookie"] = text.hex()
        self.whole(because="as after a restore", after=first)

    def test_what_may_be_forgotten_is_believed_to_be_gone(self):
        first = self.whole()
        self.assertIn("they are not among it", self.whole(after=first, whole=1).result["keep_because"])
        late = self.whole(because="too long ago", after=first, complete_days=100)
        self.assertIsNotNone(late.result["keep_because"])
        late = self.whole(because="too long ago", after=first, complete_days=200)
        self.assertIsNone(late.result["keep_because"])

    def test_an_account_that_sees_no_deletions_reads_everything_each_time(self):
        first = self.whole(account="blind")
        self.assertIsNone(first.result["keep_because"])
        answer = self.whole(because="is not shown what was deleted", account="blind", after=first)
        self.assertIsNone(answer.result["keep_because"])

    # ---- what it is ----

    def test_system_objects_are_never_in_scope(self):
        answer = self.whole()
        for dn, why in ((f"CN=krbtgt,CN=Users,{SUFFIX}", b"critical"), (f"CN=sync,CN=Users,{SUFFIX}", b"reads this source"),
                        (f"CN=Administrators,CN=Builtin,{SUFFIX}", b"critical")):
            self.assertIn(why, answer.values(dn, "never synchronized")[0])
        self.assertEqual([], answer.values(f"CN=weak,CN=Users,{SUFFIX}", "never synchronized"))

    def test_a_consistency_guid_is_the_anchor_where_it_is_set(self):
        ada = self.person("ada", **{"mS-DS-ConsistencyGuid": bytes(range(16))})
        self.assertEqual("AAECAwQFBgcICQoLDA0ODw==", self.whole().entry(ada)["anchor"])
        self.assertEqual(self.domain.anchor(ada), self.whole(consistency_ignore=1).entry(ada)["anchor"])

    def test_a_base_that_is_no_domain_is_refused(self):
        answer = self.domain.read(base=UNIT)
        self.assertIn(f'set base to "{SUFFIX}"', answer.error)


if __name__ == "__main__":
    unittest.main()
