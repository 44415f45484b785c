
// The page: what is asked for, what came of it, and what a visitor does about it.

/** An answer that takes longer is not waited for. */
const PATIENCE_MS = 20_000;
/** A filtered page may be empty and go on: so many are looked through without being asked. */
const EMPTY_PAGES_MAX = 5;

const ORDERS = Object.fromEntries([...$("sort").options].map((option) => [option.value, option.text]));

let query = queryOf(location.search);
/** The cursors of the pages before this one, as far as this visit knows them. */
let trail = history.state?.trail ?? [];
let nextCursor = null;
let loading = null;
const names = new Map();

function go(next, nextTrail = []) {
  query = next;
  trail = nextTrail;
  const address = addressOf(query);
  // The same once more is no place to come back to.
  const isSame = address === location.pathname + location.search;
  history[isSame ? "replaceState" : "pushState"]({ trail }, "", address);
  show();
  load({ isMove: true });
}

addEventListener("popstate", () => {
  query = queryOf(location.search);
  trail = history.state?.trail ?? [];
  show();
  load({});
});

// --- What is asked for, in the controls.

function show() {
  $("q").value = query.q ?? "";
  $("min_price").value = query.min_price ?? "";
  $("max_price").value = query.max_price ?? "";
  tellPriceFault({});
  $("best_seller").checked = query.best_seller === "true";
  const form = $("filter-form");
  choose(form.elements.min_stars, query.min_stars ?? "");
  choose(form.elements.category_id, query.category_id ?? "");
  const sort = $("sort");
  sort.disabled = Boolean(query.q);
  sort.options[0].text = query.q ? "Relevance" : ORDERS[""];
  sort.value = query.sort ?? "";
  $("title").textContent = heading();
  document.title = query.q || query.category_id ? `${heading()} – Vitrine` : "Vitrine: the catalogue";
  const set = chips();
  $("filter-count").textContent = set.filter(([name]) => name !== "q").length || "";
  $("chips").hidden = set.length === 0;
  $("chips").replaceChildren(...set.map(([name, text]) => h("li", {}, chip(name, text))), ...(set.length > 1 ? [h("li", {}, h("button", { class: "chip all", type: "button", onclick: () => (go({}), atTitle()) }, "Clear all"))] : []));
}

function choose(radios, value) {
  if (!radios) return;
  // One radio is no list of them.
  for (const radio of radios instanceof RadioNodeList ? radios : [radios]) radio.checked = radio.value === value;
}

function heading() {
  if (query.q) return `Results for “${query.q}”`;
  if (query.category_id) return names.get(query.category_id) ?? `Category ${query.category_id}`;
  return "The catalogue";
}

/** What narrows the list, by name and as a reader reads it. */
function chips() {
  const set = [];
  if (query.q) set.push(["q", `“${query.q}”`]);
  if (query.category_id) set.push(["category_id", names.get(query.category_id) ?? `Category ${query.category_id}`]);
  if (query.min_price) set.push(["min_price", `from $${query.min_price}`]);
  if (query.max_price) set.push(["max_price", `to $${query.max_price}`]);
  if (query.min_stars) set.push(["min_stars", `${query.min_stars} stars and up`]);
  if (query.best_seller) set.push(["best_seller", query.best_seller === "true" ? "Best sellers" : "No best sellers"]);
  return set;
}

function chip(name, text) {
  const label = `${text}: remove`;
  const focusAgain = () => {
    go(changed(query, { [name]: "" }));
    atTitle();
  };
  return h("button", { class: "chip", type: "button", "aria-label": label, onclick: focusAgain }, h("bdi", {}, text), h("span", { "aria-hidden": "true" }, "×"));
}

// --- What came of it.

async function load({ isMove }) {
  loading?.abort();
  const mine = new AbortController();
  loading = mine;
  const timer = setTimeout(() => mine.abort("late"), PATIENCE_MS);
  wait(isMove);
  try {
    await ask(mine.signal);
  } catch (error) {
    if (mine !== loading) return;
    const isLate = mine.signal.aborted;
    trouble({ title: "The catalogue cannot be reached", text: isLate ? "The server takes too long to answer." : "There is no connection to the server, or it was cut.", again: true });
  } finally {
    clearTimeout(timer);
    if (mine === loading) rest();
  }
  if (isMove && mine === loading) scrollTo({ top: Math.min(scrollY, Math.max(0, $("results").offsetTop - 90)) });
}

function wait(isMove) {
  const grid = $("grid");
  grid.setAttribute("aria-busy", "true");
  // Until it is known where this page goes on: the cursor in hand is another page's.
  nextCursor = null;
  $("next").disabled = true;
  if (grid.children.length === 0 || !isMove) {
    $("empty").hidden = true;
    grid.replaceChildren(...Array.from({ length: 12 }, bones));
  } else {
    grid.classList.add("waiting");
  }
}

