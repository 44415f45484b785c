
// The figures that are no charts: tiles, routes, instances, freshness, totals.

function fillTiles(stats, series) {
  const now = series.steps.at(-1)?.figures;
  const total = named(stats.totals);
  const cache = total.cache;
  const instances = stats.instances ?? [];
  const used = instances.map(({ pool }) => pool).filter(Boolean);
  const busy = used.reduce((sum, { open, idle }) => sum + open - idle, 0);
  const room = used.reduce((sum, { max }) => sum + max, 0);
  const broken = breakersOf(instances);
  const stale = cache.audits_stale ?? 0;
  const tiles = [
    ["Requests", now ? perSecond(now.rate) : "–", now ? `${perSecond(now.failures)} failed` : "waiting for a second look", now?.failures > 0],
    ["Latency p99", ms(now?.p99), `p50 ${ms(now?.p50)}`],
    ["Hit ratio", now?.layers ? percent(1 - now.layers[2]) : "–", now?.layers ? "now" : "nothing is looked up now"],
    ["Stale reads", WHOLE.format(stale), `of ${WHOLE.format(cache.audits ?? 0)} pages compared`, stale > 0],
    ["Breakers", broken.length === 0 ? "closed" : broken[0].state.replace("_", "-"), broken.length === 0 ? "every part is asked" : broken.map(({ part }) => part).join(", "), broken.length > 0],
    ["Pool", room ? `${WHOLE.format(busy)} of ${WHOLE.format(room)}` : "–", room ? "connections in use" : "the store has none"],
    ["Instances", String(instances.length), [...new Set(instances.map(({ version }) => version).filter(Boolean))].join(", ")],
  ];
  $("tiles").replaceChildren(...tiles.map(([label, value, beside, isBad]) => h("li", { class: isBad ? "tile bad" : "tile" }, h("p", { class: "label" }, label), h("p", { class: "value" }, value), h("p", { class: "beside" }, beside))));
}

/** Breakers that are not closed, the worst first. */
function breakersOf(instances) {
  const worst = (a, b) => (b.state === "open") - (a.state === "open");
  return instances.flatMap(({ breakers = {} }) => Object.entries(breakers).filter(([, state]) => state && state !== "closed").map(([part, state]) => ({ part: part.replace("_", " "), state }))).sort(worst);
}

/** What is counted for requests that lead nowhere. */
const NOWHERE = "other other";

function fillRoutes(stats, series) {
  const bounds = stats.latency_bounds_us;
  const { seconds, counts } = series.recent(QUANTILES_OVER_S);
  const total = named(stats.totals).requests;
  const routes = Object.entries(total).sort(([, a], [, b]) => sumOf(b.answers) - sumOf(a.answers));
  const rows = routes.map(([name, { answers, latency }]) => {
    const recent = counts.requests[name] ?? { answers: {}, latency: [] };
    const [p50, p99] = [quantile(0.5, recent.latency, bounds), quantile(0.99, recent.latency, bounds)];
    const failures = answers["5xx"] ?? 0;
    return h(
      "tr",
      {},
      h("th", { scope: "row", class: "code" }, name === NOWHERE ? "no such route" : name),
      h("td", {}, seconds ? perSecond(sumOf(recent.answers) / seconds) : "–"),
      h("td", {}, ms(p50)),
      h("td", {}, ms(p99)),
      h("td", {}, p50 === null ? null : spanBar(p50, p99)),
      h("td", {}, WHOLE.format(sumOf(answers))),
      h("td", { class: "dim" }, ms(quantile(0.5, latency, bounds))),
      h("td", { class: "dim" }, ms(quantile(0.99, latency, bounds))),
      h("td", {}, WHOLE.format(answers["4xx"] ?? 0)),
      h("td", { class: failures > 0 ? "bad" : "" }, WHOLE.format(failures)),
    );
  });
  const heads = ["Route", "Now", "p50", "p99", "", "All", "p50 of all", "p99 of all", "4xx", "5xx"];
  fillTable("routes", heads, rows, "No route has been asked yet, or this release does not count them.");
}

function fillInstances(stats) {
  const counted = (instance, read) => read(named(instance.counts));
  const row = (instance) => h(
    "tr",
    {},
    h("th", { scope: "row", class: "code", title: instance.id }, String(instance.id ?? "–").slice(0, 8)),
    h("td", {}, text(instance.version)),
    h("td", {}, typeof instance.uptime_seconds === "number" ? duration(instance.uptime_seconds) : "–"),
    h("td", {}, breakerWord(instance.breakers?.database)),
    h("td", {}, instance.breakers?.shared_cache ? breakerWord(instance.breakers.shared_cache) : h("span", { class: "soft" }, "none")),
    h("td", {}, instance.pool ? `${instance.pool.open - instance.pool.idle} / ${instance.pool.open} / ${instance.pool.max}` : "–"),
    h("td", {}, versionOf(instance)),
    ...numbers(instance),
  );
  const numbers = (instance) => [
    (counts) => answered(counts),
    ({ cache }) => cache.hits,
    ({ cache }) => cache.shared_hits,
    ({ cache }) => cache.misses,
    ({ cache }) => cache.stale,
  ].map((read) => h("td", {}, count(counted(instance, read))));
  const instances = stats.instances ?? [];
  const sum = h("tr", { class: "sum" }, h("th", { scope: "row" }, "All"), ...Array.from({ length: 6 }, () => h("td")), ...numbers({ counts: stats.totals }));
  const heads = ["Instance", "Release", "Up for", "Database", "Shared cache", "Pool: used / open / most", "Catalogue version", "Requests", "Hits", "Shared hits", "Misses", "Older pages"];
  fillTable("instances", heads, [...instances.map(row), sum]);
}

