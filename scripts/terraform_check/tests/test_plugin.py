"""The protocol, as far as it is spoken."""

import json
import unittest

import grpc

from terraform_check import plugin

SCHEMA = {
    "provider_version": "1.0.0",
    "provider": {"block": {"attributes": {}, "block_types": {}}},
    "resource_schemas": {
        "cloud_thing": {
            "block": {
                "attributes": {
                    "name": {"type": "string", "required": True},
                    "body": {"type": "dynamic", "optional": True, "write_only": True},
                },
                "block_types": {
                    "part": {
                        "nesting_mode": "list",
                        "min_items": 1,
                        "max_items": 1,
                        "block": {"attributes": {}, "block_types": {}},
                    }
                },
            }
        }
    },
    "data_source_schemas": {},
    "ephemeral_resource_schemas": {},
}


def first(data, number):
    return next(value for found, value in plugin.fields(data) if found == number)


class Encoding(unittest.TestCase):
    def test_numbers_take_seven_bits_a_byte(self):
        self.assertEqual(plugin.varint(0), b"\x00")
        self.assertEqual(plugin.varint(127), b"\x7f")
        self.assertEqual(plugin.varint(300), b"\xac\x02")

    def test_flags_that_are_off_are_left_out(self):
        self.assertEqual(plugin.scalar(4, None), b"")
        self.assertEqual(plugin.scalar(4, True), b"\x20\x01")

    def test_an_attribute_says_its_type_and_flags(self):
        data = plugin.attribute("name", {"type": ["list", "string"], "optional": True})
        self.assertEqual(data, b"\x0a\x04name" + b"\x12\x12" + b'["list", "string"]' + b"\x28\x01")

    def test_what_no_state_holds_is_said_so(self):
        data = plugin.attribute("body", {"type": "dynamic", "write_only": True})
        self.assertTrue(data.endswith(b"\x58\x01"))

    def test_messages_are_read_as_they_are_written(self):
        data = plugin.message(1, "a") + plugin.message(2, b"\x00" * 300)
        self.assertEqual(list(plugin.fields(data)), [(1, b"a"), (2, b"\x00" * 300)])

    def test_a_number_where_a_text_was_expected_is_an_error(self):
        with self.assertRaises(ValueError):
            list(plugin.fields(plugin.scalar(1, 7)))


class Ephemeral(unittest.TestCase):
    def request(self, config):
        return plugin.message(1, "cloud_key") + plugin.message(2, plugin.message(1, config))

    def test_the_configuration_comes_back_with_its_output(self):
        config = b"\x82\xa2id\xc0\xa6output\xc0"
        answer = first(first(plugin.opened(self.request(config)), 3), 1)
        self.assertTrue(answer.startswith(b"\x82\xa2id\xc0\xa6output\x92\xc4"))
        self.assertIn(plugin.HOST_KEY.encode(), answer)
        answer = first(first(plugin.opened(self.request(config), ""), 3), 1)
        self.assertTrue(answer.endswith(b"\x81\xafblobs_extension\xa0"))

    def test_one_without_an_output_is_an_error(self):
        with self.assertRaises(ValueError):
            plugin.opened(self.request(b"\x81\xa2id\xc0"))


class Serving(unittest.TestCase):
    def ask(self, address, method, request=b""):
        with grpc.insecure_channel(address) as channel:
            return channel.unary_unary(f"/tfplugin6.Provider/{method}")(request, timeout=10)

    def test_a_provider_tells_its_schema_and_plans_nothing(self):
        with plugin.serving({"maker/cloud": SCHEMA}) as reattach:
            ((name, told),) = json.loads(reattach).items()
            self.assertTrue(name.endswith("/maker/cloud"))
            self.assertEqual(told["ProtocolVersion"], 6)
            address = told["Addr"]["String"]
            self.assertTrue(address.startswith("127.0.0.1:"))
            answer = self.ask(address, "GetProviderSchema")
            self.assertEqual(first(first(answer, 2), 1), b"cloud_thing")
            self.assertEqual(self.ask(address, "ValidateResourceConfig"), b"")
            with self.assertRaises(grpc.RpcError) as refused:
                self.ask(address, "PlanResourceChange")
            self.assertEqual(refused.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        with self.assertRaises(grpc.RpcError):
            self.ask(address, "GetProviderSchema")


if __name__ == "__main__":
    unittest.main()
