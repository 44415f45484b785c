
// Import runs: how far they are, what they refused, and what can be done about them.

const RUNS_AT_FIRST = 10;
const RUNS_MAX = 100;
const REJECTS_SHOWN = 100;
const UNFINISHED = new Set(["loading", "indexing"]);
const STATE_LOOKS = { loading: "busy", indexing: "busy", done: "good", failed: "bad", cancelled: "", superseded: "warm" };

class Imports {
  #limit = RUNS_AT_FIRST;
  #runs = [];
  #cards = new Map();
  #said = new Map();

  constructor(session, { onEnd, onChange }) {
    Object.assign(this, { session, onEnd, onChange });
    $("more-runs").addEventListener("click", () => {
      this.#limit = Math.min(RUNS_MAX, this.#limit * 3);
      onChange();
    });
    $("rejects-close").addEventListener("click", () => $("rejects").close());
  }

  get isMoving() {
    return this.#runs.some(({ state }) => UNFINISHED.has(state));
  }

  async look() {
    const response = await this.session.ask(`/imports?limit=${this.#limit}`);
    this.#runs = await jsonOf(response);
    $("more-runs").hidden = !nextOf(response) || this.#limit >= RUNS_MAX;
    $("imports-note").textContent = this.#runs.length === 0 ? "No file has been imported yet." : `Last looked at ${CLOCK.format(Date.now())}${this.isMoving ? ", again every 2 s while a run goes on" : ""}.`;
    this.#show();
    return response;
  }

  /** Cards stay where they are, so that a button keeps its focus. */
  #show() {
    const known = new Map();
    for (const run of this.#runs) {
      const card = this.#cards.get(run.id) ?? this.#newCard(run);
      this.#fill(card, run);
      known.set(run.id, card);
      this.#announce(run);
    }
    for (const [id, { element }] of this.#cards) if (!known.has(id)) element.remove();
    this.#cards = known;
    const list = $("runs");
    [...known.values()].forEach(({ element }, i) => {
      if (list.children[i] !== element) list.insertBefore(element, list.children[i] ?? null);
    });
  }

