"""The table of what is left as it is."""

import unittest

from terraform_check import checkov

ROW = "| `CKV_AZURE_1` | `azurerm_a`, `azurerm_b` | costs more than it is worth here |\n"


class Table(unittest.TestCase):
    def test_rows_are_read(self):
        rows = checkov.read_table("| check | on | why |\n|---|---|---|\n" + ROW)
        self.assertEqual(rows["CKV_AZURE_1"].resources, ["azurerm_a", "azurerm_b"])

    def test_no_table_twice_and_no_reason_are_errors(self):
        for text in ("", ROW + ROW, "| `CKV_AZURE_1` | `azurerm_a` | not needed |\n"):
            with self.assertRaises(checkov.TableError):
                checkov.read_table(text)

    def test_more_than_allowed_is_an_error(self):
        many = "".join(ROW.replace("AZURE_1", f"AZURE_{n}") for n in range(26))
        with self.assertRaises(checkov.TableError):
            checkov.read_table(many)
        self.assertEqual(len(checkov.read_table("".join(many.splitlines(True)[:25]))), 25)

    def test_findings_and_rows_are_held_together_both_ways(self):
        rows = checkov.read_table(ROW)
        both = {("CKV_AZURE_1", "azurerm_a"), ("CKV_AZURE_1", "azurerm_b")}
        self.assertEqual(checkov.compare(both, rows), [])
        self.assertEqual(
            checkov.compare(both | {("CKV_AZURE_2", "azurerm_a")}, rows),
            ["CKV_AZURE_2 fails on azurerm_a"],
        )
        self.assertEqual(
            checkov.compare({("CKV_AZURE_1", "azurerm_a"), ("CKV_AZURE_1", "azurerm_c")}, rows),
            ["CKV_AZURE_1 fails on azurerm_c", "CKV_AZURE_1 does not fail on azurerm_b"],
        )


if __name__ == "__main__":
    unittest.main()
