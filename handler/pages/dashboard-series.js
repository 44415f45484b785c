
// What happened between two looks at /stats. Its numbers only ever grow, for as long as an
// instance lives, so what counts is the difference; nothing here touches the page.

/** Looks that are kept: five minutes of them, one each two seconds. */
const STEPS_KEPT = 150;
/** What instances tell of themselves comes every five seconds: rates are of a little more. */
const RATE_OVER_S = 6;
/** What an instance says of itself may be so old. */
const WORD_AGE_MAX_S = 15;
/** What a route's quantiles are of. */
const QUANTILES_OVER_S = 60;
const LAYERS = ["hits", "shared_hits", "misses"];

/** How much more each number of `now` is than in `before`, however deep; a number that was not
 *  there before counts whole. Null if one is less. */
function grown(now, before) {
  if (typeof now === "number") {
    const more = now - (typeof before === "number" ? before : 0);
    return more < 0 ? null : more;
  }
  if (Array.isArray(now)) return all(now.map((value, i) => grown(value, before?.[i])));
  if (now && typeof now === "object") {
    const entries = Object.entries(now).map(([name, value]) => [name, grown(value, before?.[name])]);
    return entries.some(([, value]) => value === null) ? null : Object.fromEntries(entries);
  }
  return now;
}

function all(values) {
  return values.includes(null) ? null : values;
}

/** The sum of two of the same shape. */
function summed(a, b) {
  if (typeof a === "number" || typeof b === "number") return (Number(a) || 0) + (Number(b) || 0);
  if (Array.isArray(a) || Array.isArray(b)) {
    const [x, y] = [a ?? [], b ?? []];
    return Array.from({ length: Math.max(x.length, y.length) }, (_, i) => summed(x[i], y[i]));
  }
  if (a && b && typeof a === "object") {
    const names = new Set([...Object.keys(a), ...Object.keys(b)]);
    return Object.fromEntries([...names].map((name) => [name, summed(a[name], b[name])]));
  }
  return a ?? b;
}

/** Counts with their lists by name, so that they can be compared. */
function named(counts = {}) {
  const requests = Object.fromEntries((counts.requests ?? []).map(({ route, method, answers, latency }) => [`${method} ${route}`, { answers: answers ?? {}, latency: latency ?? [] }]));
  const store = Object.fromEntries((counts.store ?? []).map(({ name, outcome, count }) => [`${name} ${outcome}`, count]));
  return { cache: counts.cache ?? {}, streams: counts.streams ?? {}, imports: counts.imports ?? {}, auth: counts.auth ?? {}, requests, store };
}

/** The looks so far. Any instance may answer one: it tells of itself as it is, and of the others
 *  what they have said last. So the word of an instance may be older than the one before. */
class Series {
  /** The newest word of each instance. */
  #words = new Map();
  #lastAt = null;
  /** A look each: `{at, seconds, counts, figures}`. Counts are of what happened since the look
   *  before, kept for as long as they are asked for; figures are null where nothing is known. */
  steps = [];

  /** Takes a look at `at`, in milliseconds. `isGap`: nobody has looked for long. */
  take(stats, at, isGap = false) {
    const isFirst = this.#lastAt === null || isGap;
    this.#forgetOld(at);
    const step = { at, seconds: isFirst ? 0 : Math.max(0.001, (at - this.#lastAt) / 1000), counts: isFirst ? null : named(), figures: null };
    this.#lastAt = at;
    for (const instance of stats.instances ?? []) {
      const more = this.#hear(instance, at);
      if (more && step.counts) step.counts = summed(step.counts, more);
    }
    this.steps.push(step);
    if (this.steps.length > STEPS_KEPT) this.steps.shift();
    if (!isFirst) step.figures = figuresOf(this.recent(RATE_OVER_S), stats.latency_bounds_us);
    for (const old of this.steps) {
      if (at - old.at > (QUANTILES_OVER_S + RATE_OVER_S) * 1000) old.counts = null;
    }
    return step;
  }

  /** What an instance did since it was heard of before; null if that is not known. */
  #hear({ id, uptime_seconds: uptime = 0, counts }, at) {
    const word = { at, uptime, counts: named(counts) };
    const before = this.#words.get(id);
    // One that was not there before may be old: what it did is not of this step. Nor is it if it
    // began anew.
    const isNew = !before || uptime < before.uptime - WORD_AGE_MAX_S;
    const more = isNew ? null : grown(word.counts, before.counts);
    if (isNew || more) this.#words.set(id, word);
    return more;
  }

  #forgetOld(at) {
    for (const [id, word] of this.#words) {
      if (at - word.at > WORD_AGE_MAX_S * 1000) this.#words.delete(id);
    }
  }

  /** What happened in the last seconds, without what lies before a gap. */
  recent(seconds) {
    let sum = { seconds: 0, counts: named() };
    for (let i = this.steps.length - 1; i >= 0 && this.steps[i].counts && sum.seconds < seconds; i -= 1) {
      sum = { seconds: sum.seconds + this.steps[i].seconds, counts: summed(sum.counts, this.steps[i].counts) };
    }
    return sum;
  }

  /** A number of each look; null where nothing is known. */
  over(read) {
    return this.steps.map(({ at, figures }) => ({ at, value: figures ? read(figures) : null }));
  }
}

/** What the charts show of some seconds. */
function figuresOf({ seconds, counts }, bounds) {
  const latency = latencies(counts);
  return {
    rate: answered(counts) / seconds,
    failures: answered(counts, ["5xx"]) / seconds,
    p50: quantile(0.5, latency, bounds),
    p99: quantile(0.99, latency, bounds),
    layers: layers(counts),
    rows: ((counts.imports.rows_loaded ?? 0) + (counts.imports.rows_replaced ?? 0)) / seconds,
  };
}

/** How many requests were answered, by class where one is given. */
function answered(counts, classes = ["2xx", "3xx", "4xx", "5xx"]) {
  let sum = 0;
  for (const { answers } of Object.values(counts.requests)) {
    for (const name of classes) sum += answers[name] ?? 0;
  }
  return sum;
}

/** All routes' latencies in one. */
function latencies(counts) {
  return Object.values(counts.requests).reduce((sum, { latency }) => summed(sum, latency), []);
}

/** The value, in microseconds, that a share of the counted does not exceed: between the bounds of
 *  its bucket in proportion. Null of nothing; of the last bucket, which has no upper bound, its
 *  lower one. */
function quantile(share, buckets, bounds) {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  if (total === 0 || !bounds?.length) return null;
  let rank = share * total;
  for (const [i, count] of buckets.entries()) {
    if (count > 0 && rank <= count) {
      const low = i === 0 ? 0 : bounds[Math.min(i, bounds.length) - 1];
      const high = bounds[i] ?? low;
      return low + (high - low) * (rank / count);
    }
    rank -= count;
  }
  return bounds.at(-1);
}

/** The shares of the layers in what was looked up; null of nothing. */
function layers({ cache }) {
  const counts = LAYERS.map((name) => cache[name] ?? 0);
  const total = counts.reduce((sum, count) => sum + count, 0);
  return total === 0 ? null : counts.map((count) => count / total);
}
