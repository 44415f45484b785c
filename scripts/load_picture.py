"""What scripts/load has measured, as points over time and as an SVG."""

import math
from xml.sax.saxutils import escape

# At most so many points: a picture of five minutes is as wide as one of five seconds.
POINTS_MAX = 100
WIDTH, LEFT, RIGHT = 960, 70, 24
LATENCY = (96, 330)  # top and bottom of the plots
RATIO = (396, 520)
HEIGHT = 566

STYLE = """
:root { color-scheme: light dark }
svg { background: #fff; font: 13px system-ui, sans-serif }
text { fill: #1c1e21 } .faint { fill: #5a5f68 }
.grid { stroke: #d8d8d2 } .event { stroke: #8a4b00; stroke-dasharray: 4 4 } .event-name { fill: #8a4b00 }
.p50 { stroke: #0b5cad; fill: none } .p99 { stroke: #b3261e; fill: none } .ratio { stroke: #1a6b32; fill: none }
circle.p50 { fill: #0b5cad } circle.p99 { fill: #b3261e } circle.ratio { fill: #1a6b32 }
@media (prefers-color-scheme: dark) {
  svg { background: #16181c } text { fill: #e6e7ea } .faint { fill: #a3a9b5 }
  .grid { stroke: #363b45 } .event { stroke: #f0b260 } .event-name { fill: #f0b260 }
  .p50 { stroke: #7ab7ff } .p99 { stroke: #ff9088 } .ratio { stroke: #74d08c }
  circle.p50 { fill: #7ab7ff } circle.p99 { fill: #ff9088 } circle.ratio { fill: #74d08c }
}
"""


def share(ordered, part):
    """The value that this part of them does not exceed; none of none."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else None


def points(samples, counters, seconds):
    """One point for each step of time, at its end: latencies of the requests that ended in it, and
    the share of answers that were kept."""
    step = max(1, math.ceil(seconds / POINTS_MAX))
    made = []
    for begin in range(0, seconds, step):
        end = min(begin + step, seconds)
        ordered = sorted(ms for at, _, ms in samples if begin <= at < end)
        before = [c for c in counters if c["second"] <= begin + step / 2]
        after = [c for c in counters if c["second"] <= end + step / 2]
        made.append({
            "second": end, "requests": len(ordered),
            "p50_ms": share(ordered, 0.5), "p99_ms": share(ordered, 0.99),
            "hit_ratio": ratio(before[-1:], after[-1:]),
        })
    return made


def ratio(before, after):
    if not before or not after:
        return None
    hits = after[0]["hits"] - before[0]["hits"]
    misses = after[0]["misses"] - before[0]["misses"]
    return round(hits / (hits + misses), 4) if hits + misses else None


def drawn(record):
    """The picture: latencies on a logarithmic scale above, the hit ratio below."""
    seconds, data = record["seconds"], record["points"]
    known = [p[key] for p in data for key in ("p50_ms", "p99_ms") if p[key]]
    low = math.floor(math.log10(min(known, default=1)))
    high = max(low + 1, math.ceil(math.log10(max(known, default=10))))

    def x(second):
        return LEFT + (WIDTH - LEFT - RIGHT) * second / seconds

    def y_of_ms(ms):
        return scaled((math.log10(ms) - low) / (high - low), LATENCY)

    def y_of_ratio(value):
        return scaled(value, RATIO)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" aria-label="Latency and hit ratio over time">',
        f"<style>{STYLE}</style>",
        f'<text x="{LEFT}" y="30" font-size="18" font-weight="600">Vitrine under load</text>',
        f'<text x="{LEFT}" y="52" class="faint">{escape(record["summary"])}</text>',
    ]
    parts += head("Latency, ms", LATENCY, [("p50", "p50"), ("p99", "p99")])
    parts += [tick(y_of_ms(10**n), f"{10.0**n:g}", "latency") for n in range(low, high + 1)]
    parts += head("Hit ratio", RATIO, [])
    parts += [tick(y_of_ratio(n / 4), f"{n * 25} %", "ratio") for n in range(5)]
    for second in times(seconds):
        parts.append(f'<text x="{x(second):.1f}" y="{RATIO[1] + 20}" text-anchor="middle" class="faint">{second} s</text>')
    for number, event in enumerate(record["events"]):
        # Past the end: what was begun is waited for.
        at = x(min(event["second"], seconds))
        anchor = "end" if at > WIDTH / 2 else "start"
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{LATENCY[0]}" y2="{RATIO[1]}" class="event"/>')
        parts.append(f'<text x="{at + (-5 if anchor == "end" else 5):.1f}" y="{LATENCY[0] + 14 + 16 * (number % 2)}" text-anchor="{anchor}" class="event-name">{escape(event["what"])}</text>')
    for name, key, y in (("p50", "p50_ms", y_of_ms), ("p99", "p99_ms", y_of_ms), ("ratio", "hit_ratio", y_of_ratio)):
        shown = [(x(p["second"]), y(p[key])) for p in data if p[key] is not None and (p[key] or name == "ratio")]
        line = " ".join(f"{a:.2f},{b:.2f}" for a, b in shown)
        parts.append(f'<polyline points="{line}" class="{name}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.2f}" cy="{b:.2f}" r="2.5" class="{name}"/>' for a, b in shown]
    return "\n".join(parts) + "\n</svg>\n"


def scaled(part, plot):
    top, bottom = plot
    return bottom - (bottom - top) * part


def head(name, plot, legend):
    parts = [f'<text x="{LEFT}" y="{plot[0] - 12}" font-weight="600">{name}</text>']
    for number, (label, kind) in enumerate(legend):
        at = LEFT + 110 + 70 * number
        parts.append(f'<line x1="{at}" x2="{at + 22}" y1="{plot[0] - 16}" y2="{plot[0] - 16}" class="{kind}" stroke-width="2"/>')
        parts.append(f'<text x="{at + 28}" y="{plot[0] - 12}">{label}</text>')
    return parts


def tick(y, label, plot):
    return (
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.2f}" y2="{y:.2f}" class="grid"/>'
        f'<text x="{LEFT - 8}" y="{y + 4:.2f}" text-anchor="end" class="tick of-{plot} faint">{label}</text>'
    )


def times(seconds):
    """Up to seven moments with round distances."""
    step = next(s for s in (1, 2, 5, 10, 15, 30, 60) if seconds / s <= 7)
    return range(0, seconds + 1, step)
