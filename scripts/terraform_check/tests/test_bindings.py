"""The schema that is read out of bindings."""

import io
import tarfile
import tempfile
import unittest
import zipfile
from pathlib import Path

from terraform_check import bindings

MODULE = """
function thingPartToHclTerraform(struct) {
    const attrs = {
        size: {
            value: cdktn.numberToHclTerraform(struct.size),
            isBlock: false,
            type: "simple",
            storageClassType: "number",
        },
    };
}
class ThingPartOutputReference extends cdktn.ComplexObject {
    // size - computed: false, optional: false, required: true
    get size() {
        return this.getNumberAttribute('size');
    }
    // state - computed: true, optional: false, required: false
    get state() {
        return this.getStringAttribute('state');
    }
}
class ThingPartList extends cdktn.ComplexList {
}
class ThingTimeoutsOutputReference extends cdktn.ComplexObject {
    // create - computed: false, optional: true, required: false
    get create() {
        return this.getStringAttribute('create');
    }
}
class Thing extends cdktn.TerraformResource {
    static tfResourceType = "cloud_thing";
    // hosts - computed: true, optional: false, required: false
    _hosts = new ThingHostsList(this, "hosts", true);
    // name - computed: false, optional: false, required: true
    get name() {
        return this.getStringAttribute('name');
    }
    // labels - computed: false, optional: true, required: false
    get labels() {
        return cdktn.Fn.tolist(this.getListAttribute('labels'));
    }
    // password_wo - computed: false, optional: true, required: false
    get passwordWo() {
        return this.getStringAttribute('password_wo');
    }
    // tags - computed: false, optional: true, required: false
    get tags() {
        return this.getStringMapAttribute('tags');
    }
    // part - computed: false, optional: false, required: true
    _part = new ThingPartOutputReference(this, "part");
    // parts - computed: false, optional: true, required: false
    _parts = new ThingPartList(this, "parts", true);
    // timeouts - computed: false, optional: true, required: false
    _timeouts = new ThingTimeoutsOutputReference(this, "timeouts");
    synthesizeHclAttributes() {
        const attrs = {
            name: {
                value: cdktn.stringToHclTerraform(this._name),
                isBlock: false,
                type: "simple",
                storageClassType: "string",
            },
            labels: {
                value: cdktn.listMapperHcl(cdktn.stringToHclTerraform, false)(this._labels),
                isBlock: false,
                type: "set",
                storageClassType: "stringList",
            },
            tags: {
                value: cdktn.hashMapperHcl(cdktn.stringToHclTerraform)(this._tags),
                isBlock: false,
                type: "map",
                storageClassType: "stringMap",
            },
            part: {
                value: thingPartToHclTerraform(this._part.internalValue),
                isBlock: true,
                type: "list",
                storageClassType: "ThingPartList",
            },
            parts: {
                value: cdktn.listMapperHcl(thingPartToHclTerraform, true)(this._parts.internalValue),
                isBlock: true,
                type: "set",
                storageClassType: "ThingPartList",
            },
            timeouts: {
                value: thingTimeoutsToHclTerraform(this._timeouts.internalValue),
                isBlock: true,
                type: "struct",
                storageClassType: "ThingTimeouts",
            },
        };
    }
}
class ThingHostsOutputReference extends cdktn.ComplexObject {
    // port - computed: true, optional: false, required: false
    get port() {
        return this.getNumberAttribute('port');
    }
}
//# sourceMappingURL=data:application/json;base64,class Other extends cdktn.TerraformResource {
"""

PROVIDER = """
function cloudProviderFeaturesToHclTerraform(struct) {
    const attrs = {
        purge: {
            value: cdktn.booleanToHclTerraform(struct.purge),
            isBlock: false,
            type: "simple",
            storageClassType: "boolean",
        },
    };
}
class CloudProvider extends cdktn.TerraformProvider {
    static tfResourceType = "cloud";
    synthesizeHclAttributes() {
        const attrs = {
            features: {
                value: cdktn.listMapperHcl(cloudProviderFeaturesToHclTerraform, true)(this._features),
                isBlock: true,
                type: "list",
                storageClassType: "CloudProviderFeaturesList",
            },
        };
    }
}
"""


