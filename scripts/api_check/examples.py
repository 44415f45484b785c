"""How many requests schemathesis has made of each operation, read from its report."""

import collections
import json

EXAMPLES_MIN = 50


def summary(report, document):
    """Prints a line for each operation; whether each was asked often enough."""
    counts = collections.Counter()
    with open(report, encoding="utf-8") as lines:
        for line in lines:
            for label in labels(json.loads(line)):
                counts[label] += 1
    document = json.loads(document)
    operations = [
        f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item
    ]
    few = [label for label in operations if counts[label] < EXAMPLES_MIN]
    print(f"\n{'requests':>9}  operation")
    for label in operations:
        print(f"{counts[label]:>9}  {label}{'  TOO FEW' if label in few else ''}")
    print(f"{sum(counts.values()):>9}  in all, of {len(operations)} operations")
    return not few