function rest() {
  $("grid").setAttribute("aria-busy", "false");
  $("grid").classList.remove("waiting");
}

async function ask(signal) {
  let path = apiOf(query);
  for (let pages = 1; ; pages += 1) {
    const response = await fetch(path, { signal, headers: { Accept: "application/json" } });
    if (!response.ok) return refused(response);
    const products = await response.json();
    const next = nextOf(response);
    nextCursor = next?.searchParams.get("cursor") ?? null;
    if (products.length === 0 && next && pages < EMPTY_PAGES_MAX) {
      path = next.pathname + next.search;
      continue;
    }
    return tell(products, response.headers);
  }
}

function tell(products, headers) {
  const total = Number(headers.get("x-total-count") ?? NaN);
  notes(headers.get("x-search-indexed"));
  $("grid").replaceChildren(...products.map(card));
  $("empty").hidden = true;
  const summary = summaryOf(products.length, total);
  $("summary").textContent = summary;
  if (products.length === 0) nothing();
  pager();
  $("status").textContent = products.length === 0 ? "No products." : `${summary}. ${pageName()}`;
}

function summaryOf(count, total) {
  if (count === 0) return nextCursor ? "Nothing so far" : "No products";
  const products = (number) => (number === 1 ? "1 product" : `${WHOLE.format(number)} products`);
  if (!Number.isNaN(total)) return count === total ? products(total) : `${WHOLE.format(count)} of ${products(total)}`;
  return nextCursor || query.cursor ? `${products(count)} on this page` : products(count);
}

function pageName() {
  if (query.cursor && trail.length === 0) return "";
  return trail.length || nextCursor ? `Page ${trail.length + 1}` : "";
}

function notes(indexed) {
  const lag = /^(\d+)\/(\d+)$/.exec(indexed ?? "");
  const note = lag && h("p", { class: "note" }, h("span", {}, `The search is still being prepared: ${WHOLE.format(lag[1])} of ${WHOLE.format(lag[2])} products can be found by now.`));
  $("notes").replaceChildren(...(note ? [note] : []));
}

function pager() {
  const isMiddle = Boolean(query.cursor);
  $("pager").hidden = !isMiddle && !nextCursor;
  $("previous").disabled = !isMiddle;
  $("previous").textContent = isMiddle && trail.length === 0 ? "⇤ First page" : "← Previous";
  $("next").disabled = !nextCursor;
  $("next").textContent = $("grid").children.length === 0 && nextCursor ? "Look further →" : "Next →";
  $("page-number").textContent = pageName();
}

/** An empty list, in words. */
function nothing() {
  const isNarrowed = chips().length > 0;
  if (nextCursor) return panel("Nothing among those looked through so far", "A filtered list is looked through piece by piece. There is more of it.", [act("Look further", further)]);
  if (query.cursor) return panel("The list ends here", "What was on this page is gone by now.", [act("To the first page", () => go(changed(query, {})))]);
  if (isNarrowed) return panel("No product matches", query.q ? "Try fewer or other words, or clear the filters." : "Try a wider price range, or clear the filters.", [act("Clear all", () => go({}))]);
  return panel("The shop window is empty", "There are no products yet. They appear as soon as a file is imported: drop one into the folder for imports, or into the container on Azure.", [act("Look again", again)]);
}

/** What the server does not answer, and what can be done about it. */
async function refused(response) {
  const text = await problemOf(response);
  const { status } = response;
  if (status === 501) return trouble({ title: "Search is not available here", text: `${text} Everything else works: categories, filters and sorting.`, acts: [act("Show everything", () => go({}))] });
  if (status === 400) return trouble({ title: "This list cannot be shown", text: query.cursor ? `The address may be old or incomplete. ${text}` : text, acts: [act("To the first page", () => go(changed(query, {}))), act("Clear all", () => go({}))] });
  if (status === 404) return trouble({ title: "There is no such category", text, acts: [act("Show everything", () => go({}))] });
  const title = status === 429 ? "That was a little fast" : "The catalogue is away for a moment";
  return trouble({ title, text, again: true });
}

function trouble({ title, text, acts = [], again: canBeTriedAgain }) {
  nextCursor = null;
  $("grid").replaceChildren();
  $("notes").replaceChildren();
  $("pager").hidden = true;
  $("summary").textContent = "Nothing to show";
  panel(title, text, canBeTriedAgain ? [act("Try again", again), ...acts] : acts);
  $("status").textContent = `${title}. ${text}`;
}