def schema(source=MODULE):
    return bindings.schema_of(bindings.read_module(source))["block"]


class OneModule(unittest.TestCase):
    def test_arguments_have_their_types_and_flags(self):
        attributes = schema()["attributes"]
        self.assertEqual(attributes["name"], {"type": "string", "required": True})
        self.assertEqual(attributes["labels"], {"type": ["set", "string"], "optional": True})
        self.assertEqual(attributes["tags"], {"type": ["map", "string"], "optional": True})

    def test_what_no_state_holds_is_known_by_its_name(self):
        self.assertTrue(schema()["attributes"]["password_wo"]["write_only"])
        self.assertNotIn("write_only", schema()["attributes"]["name"])

    def test_what_is_only_told_is_an_attribute_and_no_block(self):
        hosts = schema()["attributes"]["hosts"]
        self.assertEqual(hosts["type"], ["set", ["object", {"port": "number"}]])
        self.assertEqual(hosts["computed"], True)

    def test_blocks_know_how_often_they_may_be_there(self):
        blocks = schema()["block_types"]
        self.assertEqual(blocks["part"]["nesting_mode"], "list")
        self.assertEqual((blocks["part"]["min_items"], blocks["part"]["max_items"]), (1, 1))
        self.assertEqual(blocks["parts"]["nesting_mode"], "set")
        self.assertNotIn("max_items", blocks["parts"])
        self.assertEqual(blocks["timeouts"]["nesting_mode"], "single")

    def test_blocks_have_arguments_of_their_own(self):
        part = schema()["block_types"]["part"]["block"]["attributes"]
        self.assertEqual(part["size"], {"type": "number", "required": True})
        self.assertEqual(part["state"], {"type": "string", "computed": True})

    def test_what_stands_behind_the_source_is_not_read(self):
        self.assertNotIn("Other", bindings.read_module(MODULE).members)

    def test_a_provider_is_read_by_its_mapper(self):
        features = schema(PROVIDER)["block_types"]["features"]
        self.assertEqual(
            features["block"]["attributes"]["purge"], {"type": "bool", "optional": True}
        )

    def test_a_file_without_a_resource_has_no_schema(self):
        self.assertIsNone(bindings.schema_of(bindings.read_module("class X extends cdktn.Y {\n}")))

    def test_a_resource_that_does_not_tell_its_type_is_an_error(self):
        with self.assertRaises(bindings.BindingsError):
            bindings.read_module(MODULE.replace("static tfResourceType", "static type"))


class Wheel(unittest.TestCase):
    def wheel(self, folder, files, metadata="The provider version 1.2.3 is bound.\n"):
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            for name, text in files.items():
                entry = tarfile.TarInfo(f"package/lib/{name}/index.js")
                entry.size = len(text.encode())
                tar.addfile(entry, io.BytesIO(text.encode()))
        path = Path(folder) / "x.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("x.dist-info/METADATA", metadata)
            wheel.writestr("x/_jsii/x.jsii.tgz", archive.getvalue())
        return path

    def test_all_of_it_is_read(self):
        with tempfile.TemporaryDirectory() as folder:
            made = bindings.read_wheel(
                self.wheel(folder, {"thing": MODULE, "provider": PROVIDER}), workers=1
            )
        self.assertEqual(made["provider_version"], "1.2.3")
        self.assertEqual(list(made["resource_schemas"]), ["cloud_thing"])
        self.assertIn("features", made["provider"]["block"]["block_types"])

    def test_a_wheel_without_a_provider_or_a_version_is_an_error(self):
        with tempfile.TemporaryDirectory() as folder:
            for files, metadata in (({"thing": MODULE}, "provider version 1.2.3"), ({}, "")):
                with self.assertRaises(bindings.BindingsError):
                    bindings.read_wheel(self.wheel(folder, files, metadata), workers=1)


if __name__ == "__main__":
    unittest.main()
