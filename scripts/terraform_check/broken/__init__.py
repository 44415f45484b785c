"""The configuration broken on purpose, one promise at a time: whatever is meant to notice has to.

Each breakage is a replacement in a copy of one file. `checks` names who has to find it and by
which words: `hcl` is hcl.py, `validate` is Terraform's, `assert` the tests' own message, and
`plans` is plans.py.
"""

from dataclasses import dataclass, field


class BreakageError(Exception):
    """The text that was to be replaced is not there any more."""


@dataclass
class Breakage:
    """One promise broken."""

    file: str
    before: str
    after: str
    checks: dict = field(default_factory=dict)

    def apply(self, folder):
        path = folder / self.file
        text = path.read_text()
        if self.before not in text:
            raise BreakageError(f"{self.file} does not say {self.before!r} any more")
        path.write_text(text.replace(self.before, self.after, 1))
