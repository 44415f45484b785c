"""What Terraform tells the app, and what the app knows."""

import json
import tempfile
import unittest
from pathlib import Path

from terraform_check import agreement


def change(address, after):
    kind = address.split(".")[0]
    return {"address": address, "type": kind, "change": {"after": after}}


def plan(setting="SQL_SERVER", column="asin", container="imports", queue="imports"):
    body = {
        "properties": {
            "siteConfig": {
                "appSettings": [
                    {"name": setting, "value": "x"},
                    {"name": "AzureWebJobs.ImportQueue.Disabled", "value": "true"},
                    {"name": "IMPORT_STORAGE__credential", "value": "managedidentity"},
                ]
            }
        }
    }
    copy = {
        "type": "Copy",
        "typeProperties": {"translator": {"mappings": [{"sink": {"name": column}}]}},
    }
    return {
        "run": {
            "resource_changes": [
                change("azapi_resource.function_app", {"body": body}),
                change(
                    "azurerm_data_factory_pipeline.products[0]",
                    {"activities_json": json.dumps([copy])},
                ),
                change("azurerm_storage_container.imports", {"name": container}),
                change("azurerm_storage_queue.imports", {"name": queue}),
            ]
        }
    }


class Agreement(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for path, text in {
            "handler/src/settings.rs": 'const SERVER: &str = "SQL_SERVER";',
            "handler/src/settings/people.rs": '"ADMIN_EMAILS"',
            "handler/migrations/sqlserver/1.sql": (
                "CREATE TABLE amazon.import_stage (\n    asin  VARCHAR(20) NOT NULL\n"
                "          CONSTRAINT pk PRIMARY KEY\n);"
            ),
            "functions/ImportBlob/function.json": '{"bindings": [{"path": "imports/{name}"}]}',
            "functions/ImportQueue/function.json": '{"bindings": [{"queueName": "imports"}]}',
            "terraform/event_grid.tf": "functionName=Host.Functions.ImportBlob&code=",
        }.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)

    def problems(self, **planned):
        return agreement.problems(plan(**planned), self.root)

    def test_what_agrees(self):
        self.assertEqual(self.problems(), [])
        self.assertEqual(self.problems(setting="ADMIN_EMAILS"), [])

    def test_a_setting_that_nobody_knows(self):
        self.assertEqual(
            self.problems(setting="SQL_SERVR"), ["the handler knows no setting SQL_SERVR"]
        )

    def test_a_function_that_is_not_there(self):
        (self.root / "terraform/event_grid.tf").write_text("Host.Functions.ImportBlobs")
        self.assertEqual(self.problems(), ["there is no function ImportBlobs"])

    def test_a_container_or_queue_that_nobody_waits_at(self):
        self.assertIn("ImportBlob waits at imports", self.problems(container="uploads")[0])
        self.assertIn("ImportQueue waits at imports", self.problems(queue="uploads")[0])

    def test_a_column_that_the_stage_has_not(self):
        self.assertIn("the stage has ['asin']", self.problems(column="sku")[0])

    def test_no_pipeline_at_all(self):
        planned = plan()
        del planned["run"]["resource_changes"][1]
        self.assertEqual(agreement.problems(planned, self.root), ["no plan has a pipeline"])


if __name__ == "__main__":
    unittest.main()
