
// Charts as plain drawings: time goes to the right, the newest at the edge. What they show can be
// read as a table as well.

/** How far back a chart reaches: the shortest that holds all there is, in milliseconds. */
const SPANS = [
  { ms: 60_000, words: "the last minute", marks: ["1 min ago", "30 s"] },
  { ms: 120_000, words: "the last two minutes", marks: ["2 min ago", "1 min"] },
  { ms: 300_000, words: "the last five minutes", marks: ["5 min ago", "2½ min"] },
];
const LEFT = 42;
const BOTTOM = 20;
const TOP = 8;
const TABLE_ROWS = 12;
const KINDS = ["one", "two", "three"];
const CLOCK = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/**
 * A chart of some lines, or of shares that lie upon each other where it is `stacked`.
 * `format` makes a text of a value, `highest` is the least that the upper edge stands for.
 */
class Chart {
  #drawn = s("svg", { role: "img" });
  #legend = h("ul", { class: "legend" });
  #table = h("table");
  #details = h("details", {}, h("summary", {}, "As a table"), h("div", { class: "wide", role: "region", tabindex: "0" }, this.#table));
  #lines = [];
  #span = SPANS[0];

  constructor({ title, names, format, highest, stacked = false, about = "" }) {
    Object.assign(this, { title, names, format, highest, stacked });
    this.element = h("figure", { class: "chart" }, h("figcaption", {}, h("span", {}, title), this.#legend), this.#drawn, about && h("p", { class: "seen-by-readers" }, about), this.#details);
    this.#details.lastChild.setAttribute("aria-label", `${title}, as a table`);
    this.#details.addEventListener("toggle", () => this.#tabulate());
    new ResizeObserver(() => this.#draw()).observe(this.#drawn);
  }

  /** Shows lines of `{at, value}`, one for each name. */
  show(lines) {
    const end = lines[0].at(-1)?.at ?? 0;
    const oldest = end - SPANS.at(-1).ms;
    // While nobody looked, time went on.
    this.#lines = lines.map((line) => line.filter(({ at }) => at >= oldest));
    const age = end - (this.#lines[0][0]?.at ?? end);
    this.#span = SPANS.find(({ ms }) => age <= ms) ?? SPANS.at(-1);
    const last = lines.map((line) => line.at(-1)?.value ?? null);
    this.#legend.replaceChildren(...this.names.map((name, i) => h("li", {}, h("i", { class: KINDS[i] }), h("span", {}, `${name} `, h("b", {}, last[i] === null ? "–" : this.format(last[i]))))));
    const words = this.names.map((name, i) => `${name} ${last[i] === null ? "unknown" : this.format(last[i])}`);
    this.#drawn.setAttribute("aria-label", `${this.title} over ${this.#span.words}. Now: ${words.join(", ")}.`);
    this.#draw();
    this.#tabulate();
  }

  #draw() {
    const { width, height } = this.#drawn.getBoundingClientRect();
    if (width < 80 || this.#lines.length === 0) return;
    const values = this.#lines.flat().map(({ value }) => value ?? 0);
    const top = this.stacked ? 1 : ceiling(Math.max(this.highest, ...values));
    const end = this.#lines[0].at(-1)?.at ?? Date.now();
    const place = {
      x: (at) => LEFT + (width - LEFT) * (1 - (end - at) / this.#span.ms),
      y: (value) => TOP + (height - TOP - BOTTOM) * (1 - value / top),
    };
    this.#drawn.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#drawn.replaceChildren(...this.#rules(place, top, width, height), ...(this.stacked ? this.#areas(place) : this.#strokes(place)));
  }

  #rules({ y }, top, width, height) {
    const marks = [0, top / 2, top].map((value) => [
      s("line", { class: "rule", x1: LEFT, x2: width, y1: y(value), y2: y(value) }),
      s("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, this.format(value)),
    ]);
    const [beginning, middle] = this.#span.marks;
    const times = [[LEFT, "start", beginning], [LEFT + (width - LEFT) / 2, "middle", middle], [width, "end", "now"]];
    return [...marks.flat(), ...times.map(([x, anchor, text]) => s("text", { x, y: height - 4, "text-anchor": anchor }, text))];
  }

  #strokes({ x, y }) {
    return this.#lines.flatMap((line, i) => pieces(line).map((piece) => {
      const [first] = piece;
      if (piece.length === 1) return s("circle", { class: `point ${KINDS[i]}`, cx: x(first.at), cy: y(first.value), r: 2 });
      return s("path", { class: `line ${KINDS[i]}`, d: `M${piece.map(({ at, value }) => `${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("L")}` });
    }));
  }

  /** Each line's ground is the sum of those before it. */
  #areas({ x, y }) {
    const ground = this.#lines[0].map(() => 0);
    return this.#lines.flatMap((line, i) => {
      const bands = line.map(({ at, value }, j) => {
        const low = ground[j];
        ground[j] += value ?? 0;
        return { at, value: value === null ? null : ground[j], low };
      });
      return pieces(bands).filter((piece) => piece.length > 1).map((piece) => {
        const upper = piece.map(({ at, value }) => `${x(at).toFixed(1)} ${y(value).toFixed(1)}`);
        const lower = piece.map(({ at, low }) => `${x(at).toFixed(1)} ${y(low).toFixed(1)}`).reverse();
        return s("path", { class: `area ${KINDS[i]}`, d: `M${[...upper, ...lower].join("L")}Z` });
      });
    });
  }

  #tabulate() {
    if (!this.#details.open) return;
    const rows = (this.#lines[0] ?? []).map(({ at }, j) => [at, ...this.#lines.map((line) => line[j]?.value ?? null)]).slice(-TABLE_ROWS).reverse();
    this.#table.replaceChildren(
      h("thead", {}, h("tr", {}, ...["Time", ...this.names].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...rows.map(([at, ...values]) => h("tr", {}, h("th", { scope: "row" }, CLOCK.format(at)), ...values.map((value) => h("td", {}, value === null ? "–" : this.format(value)))))),
    );
  }
}

/** A line in pieces, parted where nothing is known. */
function pieces(line) {
  const parts = [[]];
  for (const point of line) {
    if (point.value === null) parts.push([]);
    else parts.at(-1).push(point);
  }
  return parts.filter((part) => part.length > 0);
}

/** The next of 1, 2, 5, 10, 20… that is not below. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}

/** From p50 to p99 on a scale of powers of ten. */
function spanBar(p50, p99) {
  const place = (us) => Math.min(100, Math.max(0, (Math.log10(Math.max(us, 1)) - 2) * 20));
  const [from, to] = [place(p50), place(p99)];
  return s("svg", { class: "span", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" }, s("rect", { class: "ground", y: 3, width: 100, height: 2 }), s("rect", { class: "bar", x: from, width: Math.max(2, to - from), height: 8 }));
}
