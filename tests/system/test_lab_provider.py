#!/usr/bin/python3
"""The lab's SCIM provider keeps what it acknowledged and refuses what a strict one refuses."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from lab import BULK, ENTERPRISE, GROUP, USER, LabTestCase  # noqa: E402


class Provider(LabTestCase):
    OPTIONS = {"people": 5, "groups": 2}
    made = 0

    def name(self):
        Provider.made += 1
        return f"user{Provider.made}@example.org"

    def user(self, **attributes):
        reply = self.lab.create_user(attributes.pop("userName", None) or self.name(), **attributes)
        self.assertStatus(reply, 201)
        return reply.body

    def group(self, *members):
        reply = self.lab.scim("POST", "/Groups", {
            "schemas": [GROUP], "displayName": self.name(), "members": [{"value": each} for each in members]})
        self.assertStatus(reply, 201)
        return reply.body

    def members(self, group):
        return {each["value"] for each in self.lab.scim("GET", f"/Groups/{group['id']}").body["members"]}

    def assertRefused(self, reply, status, scim_type=None):
        self.assertStatus(reply, status)
        self.assertEqual(reply.body["schemas"], ["urn:ietf:params:scim:api:messages:2.0:Error"])
        self.assertEqual(reply.body["status"], str(status))
        self.assertEqual(reply.body.get("scimType"), scim_type)


class Uniqueness(Provider):
    def test_user_name_without_case(self):
        self.user(userName="Mixed@Example.org")
        self.assertRefused(self.lab.create_user("mixed@example.ORG"), 409, "uniqueness")

    def test_external_id_of_users(self):
        self.user(externalId="same")
        self.assertRefused(self.lab.create_user(self.name(), externalId="same"), 409, "uniqueness")

    def test_group_name(self):
        group = self.group()
        self.assertRefused(self.lab.scim("POST", "/Groups", {
            "schemas": [GROUP], "displayName": group["displayName"].upper()}), 409, "uniqueness")

    def test_a_patch_cannot_take_a_name(self):
        first, second = self.user(), self.user()
        reply = self.lab.patch(f"/Users/{second['id']}",
                               {"op": "replace", "path": "userName", "value": first["userName"]})
        self.assertRefused(reply, 409, "uniqueness")

    def test_a_deleted_name_is_free_again(self):
        user = self.user(externalId="again")
        self.assertStatus(self.lab.scim("DELETE", f"/Users/{user['id']}"), 204)
        self.user(userName=user["userName"], externalId="again")

    def test_a_renamed_user_frees_its_old_name(self):
        user = self.user()
        self.lab.patch(f"/Users/{user['id']}", {"op": "replace", "path": "userName", "value": self.name()})
        self.user(userName=user["userName"])


class Versions(Provider):
    def test_if_match_refuses_an_old_version(self):
        user = self.user()
        change = {"op": "replace", "path": "title", "value": "x"}
        path, old = f"/Users/{user['id']}", {"If-Match": user["meta"]["version"]}
        self.assertStatus(self.lab.patch(path, change, headers=old), 200)
        self.assertRefused(self.lab.patch(path, {**change, "value": "y"}, headers=old), 412)
        self.assertRefused(self.lab.scim("DELETE", path, headers=old), 412)
        self.assertEqual(self.lab.scim("GET", path).body["title"], "x")

    def test_if_none_match_saves_the_answer(self):
        user = self.user()
        reply = self.lab.scim("GET", f"/Users/{user['id']}", headers={"If-None-Match": user["meta"]["version"]})
        self.assertStatus(reply, 304)

    def test_a_member_changes_the_version_of_its_group(self):
        user, group = self.user(), self.group()
        reply = self.lab.patch(f"/Groups/{group['id']}",
                               {"op": "add", "path": "members", "value": [{"value": user["id"]}]})
        self.assertNotEqual(reply.headers["ETag"], group["meta"]["version"])

    def test_a_change_to_the_same_keeps_the_version(self):
        user = self.user(title="same")
        reply = self.lab.patch(f"/Users/{user['id']}", {"op": "replace", "path": "title", "value": "same"})
        self.assertEqual(reply.headers["ETag"], user["meta"]["version"])

    def test_without_etag_support_there_are_no_versions(self):
        self.lab.set_options(etag=False)
        user = self.user()
        self.assertNotIn("version", user["meta"])
        reply = self.lab.scim("DELETE", f"/Users/{user['id']}", headers={"If-Match": 'W/"77"'})
        self.assertStatus(reply, 204)


class Strictness(Provider):
    def refuses(self, body, status=400, scim_type="invalidValue"):
        self.assertRefused(self.lab.scim("POST", "/Users", body), status, scim_type)

    def test_unknown_attribute(self):
        self.refuses({"schemas": [USER], "userName": self.name(), "bogus": 1})

    def test_unknown_sub_attribute(self):
        self.refuses({"schemas": [USER], "userName": self.name(), "name": {"first": "x"}})
        self.refuses({"schemas": [USER, ENTERPRISE], "userName": self.name(), ENTERPRISE: {"floor": "1"}})

    def test_wrong_types(self):
        for attributes in ({"active": "true"}, {"displayName": 7}, {"emails": {"value": "x"}}, {"emails": ["x"]}):
            self.refuses({"schemas": [USER], "userName": self.name(), **attributes})

    def test_missing_and_blank_user_name(self):
        self.refuses({"schemas": [USER], "displayName": "x"})
        self.refuses({"schemas": [USER], "userName": "  "})

    def test_missing_schemas(self):
        self.refuses({"userName": self.name()}, scim_type="invalidSyntax")
        self.refuses({"schemas": [USER], "userName": self.name(), ENTERPRISE: {"department": "x"}},
                     scim_type="invalidSyntax")

    def test_text_that_is_not_json(self):
        self.assertRefused(self.lab.scim("POST", "/Users", b"{nope"), 400, "invalidSyntax")

    def test_content_type(self):
        reply = self.lab.scim("POST", "/Users", {"schemas": [USER]}, {"Content-Type": "text/plain"})
        self.assertRefused(reply, 415)

    def test_patch_paths_and_values(self):
        path = f"/Users/{self.user()['id']}"
        for operation, scim_type in (
                ({"op": "replace", "path": "nope", "value": 1}, "invalidPath"),
                ({"op": "replace", "path": 'emails[type eq "home"].value', "value": "x"}, "noTarget"),
                ({"op": "replace", "path": "active", "value": "false"}, "invalidValue"),
                ({"op": "add", "path": "emails", "value": [{"value": "x", "bogus": 1}]}, "invalidValue"),
                ({"op": "replace", "value": {"bogus": 1}}, "invalidValue"),
                ({"op": "remove", "path": "userName"}, "invalidValue"),
                ({"op": "upsert", "path": "title", "value": "x"}, "invalidSyntax")):
            self.assertRefused(self.lab.patch(path, operation), 400, scim_type)

    def test_references_to_nobody(self):
        self.refuses({"schemas": [USER, ENTERPRISE], "userName": self.name(), ENTERPRISE: {"manager": {"value": "x"}}})
        self.assertRefused(self.lab.scim("POST", "/Groups", {
            "schemas": [GROUP], "displayName": self.name(), "members": [{"value": "nobody"}]}), 400, "invalidValue")

    def test_filters(self):
        for query in ("filter=bogus%20eq%20%22x%22", "filter=userName%20eq"):
            self.assertRefused(self.lab.scim("GET", f"/Users?{query}"), 400, "invalidFilter")

    def test_a_missing_object(self):
        for method in ("GET", "DELETE", "PUT"):
            body = {"schemas": [USER], "userName": self.name()} if method == "PUT" else None
            self.assertRefused(self.lab.scim(method, "/Users/none", body), 404)

    def test_what_is_not_offered(self):
        self.lab.set_options(patch=False, bulk=False)
        path = f"/Users/{self.user()['id']}"
        self.assertRefused(self.lab.patch(path, {"op": "replace", "path": "title", "value": "x"}), 501)
        self.assertRefused(self.lab.scim("POST", "/Bulk", {"schemas": [BULK], "Operations": [{}]}), 501)
        config = self.lab.scim("GET", "/ServiceProviderConfig").body
        self.assertEqual((config["patch"]["supported"], config["bulk"]["supported"]), (False, False))


class Members(Provider):
    def patch(self, group, *operations):
        self.assertStatus(self.lab.patch(f"/Groups/{group['id']}", *operations), 204)
        return self.members(group)

    def test_adding_twice_is_once(self):
        user, group = self.user(), self.group()
        value = [{"value": user["id"]}, {"value": user["id"]}]
        for _ in range(2):
            self.patch(group, {"op": "add", "path": "members", "value": value})
        listed = self.lab.scim("GET", f"/Groups/{group['id']}").body["members"]
        self.assertEqual([each["value"] for each in listed], [user["id"]])

    def test_removing_by_filter(self):
        ids = [self.user()["id"] for _ in range(3)]
        group = self.group(*ids)
        self.assertEqual(self.patch(group, {"op": "remove", "path": f'members[value eq "{ids[0]}"]'}), set(ids[1:]))
        either = f'members[value eq "{ids[1]}" or value eq "{ids[2]}"]'
        self.assertEqual(self.patch(group, {"op": "remove", "path": either}), set())

    def test_replacing_all(self):
        ids = [self.user()["id"] for _ in range(3)]
        group = self.group(*ids[:2])
        value = [{"value": each} for each in ids[1:]]
        self.assertEqual(self.patch(group, {"op": "replace", "path": "members", "value": value}), set(ids[1:]))
        self.assertEqual(self.patch(group, {"op": "remove", "path": "members"}), set())

    def test_members_and_name_in_one_patch(self):
        user, group, name = self.user(), self.group(), self.name()
        value = {"displayName": name, "members": [{"value": user["id"]}]}
        self.assertEqual(self.patch(group, {"op": "add", "value": value}), {user["id"]})
        self.assertEqual(self.lab.scim("GET", f"/Groups/{group['id']}").body["displayName"], name)

    def test_a_deleted_user_leaves_its_groups(self):
        user = self.user()
        group = self.group(user["id"])
        self.lab.scim("DELETE", f"/Users/{user['id']}")
        self.assertEqual(self.members(group), set())

    def test_one_member_costs_one_short_record_in_a_large_group(self):
        operations = [{"method": "POST", "path": "/Users", "bulkId": str(at),
                       "data": {"schemas": [USER], "userName": self.name()}} for at in range(1000)]
        reply = self.lab.scim("POST", "/Bulk", {"schemas": [BULK], "Operations": operations})
        ids = [each["location"].rsplit("/", 1)[1] for each in reply.body["Operations"]]
        group, user = self.group(*ids), self.user()
        store = self.lab.layout.path("scim", "store.jsonl")
        before = os.path.getsize(store)
        self.patch(group, {"op": "add", "path": "members", "value": [{"value": user["id"]}]})
        self.assertLess(os.path.getsize(store) - before, 500)
        self.assertEqual(len(self.members(group)), 1001)


class Lists(Provider):
    def test_pages_hold_everyone_once(self):
        for _ in range(7):
            self.user()
        total, seen = None, []
        while total is None or len(seen) < total:
            page = self.lab.scim("GET", f"/Users?startIndex={len(seen) + 1}&count=3").body
            total = page["totalResults"]
            self.assertLessEqual(len(page["Resources"]), 3)
            seen += [each["id"] for each in page["Resources"]]
        self.assertEqual(len(seen), len(set(seen)))
        self.assertGreaterEqual(total, 7)

    def test_a_page_is_not_larger_than_the_maximum(self):
        self.lab.set_options(page_max=2)
        for _ in range(3):
            self.user()
        self.assertEqual(len(self.lab.scim("GET", "/Users?count=50").body["Resources"]), 2)

    def test_filters_find_exactly_one(self):
        user = self.user(externalId='quote " and \\ back', displayName="Somebody")
        for attribute, value in (("externalId", 'quote " and \\ back'), ("userName", user["userName"].upper()),
                                 ("id", user["id"]), ("displayName", "Somebody")):
            found = [each["id"] for each in self.lab.find("Users", attribute, value)]
            self.assertEqual(found, [user["id"]], attribute)
        self.assertEqual(self.lab.find("Users", "externalId", "none"), [])

    def test_excluded_members_are_not_shown(self):
        group = self.group(self.user()["id"])
        for path in (f"/Groups/{group['id']}?excludedAttributes=members", "/Groups?excludedAttributes=members"):
            self.assertNotIn('"members"', self.lab.scim("GET", path).text)


class BulkRequests(Provider):
    def bulk(self, *operations, **more):
        return self.lab.scim("POST", "/Bulk", {"schemas": [BULK], "Operations": list(operations), **more})

    def post(self, kind, bulk_id, **data):
        schema = USER if kind == "Users" else GROUP
        return {"method": "POST", "path": f"/{kind}", "bulkId": bulk_id, "data": {"schemas": [schema], **data}}

    def statuses(self, reply):
        self.assertStatus(reply, 200)
        return [each["status"] for each in reply.body["Operations"]]

    def test_a_reference_to_a_later_operation(self):
        reply = self.bulk(self.post("Groups", "g", displayName=self.name(), members=[{"value": "bulkId:u"}]),
                          self.post("Users", "u", userName=self.name()))
        self.assertEqual(self.statuses(reply), ["201", "201"])
        ids = [each["location"].rsplit("/", 1)[1] for each in reply.body["Operations"]]
        self.assertEqual(self.members({"id": ids[0]}), {ids[1]})

    def test_one_refusal_spoils_neither_the_others_nor_itself_twice(self):
        name = self.name()
        reply = self.bulk(self.post("Users", "a", userName=name), self.post("Users", "b", userName=name),
                          self.post("Groups", "c", displayName=self.name(), members=[{"value": "bulkId:b"}]),
                          {"method": "DELETE", "path": "/Users/none", "bulkId": "d"})
        self.assertEqual(self.statuses(reply), ["201", "409", "412", "404"])
        self.assertEqual([each["bulkId"] for each in reply.body["Operations"]], ["a", "b", "c", "d"])

    def test_a_circle_of_references(self):
        reply = self.bulk(self.post("Groups", "a", displayName=self.name(), members=[{"value": "bulkId:b"}]),
                          self.post("Groups", "b", displayName=self.name(), members=[{"value": "bulkId:a"}]))
        self.assertEqual(self.statuses(reply), ["409", "409"])

    def test_fail_on_errors_leaves_the_rest_out(self):
        reply = self.bulk({"method": "DELETE", "path": "/Users/none", "bulkId": "a"},
                          self.post("Users", "b", userName=self.name()), failOnErrors=1)
        self.assertEqual(self.statuses(reply), ["404"])

    def test_too_many_operations_and_too_many_bytes(self):
        self.lab.set_options(bulk_operations_max=2, bulk_bytes_max=2000)
        three = [self.post("Users", str(at), userName=self.name()) for at in range(3)]
        self.assertRefused(self.bulk(*three), 413)
        self.assertRefused(self.bulk(self.post("Users", "a", userName="x" * 3000)), 413)

    def test_the_log_names_every_operation(self):
        reply = self.bulk(self.post("Users", "17", userName=self.name()))
        row = self.lab.requests()[-1]["bulk"][0]
        self.assertEqual((row["bulkId"], row["status"]), ("17", 201))
        self.assertIn(row["id"], reply.body["Operations"][0]["location"])


class Durability(Provider):
    def test_what_was_acknowledged_survives_a_crash(self):
        users = [self.user(externalId=f"durable-{at}") for at in range(20)]
        group = self.group(*[each["id"] for each in users])
        self.lab.scim("DELETE", f"/Users/{users[0]['id']}")
        self.lab.kill("scim")
        self.lab.start("scim")
        for user in users[1:]:
            self.assertEqual(self.lab.scim("GET", f"/Users/{user['id']}").body, user)
        self.assertStatus(self.lab.scim("GET", f"/Users/{users[0]['id']}"), 404)
        self.assertEqual(self.members(group), {each["id"] for each in users[1:]})
        self.assertRefused(self.lab.create_user(self.name(), externalId="durable-5"), 409, "uniqueness")

    def test_a_record_cut_short_by_a_crash_is_dropped(self):
        user = self.user()
        self.lab.stop("scim")
        with open(self.lab.layout.path("scim", "store.jsonl"), "a", encoding="utf-8") as file:
            file.write('{"type":"User","id":"half')
        self.lab.start("scim")
        later = self.user()
        self.lab.restart("scim")
        for each in (user, later):
            self.assertStatus(self.lab.scim("GET", f"/Users/{each['id']}"), 200)

    def test_the_log_tells_admission_and_effect(self):
        self.lab.scim("POST", "/Users", {"schemas": [USER], "userName": self.name()},
                      {"Twinsync-Op": "demo/alpha/1/boot/7"})
        row = self.lab.requests()[-1]
        self.assertEqual((row["op"], row["method"], row["status"], row["client"]),
                         ("demo/alpha/1/boot/7", "POST", 201, "sync"))
        times = [row[name] for name in ("received_us", "admitted_us", "effect_us", "answered_us")]
        self.assertEqual(times, sorted(times), json.dumps(row))


if __name__ == "__main__":
    unittest.main()
