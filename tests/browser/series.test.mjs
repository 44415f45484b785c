// The arithmetic of the dashboard, without a browser.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

const source = await readFile(new URL("../../handler/pages/dashboard-series.js", import.meta.url), "utf8");
const { Series, quantile, grown } = new Function(`${source}; return { Series, quantile, grown };`)();

const BOUNDS = [100, 200, 400];
const stats = (...instances) => ({ latency_bounds_us: BOUNDS, instances: instances.map(([id, good, hits = 0, failed = 0, uptime = 1000]) => ({ id, uptime_seconds: uptime, counts: { cache: { hits, misses: good }, requests: [{ route: "/products", method: "GET", answers: { "2xx": good, "5xx": failed }, latency: [0, good, 0, failed] }] } })) });

test("a quantile lies within its bucket in proportion", () => {
  assert.equal(quantile(0.5, [0, 0, 0, 0], BOUNDS), null);
  assert.equal(quantile(0.5, [10, 0, 0, 0], BOUNDS), 50);
  assert.equal(quantile(0.5, [0, 10, 0, 0], BOUNDS), 150);
  assert.equal(quantile(0.99, [90, 9, 1, 0], BOUNDS), 200);
  assert.equal(quantile(1, [90, 9, 1, 0], BOUNDS), 400);
  assert.equal(quantile(0.99, [1, 0, 0, 99], BOUNDS), 400, "of the last bucket no more is known");
  assert.equal(quantile(0.5, [1, 2], undefined), null, "a release without bounds");
});

test("what has grown is a difference, and a number that fell is another life", () => {
  assert.deepEqual(grown({ a: 5, b: [1, 2] }, { a: 3, b: [1, 0] }), { a: 2, b: [0, 2] });
  assert.deepEqual(grown({ a: 5 }, {}), { a: 5 });
  assert.equal(grown({ a: 1, b: [7] }, { a: 0, b: [8] }), null);
});

test("rates are of all instances, and neither a new one nor one that starts again makes a peak", () => {
  const series = new Series();
  series.take(stats(["a", 1000], ["b", 500]), 0);
  assert.equal(series.steps[0].figures, null, "one look is no rate");
  series.take(stats(["a", 1020], ["b", 520, 0, 4]), 2000);
  assert.deepEqual([series.steps[1].figures.rate, series.steps[1].figures.failures], [22, 2]);
  // A third comes with a long history, the second is another process.
  series.take(stats(["a", 1040], ["b", 3, 0, 0, 1], ["c", 9999]), 4000);
  assert.equal(series.steps[2].figures.rate, (44 + 20) / 4);
  series.take(stats(["a", 1040], ["b", 13, 0, 0, 3], ["c", 9999]), 6000);
  assert.equal(series.steps[3].figures.rate, (44 + 20 + 10) / 6);
});

test("whichever instance answers, nothing is counted twice", () => {
  const series = new Series();
  // Each does 10 a second, and tells the other what it was 3 s ago.
  for (let at = 0; at <= 60; at += 2) {
    const isOfA = at % 4 === 0;
    const now = 1000 + at * 10;
    const told = now - 30;
    series.take(stats(["a", isOfA ? now : told, 0, 0, 100 + at - (isOfA ? 0 : 3)], ["b", isOfA ? told : now, 0, 0, 100 + at - (isOfA ? 3 : 0)]), at * 1000);
  }
  const rates = series.over((f) => f.rate).slice(5).map(({ value }) => value);
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  assert.ok(Math.abs(mean - 20) < 1, `${mean} a second of 20`);
  assert.ok(rates.every((rate) => rate > 10 && rate < 30), String(rates));
});

test("over a gap nothing is known", () => {
  const series = new Series();
  series.take(stats(["a", 0]), 0);
  series.take(stats(["a", 10]), 2000);
  series.take(stats(["a", 90_000]), 600_000, true);
  assert.equal(series.steps[2].figures, null);
  series.take(stats(["a", 90_020]), 602_000);
  assert.equal(series.steps[3].figures.rate, 10, "what lies before the gap does not count");
  assert.deepEqual(series.over((f) => f.rate).map(({ value }) => value), [null, 5, null, 10]);
});

test("an instance that was away for long is a new one", () => {
  const series = new Series();
  series.take(stats(["a", 0], ["b", 0]), 0);
  for (let at = 2; at <= 30; at += 2) series.take(stats(["a", at * 10]), at * 1000);
  series.take(stats(["a", 320], ["b", 50_000]), 32_000);
  assert.equal(series.steps.at(-1).figures.rate, 10);
});

test("what is kept has a bound", () => {
  const series = new Series();
  for (let i = 0; i < 1000; i += 1) series.take(stats(["a", i * 10]), i * 2000);
  assert.equal(series.steps.length, 150);
  assert.ok(series.steps.filter(({ counts }) => counts).length <= 34);
  assert.equal(series.steps.at(-1).figures.rate, 5);
});

test("a release that leaves something out breaks nothing", () => {
  const series = new Series();
  for (const [at, left] of [[0, {}], [2000, { instances: [{ id: "a" }] }], [4000, { instances: [{ id: "a", counts: {} }] }]]) series.take(left, at);
  const { figures } = series.steps[2];
  assert.deepEqual([figures.rate, figures.p50, figures.layers, figures.rows], [0, null, null, 0]);
});