  #announce({ id, source, state }) {
    const before = this.#said.get(id);
    this.#said.set(id, state);
    if (before && before !== state) $("status").textContent = `Import of ${fileName(source)}: ${state}.`;
  }

  #newCard(run) {
    const card = {
      state: h("span"),
      bar: h("div"),
      counts: h("p", { class: "counts" }),
      error: h("p", { class: "error", dir: "auto" }),
      cancel: h("button", { class: "button small", type: "button", onclick: () => this.#cancel(run) }, "Cancel"),
      retry: h("button", { class: "button small", type: "button", onclick: () => this.#act(`/imports/${run.id}/retry`, "POST") }, "Retry"),
      rejects: h("button", { class: "button small", type: "button", onclick: () => this.#showRejects(run) }, "Refused rows"),
    };
    const name = fileName(run.source);
    for (const button of [card.cancel, card.retry, card.rejects]) button.setAttribute("aria-label", `${button.textContent}: ${name}, run ${run.id}`);
    card.progress = h("div", { class: "progress", role: "progressbar", "aria-label": `Import of ${name}`, "aria-valuemin": 0, "aria-valuemax": 100 }, card.bar);
    card.element = h("li", { class: "run" }, h("div", { class: "run-head" }, h("strong", { title: run.source, dir: "auto" }, name), card.state, h("span", { class: "soft" }, `run ${run.id}${run.attempt > 1 ? `, attempt ${run.attempt}` : ""}, begun ${moment(run.created_at)}`), h("span", { class: "acts" }, card.rejects, card.cancel, card.retry)), card.progress, card.counts, card.error);
    return card;
  }

  #fill(card, run) {
    const { state, bytes_done: done, bytes_total: total } = run;
    const share = state === "done" ? 1 : total > 0 ? done / total : 0;
    card.element.className = `run ${state}`;
    card.state.className = `word ${STATE_LOOKS[state] ?? ""}`;
    card.state.textContent = state;
    card.bar.style.setProperty("width", `${(share * 100).toFixed(1)}%`);
    card.progress.setAttribute("aria-valuenow", Math.round(share * 100));
    const counts = [
      [`${bytes(done)} of ${bytes(total)}`, `${Math.round(share * 100)}%`],
      ["read", WHOLE.format(run.rows_read)],
      ["loaded", WHOLE.format(run.rows_loaded)],
      ["replaced", WHOLE.format(run.rows_replaced)],
      ["refused", WHOLE.format(run.rows_rejected)],
      run.rate !== null && run.rate !== undefined && ["rows/s", WHOLE.format(Math.round(run.rate))],
      UNFINISHED.has(state) && typeof run.estimate === "number" && ["left", duration(run.estimate)],
    ];
    card.counts.replaceChildren(...counts.filter(Boolean).map(([name, value]) => h("span", {}, h("b", {}, value), ` ${name}`)));
    card.error.textContent = run.error ?? "";
    card.error.hidden = !run.error;
    card.cancel.hidden = !UNFINISHED.has(state);
    card.retry.hidden = state !== "failed" && state !== "cancelled";
    card.rejects.hidden = !run.rows_rejected;
  }

  async #cancel(run) {
    const sure = await asked({ title: "Cancel this import?", text: `${fileName(run.source)} stays as far as it is: rows that are loaded are kept. It can be retried.`, yes: "Cancel the import", no: "Let it go on" });
    if (sure) await this.#act(`/imports/${run.id}`, "DELETE");
  }

  async #act(path, method) {
    try {
      await this.session.ask(path, { method });
      $("status").textContent = method === "DELETE" ? "The import is cancelled." : "The import is tried again.";
    } catch (error) {
      if (error instanceof Ended) return this.onEnd(error);
      await asked({ title: "That did not work", text: error.message, yes: "Close" });
    }
    this.onChange();
  }

  /** The first of them: a file may have a million. */
  async #showRejects(run) {
    $("rejects-title").textContent = `Refused rows of ${fileName(run.source)}`;
    $("rejects-note").textContent = "Reading…";
    $("rejects-table").replaceChildren();
    $("rejects").showModal();
    const enough = new AbortController();
    const isOpen = () => $("rejects").open;
    try {
      const response = await this.session.ask(`/imports/${run.id}/rejects`, { signal: enough.signal });
      const rows = await firstLines(response, REJECTS_SHOWN);
      if (!isOpen()) return;
      tabulateRejects(rows);
      const isAll = rows.length < REJECTS_SHOWN || rows.length === run.rows_rejected;
      $("rejects-note").textContent = isAll ? `All ${WHOLE.format(rows.length)}.` : `The first ${WHOLE.format(rows.length)} of ${WHOLE.format(run.rows_rejected)}; all of them at /imports/${run.id}/rejects.`;
    } catch (error) {
      if (error instanceof Ended) {
        $("rejects").close();
        return this.onEnd(error);
      }
      $("rejects-note").textContent = error.message;
    } finally {
      // It would hold one of the server's places for streams.
      enough.abort();
    }
  }
}

/** The first lines of an answer of a JSON object a line. */
async function firstLines(response, most) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const rows = [];
  let rest = "";
  while (rows.length < most) {
    const { done, value } = await reader.read();
    const lines = (rest + (value ?? "")).split("\n");
    rest = done ? "" : lines.pop();
    rows.push(...lines.filter(Boolean).map((line) => JSON.parse(line)));
    if (done) break;
  }
  return rows.slice(0, most);
}

function tabulateRejects(rows) {
  const names = ["line", "column", "reason", "record"];
  $("rejects-table").replaceChildren(
    h("thead", {}, h("tr", {}, ...names.map((name) => h("th", { scope: "col", class: "start" }, name.charAt(0).toUpperCase() + name.slice(1))))),
    h("tbody", {}, ...rows.map((row) => h("tr", {}, ...names.map((name) => h("td", { class: "start" }, name === "record" ? h("pre", { dir: "auto" }, text(row[name])) : text(row[name])))))),
  );
}

function text(value) {
  return value === null || value === undefined ? "–" : String(value);
}

/** The last part of a source's address, which is what its owner calls it. */
function fileName(source) {
  const last = String(source).split(/[/\\]/).filter(Boolean).at(-1) ?? String(source);
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

/** Asks something in a dialog; true if the answer is yes. */
function asked({ title, text, yes, no }) {
  const dialog = $("ask");
  $("ask-title").textContent = title;
  $("ask-text").textContent = text;
  $("ask-yes").textContent = yes;
  $("ask-no").textContent = no ?? "";
  $("ask-no").hidden = !no;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}
$("ask-yes").addEventListener("click", () => $("ask").close("yes"));
$("ask-no").addEventListener("click", () => $("ask").close("no"));
