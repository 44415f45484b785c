"""Bodies against the shapes of Azure's API."""

import unittest

from terraform_check import arm

STRING, NUMBER = {"$type": "StringType"}, {"$type": "IntegerType"}


def ref(number):
    return {"$ref": f"#/{number}"}


def field(number, flags=0):
    return {"type": ref(number), "flags": flags}


TYPES = [
    STRING,
    NUMBER,
    {"$type": "StringLiteralType", "value": "On"},
    {"$type": "StringLiteralType", "value": "Off"},
    {"$type": "UnionType", "elements": [ref(2), ref(3), ref(0)]},
    {"$type": "ArrayType", "itemType": ref(1)},
    {"$type": "ObjectType", "properties": {"kind": field(2, 1), "size": field(1, 1)}},
    {
        "$type": "DiscriminatedObjectType",
        "discriminator": "kind",
        "baseProperties": {"note": field(0)},
        "elements": {"On": ref(6)},
    },
    {"$type": "ObjectType", "properties": {}, "additionalProperties": ref(0)},
    {
        "$type": "ObjectType",
        "properties": {
            "state": field(4),
            "ports": field(5),
            "part": field(7),
            "tags": field(8),
            "told": field(0, 2),
            "must": field(0, 1),
            "again": field(9),
        },
    },
    {
        "$type": "ObjectType",
        "properties": {
            "id": field(0, 10),
            "name": field(0, 9),
            "location": field(0, 1),
            "properties": field(9, 1),
        },
    },
    {"$type": "ResourceType", "name": "Maker.Cloud/things@2024-01-01", "body": ref(10)},
]
SHAPE = arm.Types(TYPES).resource("maker.cloud/Things@2024-01-01")


class Shapes(unittest.TestCase):
    def wrong(self, **properties):
        return arm.problems({"properties": {"must": "x"} | properties}, SHAPE)

    def test_what_stands_beside_the_body_is_no_part_of_it(self):
        self.assertEqual(list(SHAPE["fields"]), ["properties"])
        self.assertEqual(SHAPE["required"], ["properties"])

    def test_what_fits(self):
        self.assertEqual(
            self.wrong(
                state="On", ports=[1], part={"kind": "On", "size": 2, "note": "x"}, tags={"a": "b"}
            ),
            [],
        )

    def test_what_does_not(self):
        for properties, what in (
            ({"colour": 1}, "colour: there is no such property"),
            ({"told": "x"}, "told: there is no such property"),
            ({"state": "Perhaps"}, "'Perhaps' is none of ['On', 'Off']"),
            ({"ports": 1}, "ports: a list wanted"),
            ({"ports": [True]}, "ports[0]: integer wanted"),
            ({"ports": ["1"]}, "ports[0]: integer wanted"),
            ({"part": {"kind": "Other", "size": 1}}, "'Other' is none of its kinds"),
            ({"part": {"kind": "On"}}, "part: size is missing"),
            ({"part": "x"}, "part: an object wanted"),
            ({"tags": {"a": 1}}, "tags.a: string wanted"),
            ({"must": None}, "must is missing"),
        ):
            problems = self.wrong(**properties)
            self.assertEqual(len(problems), 1, (properties, problems))
            self.assertIn(what, problems[0])

    def test_a_type_within_itself_ends(self):
        self.assertEqual(SHAPE["fields"]["properties"]["fields"]["again"], "any")

    def test_values_are_counted(self):
        self.assertEqual(arm.count({"a": [1, 2], "b": {"c": None}}), 3)


class Kept(unittest.TestCase):
    def test_the_shapes_that_are_kept_know_custom_handlers(self):
        site = arm.known_shapes()["Microsoft.Web/sites@2024-04-01"]["fields"]["properties"][
            "fields"
        ]
        self.assertIn(
            "custom", site["functionAppConfig"]["fields"]["runtime"]["fields"]["name"]["enum"]
        )

    def test_they_know_the_address_that_no_plan_shows(self):
        kept = arm.known_shapes()["Microsoft.EventGrid/systemTopics/eventSubscriptions@2022-06-15"]
        destination = kept["fields"]["properties"]["fields"]["destination"]
        hook = destination["cases"]["WebHook"]["fields"]["properties"]["fields"]
        self.assertEqual(hook["endpointUrl"], "string")


if __name__ == "__main__":
    unittest.main()
