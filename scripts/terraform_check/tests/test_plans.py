"""The look into plans."""

import unittest

from terraform_check import plans, plugin

SITE = "Microsoft.Web/sites@2024-04-01"


def plan(kind, after):
    change = {"address": f"{kind}.x", "type": kind, "mode": "managed", "change": {"after": after}}
    return {"run": {"resource_changes": [change]}}


class Plans(unittest.TestCase):
    def wrong(self, kind, after):
        return plans.look(plan(kind, after)).problems

    def test_values_that_are_one_of_a_list(self):
        kind = "azurerm_managed_redis"
        good = {"default_database": [{"clustering_policy": "NoCluster"}]}
        bad = {"default_database": [{"clustering_policy": "OSS"}]}
        self.assertEqual(self.wrong(kind, good), [])
        self.assertIn("clustering_policy takes", self.wrong(kind, bad)[0])

    def test_ids(self):
        self.assertEqual(self.wrong("azurerm_x", {"server_id": "/subscriptions/1"}), [])
        self.assertIn("wants a resource's id", self.wrong("azurerm_x", {"server_id": "sql"})[0])
        self.assertIn("wants a UUID", self.wrong("azurerm_x", {"object_id": "ann"})[0])

    def test_doors(self):
        kind = "azurerm_mssql_firewall_rule"
        one = {"start_ip_address": "203.0.113.7", "end_ip_address": "203.0.113.7"}
        self.assertEqual(self.wrong(kind, one), [])
        everybody = one | {"end_ip_address": "255.255.255.255"}
        self.assertIn("more than one address", self.wrong(kind, everybody)[0])
        kind, group = "azurerm_role_assignment", "/subscriptions/1/resourceGroups/2"
        role = {"scope": f"{group}/providers/Microsoft.KeyVault/vaults/3"}
        self.assertEqual(self.wrong(kind, role), [])
        for scope in ("/", "/subscriptions/1", group):
            self.assertIn("more than a resource", self.wrong(kind, {"scope": scope})[0])
        kind = "azurerm_storage_container"
        self.assertNotEqual(self.wrong(kind, {"container_access_type": "blob"}), [])

    def test_bodies(self):
        right = {"type": SITE, "name": "x", "body": {"properties": {"httpsOnly": True}}}
        wrong = right | {"body": {"properties": {"httpOnly": True}}}
        self.assertEqual(self.wrong("azapi_resource", right), [])
        self.assertIn("httpOnly: there is no such property", self.wrong("azapi_resource", wrong)[0])
        self.assertIn(
            "is not known here", self.wrong("azapi_resource", right | {"type": "A/b@1"})[0]
        )

    def test_a_body_whose_shape_goes_by_the_name(self):
        kind = "Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01"
        given = {"type": kind, "name": "scm", "body": {"properties": {"allow": False}}}
        self.assertEqual(self.wrong("azapi_update_resource", given), [])
        self.assertNotEqual(self.wrong("azapi_update_resource", given | {"name": "ssh"}), [])

    def test_secrets(self):
        for value in (
            plugin.HOST_KEY,
            "AccountName=x;AccountKey=;",
            "https://x/?code=1",
            "Server=x;Password=1",
        ):
            self.assertIn("holds a secret", self.wrong("azurerm_x", {"note": value})[0])
        self.assertEqual(self.wrong("azurerm_x", {"note": "InstrumentationKey=1"}), [])

    def test_what_is_destroyed_is_not_looked_at(self):
        self.assertEqual(plans.look(plan("azurerm_x", None)).resources, 0)


if __name__ == "__main__":
    unittest.main()
