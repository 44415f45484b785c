
// The page: a look at /stats every two seconds for as long as somebody looks at the page.

const LOOK_EVERY_MS = 2_000;
/** After failures it is looked less often, up to this. */
const LOOK_EVERY_MAX_MS = 30_000;
/** So much later than usual a look does not join the one before. */
const GAP_MS = 12_000;
/** The list of imports is read from the database, which may sleep when nobody needs it: it is asked
 *  for this often while something moves, and no more once nothing has for so long. */
const IMPORTS_EVERY_MS = 10_000;
const IMPORTS_RESTS_AFTER_MS = 300_000;

const session = new Session();
const series = new Series();
const imports = new Imports(session, { onEnd: end, onChange: lookAtImports });
const charts = [
  [new Chart({ title: "Requests per second", names: ["all", "failed"], format: (rate) => (rate >= 1e4 ? SHORT.format(rate) : trimmed(rate)), highest: 10 }), (f) => f.rate, (f) => f.failures],
  [new Chart({ title: "Latency", names: ["p50", "p99"], format: ms, highest: 1000 }), (f) => f.p50, (f) => f.p99],
  [new Chart({ title: "Answered from", names: ["this cache", "shared cache", "database"], format: percent, highest: 1, stacked: true, about: "Shares of what was looked up." }), ...[0, 1, 2].map((i) => (f) => f.layers?.[i] ?? null)],
  [new Chart({ title: "Rows imported per second", names: ["rows"], format: (rows) => SHORT.format(rows), highest: 100 }), (f) => f.rows],
];
$("charts").append(...charts.map(([chart]) => chart.element));

let timer = null;
let isLooking = false;
let failures = 0;
let lastLookAt = 0;
let importsAskedAt = 0;
let somethingMovedAt = Date.now();
let movedBefore = "";
let rowsBefore = "";

// --- Looking.

function plan(delay) {
  clearTimeout(timer);
  timer = document.hidden || !session.isOpen ? null : setTimeout(look, delay);
}

async function look() {
  if (isLooking || !session.isOpen) return;
  isLooking = true;
  try {
    const stats = await jsonOf(await session.ask("/stats"));
    // Who has signed out meanwhile wants to see nothing more.
    if (session.isOpen) {
      show(stats);
      well();
      if (areImportsDue()) await lookAtImports();
    }
  } catch (error) {
    if (error instanceof Ended) end(error);
    else if (session.isOpen) ill(told(error));
  } finally {
    isLooking = false;
  }
  plan(waitMs());
}

function waitMs() {
  return Math.min(LOOK_EVERY_MAX_MS, LOOK_EVERY_MS * 2 ** failures);
}

function show(stats) {
  const now = Date.now();
  const isGap = now - lastLookAt > GAP_MS;
  lastLookAt = now;
  series.take(stats, now, isGap);
  noticeMovement(stats);
  fillTiles(stats, series);
  for (const [chart, ...reads] of charts) chart.show(reads.map((read) => series.over(read)));
  fillRoutes(stats, series);
  fillInstances(stats);
  fillVersions(stats);
  fillTotals(stats);
  $("figures").hidden = false;
}

/** Whether anybody but this page, and those who ask whether we live, wants something. */
function noticeMovement(stats) {
  const own = new Set(["/", "/health", "/health/ready", "/stats", "/imports", "/login", "/login/refresh", "/me", "/dashboard", "/docs", "/openapi.json"]);
  const others = (stats.totals?.requests ?? []).filter(({ route }) => !own.has(route)).map(({ answers }) => sumOf(answers ?? {}));
  const rows = JSON.stringify(stats.totals?.imports ?? {});
  const moved = JSON.stringify(others) + rows;
  if (moved !== movedBefore) somethingMovedAt = Date.now();
  if (rows !== rowsBefore) importsAskedAt = 0;
  [movedBefore, rowsBefore] = [moved, rows];
}

for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => (somethingMovedAt = Date.now()), { passive: true });

// --- Imports.

function areImportsDue() {
  if (imports.isMoving) return true;
  const now = Date.now();
  return now - importsAskedAt >= IMPORTS_EVERY_MS && now - somethingMovedAt < IMPORTS_RESTS_AFTER_MS;
}

/** Their list may fail by itself: the other figures need no database. */
async function lookAtImports() {
  importsAskedAt = Date.now();
  try {
    await imports.look();
  } catch (error) {
    if (error instanceof Ended) end(error);
    else $("imports-note").textContent = `Not to be had now: ${error.message}`;
  }
}

$("ask-imports").addEventListener("click", lookAtImports);

// --- How it goes.

function well() {
  if (failures > 0) $("status").textContent = "The figures are live again.";
  failures = 0;
  $("trouble").hidden = true;
  tellLive("", `live, ${CLOCK.format(lastLookAt)}`);
}

/** What a reader can do nothing about is for who mends the page. */
function told(error) {
  if (error instanceof Failed) return error;
  console.error(error);
  return new Failed("The answer is not what was expected.");
}

function ill(error) {
  failures += 1;
  if (failures === 1) $("status").textContent = `The figures are not live any more. ${error.message}`;
  const wait = Math.round(waitMs() / 1000);
  $("trouble").hidden = false;
  $("trouble-words").textContent = `No figures${lastLookAt ? ` since ${CLOCK.format(lastLookAt)}` : ""}. ${error.message} Trying again every ${wait} s.`;
  tellLive("failing", lastLookAt ? `as of ${CLOCK.format(lastLookAt)}` : "no figures yet");
}

function tellLive(how, words) {
  $("live").hidden = false;
  $("live").className = `live ${how}`;
  $("live-words").textContent = words;
}

$("try-now").addEventListener("click", () => {
  clearTimeout(timer);
  look();
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) somethingMovedAt = Date.now();
  if (document.hidden) clearTimeout(timer);
  else if (session.isOpen) look();
});

// --- Signing in and out.

$("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("enter").disabled = true;
  $("door-fault").textContent = "";
  try {
    await session.signIn($("email").value, $("password").value);
    open();
  } catch (error) {
    $("door-fault").textContent = error.message;
    $("password").focus();
    $("password").select();
  } finally {
    $("enter").disabled = false;
  }
});

function open() {
  $("password").value = "";
  $("door").hidden = true;
  $("sign-out").hidden = false;
  $("status").textContent = "Signed in. The figures are live.";
  $("main").focus({ preventScroll: true });
  failures = 0;
  importsAskedAt = 0;
  somethingMovedAt = Date.now();
  tellLive("", "looking…");
  look();
}

/** The form comes back; what was seen stays, as of then. */
function end({ message }) {
  clearTimeout(timer);
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  $("trouble").hidden = true;
  $("door").hidden = false;
  $("sign-out").hidden = true;
  $("door-why").textContent = message;
  $("status").textContent = message;
  tellLive("stopped", lastLookAt ? `stopped, as of ${CLOCK.format(lastLookAt)}` : "stopped");
  ($("email").value ? $("password") : $("email")).focus({ preventScroll: true });
  scrollTo({ top: 0 });
}

$("sign-out").addEventListener("click", async () => {
  clearTimeout(timer);
  $("sign-out").disabled = true;
  let message = "You are signed out.";
  try {
    await session.signOut();
  } catch (error) {
    message = `Signed out in this tab. The server could not be told: ${error.message}`;
  }
  $("sign-out").disabled = false;
  $("figures").hidden = true;
  end({ message });
});

$("email").focus({ preventScroll: true });