function fillTable(id, heads, rows, nothing = "") {
  $(id).replaceChildren(
    h("thead", {}, h("tr", {}, ...heads.map((head) => (head ? h("th", { scope: "col" }, head) : h("td"))))),
    h("tbody", {}, ...(rows.length ? rows : [h("tr", {}, h("td", { colspan: heads.length, class: "start soft" }, nothing))])),
  );
}

function fillVersions(stats) {
  const versions = new Set((stats.instances ?? []).map((instance) => instance.versions?.catalogue).filter(Boolean));
  const { cache } = named(stats.totals);
  fillFacts("versions", [
    ["Catalogue version", versions.size === 0 ? "–" : moment(Math.max(...versions) / 1000)],
    ["Instances that know another one", versions.size > 1 ? String(versions.size - 1) : "none"],
    ["Reads beyond the guarantee (audited)", count(cache.audits_stale), cache.audits_stale > 0],
    ["Pages compared with the database", count(cache.audits)],
    ["Older pages, the database being away", count(cache.stale), cache.stale > 0],
    ["Reconciliations", count(cache.reconciliations)],
    ["… that had to raise a version", count(cache.reconciliations_found)],
    ["Versions told by other instances", count(cache.told)],
    ["Versions that could not be told", count(cache.announcements_failed)],
    ["Databases found restored", count(cache.restores)],
  ]);
}

function fillTotals(stats) {
  const { cache, imports, auth, streams, store, requests } = named(stats.totals);
  const outcomes = { ok: 0, failed: 0, deadline: 0, refused: 0 };
  for (const [name, many] of Object.entries(store)) {
    const outcome = name.split(" ").at(-1);
    if (outcome in outcomes) outcomes[outcome] += many;
  }
  fillFacts("totals", [
    ["Requests", count(answered({ requests }))],
    ["Loads of the database", count(cache.loads)],
    ["Waits joined to a load", count(cache.joins)],
    ["Waits for another instance's load", count(cache.lease_waits)],
    ["Store calls: done / failed / too late / refused", Object.keys(store).length ? Object.values(outcomes).map((many) => WHOLE.format(many)).join(" / ") : "–"],
    ["Imports: begun / done / failed", list(imports, ["runs_begun", "runs_done", "runs_failed"])],
    ["Rows: loaded / replaced / refused", list(imports, ["rows_loaded", "rows_replaced", "rows_rejected"])],
    ["Sign-ins: ok / refused / limited / failed", list(auth, ["ok", "refused", "limited", "failed"])],
    ["Streams: begun / refused / cut", list(streams, ["begun", "refused", "cut"])],
  ]);
}

function fillFacts(id, facts) {
  $(id).replaceChildren(...facts.flatMap(([name, value, isBad]) => [h("dt", {}, name), h("dd", { class: isBad ? "bad" : "" }, value)]));
}

function list(counts, names) {
  return names.some((name) => name in counts) ? names.map((name) => count(counts[name])).join(" / ") : "–";
}

function breakerWord(state) {
  const looks = { closed: "good", half_open: "warm", open: "bad" };
  return state ? h("span", { class: `word ${looks[state] ?? ""}` }, state.replace("_", "-")) : "–";
}

function versionOf({ versions }) {
  return versions?.catalogue ? moment(versions.catalogue / 1000) : "–";
}

// --- Numbers as texts.

const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });

function sumOf(numbers) {
  return Object.values(numbers).reduce((sum, number) => sum + number, 0);
}

function count(number) {
  return typeof number === "number" ? WHOLE.format(number) : "–";
}

function perSecond(rate) {
  return `${rate >= 100 ? SHORT.format(rate) : trimmed(rate)}/s`;
}

function trimmed(number) {
  return String(Number(number.toFixed(number < 10 ? 1 : 0)));
}

function ms(us) {
  if (us === null || us === undefined) return "–";
  if (us >= 1e6) return `${trimmed(us / 1e6)} s`;
  return us >= 1e4 ? `${Math.round(us / 1000)} ms` : `${Number((us / 1000).toFixed(us < 1000 ? 2 : 1))} ms`;
}

function percent(share) {
  return `${Number((share * 100).toFixed(share > 0.99 && share < 1 ? 1 : 0))}%`;
}

function bytes(number) {
  const units = ["B", "kB", "MB", "GB"];
  const power = number < 1 ? 0 : Math.min(3, Math.floor(Math.log10(number) / 3));
  return `${trimmed(number / 1000 ** power)} ${units[power]}`;
}

function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** A moment: the time of today, with the day before it otherwise. */
function moment(at) {
  const then = new Date(at);
  if (Number.isNaN(then.getTime())) return "–";
  const isToday = then.toDateString() === new Date().toDateString();
  return isToday ? CLOCK.format(then) : `${DAY.format(then)}, ${CLOCK.format(then)}`;
}
