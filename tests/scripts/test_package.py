"""scripts/package: the zip, and what is refused. That it runs is tests/it/package.rs."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def package(*options, **more):
    return subprocess.run([ROOT / "scripts/package", *options], text=True, capture_output=True,
                          check=False, **more)


class Package(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        # One that needs no library at all, whatever this machine has.
        self.binary = self.folder / "little"
        self.build(self.binary, "int main(void) { return 0; }", "-nostdlib", "-static", "-e", "main")

    def build(self, target, source, *options):
        subprocess.run(["cc", "-x", "c", "-", "-o", target, *options], input=source, text=True, check=True)

    def zipped(self, name, **more):
        zip_file = self.folder / name
        done = package("--binary", more.pop("binary", self.binary), "--zip", zip_file, "--no-check", **more)
        return zip_file, done

    def test_the_same_files_give_the_same_bytes(self):
        one, done = self.zipped("one.zip")
        self.assertEqual(done.returncode, 0, done.stderr)
        # Another hour, another mode, another place to work in.
        copy = self.folder / "copy"
        shutil.copy(self.binary, copy)
        copy.chmod(0o700)
        os.utime(copy, (1, 1))
        two, done = self.zipped("two.zip", binary=copy, cwd="/", env=os.environ | {"TZ": "Asia/Tokyo"},
                                umask=0o077)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(one.read_bytes(), two.read_bytes())
        with zipfile.ZipFile(one) as package_file:
            infos = package_file.infolist()
        names = [info.filename for info in infos]
        self.assertEqual(names, sorted(names))
        functions = sorted(f"{f.name}/function.json" for f in (ROOT / "functions").iterdir())
        self.assertEqual(sorted(names), sorted([*functions, "handler", "host.json"]))
        self.assertEqual({info.date_time for info in infos}, {(1980, 1, 1, 0, 0, 0)})
        modes = {info.filename: oct(info.external_attr >> 16) for info in infos}
        self.assertEqual(modes.pop("handler"), "0o100755")
        self.assertEqual(set(modes.values()), {"0o100644"})

    def test_modes_are_unpacked_too(self):
        zip_file, _ = self.zipped("one.zip")
        out = self.folder / "out"
        subprocess.run([ROOT / "scripts/package_zip.py", "unpack", zip_file, out], check=True)
        self.assertEqual((out / "handler").stat().st_mode & 0o777, 0o755)
        self.assertEqual((out / "host.json").stat().st_mode & 0o777, 0o644)

    def test_a_binary_that_azure_cannot_run_is_refused(self):
        # A symbol with a version of its own, as a newer glibc has it.
        versions = self.folder / "versions"
        versions.write_text("GLIBC_9.9 { global: from_the_future; };\n")
        library = self.folder / "libfuture.so"
        self.build(library, "int from_the_future(void) { return 0; }", "-shared", "-fPIC",
                   f"-Wl,--version-script={versions}")
        new = self.folder / "new"
        self.build(new, "int from_the_future(void); int main(void) { return from_the_future(); }",
                   "-L", str(self.folder), "-lfuture")
        zip_file, done = self.zipped("new.zip", binary=new)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("needs glibc 9.9, and Azure's oldest image has 2.31", done.stderr)
        self.assertFalse(zip_file.exists())

    def test_what_is_no_binary_is_refused(self):
        text = self.folder / "text"
        text.write_text("no program")
        for binary, why in ((text, "cannot be read by readelf"), (self.folder / "none", "no such file")):
            _, done = self.zipped("text.zip", binary=binary)
            self.assertNotEqual(done.returncode, 0, why)
            self.assertIn(why, done.stderr)

    def test_options_that_exclude_each_other_are_refused(self):
        done = package("--zip", "x.zip", self.folder / "folder")
        self.assertIn("a folder or a zip, not both", done.stderr)
        self.assertNotEqual(done.returncode, 0)

    def test_a_link_is_not_packed(self):
        source = self.folder / "source"
        source.mkdir()
        (source / "link").symlink_to("/etc/passwd")
        done = subprocess.run([ROOT / "scripts/package_zip.py", "pack", source, self.folder / "x.zip"],
                              text=True, capture_output=True, check=False)
        self.assertIn("neither a file nor a folder", done.stderr)
        self.assertNotEqual(done.returncode, 0)


class Build(unittest.TestCase):
    """scripts/package_build, where its tools cannot be had."""

    def test_without_the_registry_it_says_so_and_ends(self):
        with tempfile.TemporaryDirectory() as folder:
            env = os.environ | {"CARGO_TARGET_DIR": folder, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
            done = subprocess.run([ROOT / "scripts/package_build"], text=True, capture_output=True,
                                  env=env, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout, "")
        self.assertIn("cannot be had from the Python registry", done.stderr.splitlines()[-1])


if __name__ == "__main__":
    unittest.main()
