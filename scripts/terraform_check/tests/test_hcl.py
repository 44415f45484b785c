"""The text against the schema: each kind of mistake, and what is none."""

import tempfile
import unittest
from pathlib import Path

from terraform_check import hcl

BLOCK = {
    "attributes": {
        "id": {"type": "string", "computed": True},
        "name": {"type": "string", "required": True},
        "on": {"type": "bool", "optional": True},
        "days": {"type": "number", "optional": True},
        "hosts": {"type": ["set", "string"], "optional": True},
        "tags": {"type": ["map", "string"], "optional": True},
    },
    "block_types": {
        "part": {
            "nesting_mode": "list",
            "max_items": 1,
            "block": {
                "attributes": {"size": {"type": "number", "required": True}},
                "block_types": {},
            },
        }
    },
}
EMPTY = {"attributes": {}, "block_types": {}}
NEEDY = {"attributes": {}, "block_types": {"part": BLOCK["block_types"]["part"] | {"min_items": 1}}}
SCHEMAS = {
    "maker/azurerm": {
        "provider": {
            "block": {
                "attributes": {"key": {"type": "string", "optional": True}},
                "block_types": {},
            }
        },
        "resource_schemas": {"azurerm_thing": {"block": BLOCK}, "azurerm_needy": {"block": NEEDY}},
        "data_source_schemas": {"azurerm_client_config": {"block": EMPTY}},
        "ephemeral_resource_schemas": {"azurerm_key": {"block": EMPTY}},
    }
}


class Text(unittest.TestCase):
    def check(self, text):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "main.tf").write_text(text)
            return hcl.check(Path(folder), SCHEMAS)

    def finds(self, text, what):
        problems = self.check(text).problems
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(what, problems[0])

    def thing(self, more="", name='name = "a"'):
        return f'resource "azurerm_thing" "main" {{\n{name}\n{more}\n}}\n'

    def test_what_is_right_is_counted(self):
        report = self.check(
            'variable "v" {\n}\nlocals {\n l = var.v\n}\n'
            + self.thing(
                'count = 1\non = true\ndays = 3\nhosts = ["a"]\ntags = { a = "b" }\n'
                "part {\n size = local.l\n}\nlifecycle {\n prevent_destroy = true\n}"
            )
            + 'output "o" {\n value = "x-${azurerm_thing.main[0].id}"\n}\n'
        )
        self.assertEqual(report.problems, [])
        self.assertEqual((report.resources, report.arguments, report.references), (1, 6, 3))

    def test_a_type_that_there_is_not(self):
        self.finds('resource "azurerm_nothing" "x" {\n}\n', "there is no such type")
        self.finds('ephemeral "azurerm_nothing" "x" {\n}\n', "there is no such type")

    def test_an_argument_that_there_is_not(self):
        self.finds(self.thing("colour = 1"), "there is no argument or block colour")

    def test_a_block_that_there_is_not(self):
        self.finds(self.thing("colour {\n}"), "there is no argument or block colour")

    def test_an_argument_within_a_block(self):
        self.finds(
            self.thing("part {\n size = 1\n colour = 2\n}"), "main.part: there is no argument"
        )

    def test_an_argument_within_a_block_made_for_each(self):
        self.finds(
            self.thing(
                'dynamic "part" {\n for_each = [1]\n content {\n colour = 1\n size = 1\n }\n}'
            ),
            "main.part: there is no argument",
        )

    def test_a_block_made_for_each_that_there_is_not(self):
        self.finds(
            self.thing('dynamic "colour" {\n for_each = [1]\n content {\n }\n}'),
            "there is no block colour",
        )

    def test_a_required_argument_that_is_missing(self):
        self.finds(self.thing(name=""), "name is missing")
        self.finds(self.thing("part {\n}"), "size is missing")

    def test_a_required_block_that_is_missing(self):
        self.finds('resource "azurerm_needy" "x" {\n}\n', "the block part is missing")
        dynamic = 'dynamic "part" {\n for_each = [1]\n content {\n size = 1\n }\n}'
        self.assertEqual(
            self.check(f'resource "azurerm_needy" "x" {{\n{dynamic}\n}}\n').problems, []
        )

    def test_more_blocks_than_there_may_be(self):
        self.finds(self.thing("part {\n size = 1\n}\npart {\n size = 1\n}"), "1 times at most")

    def test_what_cannot_be_set(self):
        self.finds(self.thing('id = "mine"'), "cannot be set")

    def test_types_of_what_stands_there_in_full(self):
        for text in ('on = "off"', 'days = "many"', 'hosts = "a"', "tags = [1]", "name = []"):
            problems = self.check(
                self.thing(text, name="" if "name" in text else 'name = "a"')
            ).problems
            self.assertEqual(len(problems), 1, (text, problems))
            self.assertIn("wants", problems[0])
        for text in ('on = "true"', 'days = "7"', "on = null", "days = -1"):
            self.assertEqual(self.check(self.thing(text)).problems, [], text)

    def test_a_block_written_as_an_argument_and_the_other_way_round(self):
        self.finds(self.thing("part = { size = 1 }"), "part is a block, not an argument")
        self.finds(self.thing("tags {\n}"), "tags is an argument, not a block")

    def test_references_to_what_is_not_there(self):
        self.finds(self.thing("days = var.v"), "var.v is not declared")
        self.finds(self.thing("days = local.l"), "local.l is not declared")
        self.finds(
            self.thing("days = azurerm_thing.other.days"), "azurerm_thing.other is not declared"
        )
        self.finds(self.thing("days = azurerm_thing.main.weeks"), "has no weeks")
        self.finds(self.thing('name = "${azurerm_thing.main.weeks}"', name=""), "has no weeks")
        self.finds(
            self.thing("days = data.azurerm_client_config.x.id"),
            "data.azurerm_client_config.x is not",
        )

    def test_text_that_looks_like_a_reference_is_none(self):
        self.assertEqual(
            self.check(self.thing('days = length("azurerm_thing.other.x") # var.v')).problems, []
        )

    def test_only_what_is_used_is_kept_of_a_schema(self):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "main.tf").write_text(self.thing())
            kept = hcl.only_used(Path(folder), SCHEMAS)["maker/azurerm"]
        self.assertEqual(list(kept["resource_schemas"]), ["azurerm_thing"])
        self.assertEqual(kept["ephemeral_resource_schemas"], {})
        self.assertEqual(kept["provider"], SCHEMAS["maker/azurerm"]["provider"])

    def test_providers_are_looked_at_too(self):
        self.assertEqual(
            self.check('provider "azurerm" {\n alias = "a"\n key = "x"\n}\n').problems, []
        )
        self.finds('provider "azurerm" {\n kee = "x"\n}\n', "there is no argument or block kee")
        self.finds('provider "other" {\n}\n', "there is no such provider")


if __name__ == "__main__":
    unittest.main()
