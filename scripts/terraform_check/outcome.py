"""How a check ends, and what it prints."""

import time


class CheckError(Exception):
    """A check that failed, with its lines."""


def need(problems, what):
    """Ends the run if there are problems."""
    if problems:
        raise CheckError(f"{what}:\n" + "\n".join(f"  {line}" for line in problems))


class Step:
    """Prints what a step came to, and how long it took."""

    def __init__(self):
        self.began = time.monotonic()

    def done(self, text):
        print(f"{text} ({time.monotonic() - self.began:.1f} s)", flush=True)
        self.began = time.monotonic()
