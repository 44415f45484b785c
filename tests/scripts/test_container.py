"""What scripts/container-check understands of a Dockerfile and a .dockerignore."""

import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import container_file  # noqa: E402


class Dockerfile(unittest.TestCase):
    def test_stages_and_their_instructions(self):
        text = """
ARG BASE=debian:12
# FROM nothing AS comment
FROM ${BASE} AS one
RUN a \\
    # between
    && b
FROM scratch AS two
copy --from=one --chown=1:1 /x /y
"""
        one, two = container_file.stages(text)
        self.assertEqual((one.name, one.base, one.instructions), ("one", "debian:12", [("RUN", "a && b")]))
        self.assertEqual(two.instructions, [("COPY", "--from=one --chown=1:1 /x /y")])
        self.assertEqual(container_file.options_of(two.instructions[0][1]),
                         ({"from": "one", "chown": "1:1"}, ["/x", "/y"]))
        self.assertEqual(container_file.pairs('A=1 B="two words"'), {"A": "1", "B": "two words"})

    def test_an_option_that_is_not_known_is_refused(self):
        with self.assertRaises(SystemExit):
            container_file.options_of("--chmod=755 a b")


class Dockerignore(unittest.TestCase):
    def let_through(self, rules, *paths):
        rules = container_file.ignore_rules(rules)
        return [path for path in paths if container_file.is_let_through(pathlib.Path(path), rules)]

    def test_the_last_rule_decides(self):
        rules = "*\n!handler\n!scripts/package\nhandler/docs\n# note\n**/*.md\n"
        paths = ["handler/src/a.rs", "handler/docs/a.txt", "handler/README.md", "README.md", "x.tfstate",
                 "scripts/package", "scripts/package_zip.py", "terraform/main.tf"]
        self.assertEqual(self.let_through(rules, *paths), ["handler/src/a.rs", "scripts/package"])

    def test_no_secret_state_or_data_gets_out_of_this_machine(self):
        """Files as somebody has them lying about."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / ".dockerignore").write_text((ROOT / ".dockerignore").read_text())
            private = ["terraform/terraform.tfstate", "terraform/terraform.tfvars", "firebase.json",
                       "local.settings.json", ".vitrine/catalogue.db", "data/amazon_products.csv",
                       ".env", ".git/config", "target/release/handler", ".github/workflows/ci.yml"]
            for name in [*private, "handler/src/main.rs"]:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).touch()
            self.assertEqual(container_file.context(root), ["handler/src/main.rs"])

    def test_everything_that_the_build_reads_gets_in(self):
        files = container_file.context(ROOT)
        for needed in ["Cargo.lock", "Cargo.toml", ".cargo/config.toml", "host.json", "scripts/package",
                       "scripts/package_build", "scripts/container-health", "handler/src/main.rs",
                       "handler/sample/amazon_products.csv", "functions/Home/function.json"]:
            self.assertIn(needed, files)


if __name__ == "__main__":
    unittest.main()
