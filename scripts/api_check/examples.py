"""How many requests schemathesis has made of each operation, read from its report."""

import collections
import json

EXAMPLES_MIN = 50


def summary(report, document):
    """Prints a line for each operation; whether each was asked often enough."""
    counts = collections.defaultdict(collections.Counter)
    with open(report, encoding="utf-8") as lines:
        for line in lines:
            for kind, event in json.loads(line).items():
                if kind == "ScenarioFinished":
                    count(event["recorder"], counts)
    operations = [
        f"{method.upper()} {path}"
        for path, item in json.loads(document)["paths"].items()
        for method in item
    ]
    few = [label for label in operations if counts[label].total() < EXAMPLES_MIN]
    print(f"\n{'requests':>9} {'2xx':>5} {'3xx':>5} {'4xx':>5} {'5xx':>5}  operation")
    for label in operations:
        classes = "".join(f"{counts[label][kind]:>6}" for kind in "2345")
        print(f"{counts[label].total():>9}{classes}  {label}{'  TOO FEW' if label in few else ''}")
    every = sum(count.total() for count in counts.values())
    print(f"{every:>9}  in all, of {len(operations)} operations")
    return not few


def count(recorder, counts):
    """Adds the answers of a scenario, by operation and by the status's first digit."""
    for name, interaction in recorder.get("interactions", {}).items():
        case, response = recorder["cases"][name]["value"], interaction["response"]
        if response is not None:
            label = f"{case['method'].upper()} {case['path']}"
            counts[label][str(response["status_code"])[0]] += 1
