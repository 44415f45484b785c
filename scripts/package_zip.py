#!/usr/bin/env python3
"""Packs a folder into a zip of which the same files give the same bytes, and unpacks one.

    package_zip.py pack FOLDER ZIP
    package_zip.py unpack ZIP FOLDER
    package_zip.py functions ZIP        which ones are in there

Names are sorted, times are the first that a zip knows, modes are 755 or 644, and the folders have
no entries of their own: nothing in it tells of the machine or the hour. Unpacking keeps modes,
which `zipfile` alone does not.
"""

import pathlib
import stat
import sys
import zipfile

# The first moment that the format knows.
TIME = (1980, 1, 1, 0, 0, 0)
UNIX = 3


def entry(folder, path):
    if path.is_symlink() or not path.is_file():
        sys.exit(f"package_zip.py: {path} is neither a file nor a folder")
    is_executable = path.stat().st_mode & stat.S_IXUSR
    info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), TIME)
    info.create_system = UNIX
    info.external_attr = (stat.S_IFREG | (0o755 if is_executable else 0o644)) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def pack(folder, target):
    folder = pathlib.Path(folder)
    paths = sorted((p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()),
                   key=lambda path: path.relative_to(folder).as_posix())
    if not paths:
        sys.exit(f"package_zip.py: there is nothing in {folder}")
    with zipfile.ZipFile(target, "w") as package:
        for path in paths:
            package.writestr(entry(folder, path), path.read_bytes(), compresslevel=9)


def unpack(source, folder):
    folder = pathlib.Path(folder)
    with zipfile.ZipFile(source) as package:
        for info in package.infolist():
            unpacked = pathlib.Path(package.extract(info, folder))
            mode = (info.external_attr >> 16) & 0o777
            if mode and not info.is_dir():
                unpacked.chmod(mode)


def functions(source):
    with zipfile.ZipFile(source) as package:
        paths = [pathlib.PurePosixPath(name) for name in package.namelist()]
    return sorted(p.parts[0] for p in paths if len(p.parts) == 2 and p.name == "function.json")


def main():
    match sys.argv[1:]:
        case ["pack", folder, target]:
            pack(folder, target)
        case ["unpack", source, folder]:
            unpack(source, folder)
        case ["functions", source]:
            print(*functions(source), sep="\n")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