function panel(title, text, acts) {
  const drawn = s("svg", { viewBox: "0 0 60 60", "aria-hidden": "true" }, s("path", { d: "M8 24h44M12 24v26h36V24M8 24l5-12h34l5 12a6 6 0 0 1-11 3 6 6 0 0 1-11 0 6 6 0 0 1-11 0 6 6 0 0 1-11-3M24 50V36h12v14", fill: "none", stroke: "currentColor", "stroke-width": "2", "stroke-linejoin": "round" }));
  $("empty").replaceChildren(drawn, h("h2", {}, title), h("p", { dir: "auto" }, text), h("div", { class: "acts" }, ...acts));
  $("empty").hidden = false;
}

/** Where the keyboard is once the button that was pressed is gone. */
function atTitle() {
  $("title").focus({ preventScroll: true });
}

function act(text, does) {
  return h("button", { class: "button", type: "button", onclick: () => (does(), atTitle()) }, text);
}

function again() {
  load({});
  if (names.size === 0) loadCategories();
}

function further() {
  go(changed(query, { cursor: nextCursor }), [...trail, query.cursor ?? ""]);
  atTitle();
}

// --- What a visitor does.

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  go(changed(query, { q: $("q").value.trim() }));
});
// The small cross in the field.
$("q").addEventListener("search", () => {
  if (!$("q").value && query.q) go(changed(query, { q: "" }));
});
$("home").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go({});
});
$("sort").addEventListener("change", () => go(changed(query, { sort: $("sort").value })));
$("filter-form").addEventListener("submit", (event) => {
  event.preventDefault();
  takePrices();
});
$("filter-form").addEventListener("change", ({ target }) => {
  if (target.name === "min_price" || target.name === "max_price") takePrices();
  else if (target.name === "best_seller") go(changed(query, { best_seller: target.checked ? "true" : "" }));
  else if (target.name) go(changed(query, { [target.name]: target.value }));
});
$("next").addEventListener("click", further);
$("previous").addEventListener("click", () => {
  go(changed(query, { cursor: trail.at(-1) ?? "" }), trail.slice(0, -1));
  atTitle();
});

function takePrices() {
  const prices = pricesOf($("min_price").value, $("max_price").value);
  tellPriceFault(prices);
  const isNew = prices.min !== (query.min_price ?? "") || prices.max !== (query.max_price ?? "");
  if (!prices.fault && isNew) go(changed(query, { min_price: prices.min, max_price: prices.max }));
}

function tellPriceFault({ fault, at }) {
  $("price-fault").textContent = fault ?? "";
  for (const name of ["min_price", "max_price"]) $(name).setAttribute("aria-invalid", String(name === at));
}

// --- Categories.

async function loadCategories() {
  try {
    const [named, counted] = await Promise.all(["/categories", "/category/count"].map(async (path) => {
      const response = await fetch(path, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(PATIENCE_MS) });
      if (!response.ok) throw new Error(await problemOf(response));
      return response.json();
    }));
    for (const { id, category_name: name } of named) names.set(String(id), name);
    tellCategories(counted);
    show();
  } catch {
    // The products say by themselves what is wrong; here it is enough that it can be tried again.
    $("categories").replaceChildren(h("p", { class: "soft" }, "Not to be had now. "), h("button", { class: "button small", type: "button", onclick: loadCategories }, "Try again"));
  }
}

function tellCategories(counted) {
  const choice = (id, name, many) => h(
    "label",
    {},
    h("input", { type: "radio", name: "category_id", value: id }),
    h("span", { class: "name", dir: "auto" }, name),
    many !== undefined && h("span", { class: "many" }, SHORT.format(many), h("span", { class: "seen-by-readers" }, " products")),
  );
  const rows = counted.map(({ category_id: id, category_name: name, total_products: many }) => choice(String(id), name, many));
  $("categories").replaceChildren(choice("", "All categories"), ...rows);
  findCategory();
}

function findCategory() {
  const wanted = $("find-category").value.trim().toLocaleLowerCase();
  for (const label of $("categories").querySelectorAll("label")) {
    const radio = label.querySelector("input");
    const isFound = label.textContent.toLocaleLowerCase().includes(wanted);
    label.hidden = Boolean(wanted) && !isFound && !radio.checked && radio.value !== "";
  }
}

$("find-category").addEventListener("input", findCategory);
$("find-category").addEventListener("keydown", (event) => {
  // It finds by itself: there is nothing to send.
  if (event.key === "Enter") event.preventDefault();
});

// A phone shows the products first; where there is room nothing is to be opened.
const roomy = matchMedia("(min-width: 56rem)");
const fold = () => ($("filters").open = roomy.matches);
roomy.addEventListener("change", fold);
fold();

show();
load({});
loadCategories();
