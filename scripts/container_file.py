"""A Dockerfile's stages and a .dockerignore's files, as far as ours use the two languages.

What is not known is refused and never passed over: a check that overlooks a step checks less than
it says.
"""

import dataclasses
import os
import pathlib
import re
import shlex
import sys


def fail(why):
    sys.exit(f"scripts/container-check: {why}")


@dataclasses.dataclass
class Stage:
    name: str
    base: str
    # Each a word and what stands behind it.
    instructions: list


def stages(text):
    """The stages of a Dockerfile, in their order."""
    found, defaults = [], {}
    for word, rest in instructions(text):
        if word == "ARG" and not found:
            name, _, value = rest.partition("=")
            defaults[name] = value
        elif word == "FROM":
            base, name = re.fullmatch(r"(\S+) AS (\S+)", rest).groups()
            base = re.sub(r"\$\{(\w+)\}", lambda match: defaults[match[1]], base)
            found.append(Stage(name, base, []))
        else:
            found[-1].instructions.append((word, rest))
    return found


def instructions(text):
    """Each instruction's word and the rest, lines that go on joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word.upper(), re.sub(r"\s+", " ", rest.strip())


def options_of(rest):
    """`--from=build a b` as {"from": "build"} and ["a", "b"]."""
    words = shlex.split(rest)
    options = {}
    while words[0].startswith("--"):
        name, _, value = words.pop(0)[2:].partition("=")
        if name not in ("from", "chown"):
            fail(f"COPY --{name} is not known here")
        options[name] = value
    return options, words


def pairs(rest):
    """What ENV sets."""
    return dict(word.split("=", 1) for word in shlex.split(rest))


def context(root):
    """The files that a build gets, by their paths below the root."""
    rules = ignore_rules((pathlib.Path(root) / ".dockerignore").read_text())
    found = []
    for folder, folders, files in os.walk(root):
        # Nothing of these is ever let through, and they are large.
        folders[:] = [name for name in folders if name not in (".git", "target", "node_modules")]
        below = pathlib.Path(folder).relative_to(root)
        found += [str(below / name) for name in files if is_let_through(below / name, rules)]
    return sorted(found)


def ignore_rules(text):
    """Whether each line lets through, and what it is about."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    return [(line.startswith("!"), pattern(line.removeprefix("!").strip("/"))) for line in lines]


def pattern(text):
    parts = [{"**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part))
             for part in re.findall(r"\*\*|\*|\?|[^*?]+", text)]
    return re.compile("".join(parts).replace(".*/", "(?:.*/)?"))


def is_let_through(path, rules):
    """The last rule about a file, or about a folder that it is in, decides."""
    names = [str(path), *(str(parent) for parent in path.parents if str(parent) != ".")]
    through = True
    for lets_through, about in rules:
        if any(about.fullmatch(name) for name in names):
            through = lets_through
    return through
