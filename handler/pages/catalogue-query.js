
// What is asked for. It stands in the address of the page under the names of the API, so that a
// link can be shared and the browser's own buttons lead through what was looked at.

const PAGE_SIZE = 24;
const NAMES = ["q", "category_id", "min_price", "max_price", "min_stars", "best_seller", "sort", "cursor"];

/** What an address asks for. What is not known by name is somebody else's. */
function queryOf(search) {
  const given = new URLSearchParams(search);
  const query = {};
  for (const name of NAMES) {
    const value = given.get(name)?.trim();
    if (value) query[name] = value;
  }
  // A search goes by relevance.
  if (query.q) delete query.sort;
  return query;
}

/** The address of the page that asks for it. */
function addressOf(query) {
  const words = new URLSearchParams(query).toString();
  return words ? `/?${words}` : "/";
}

/** The same of the API. */
function apiOf(query) {
  return `/products?${new URLSearchParams({ ...query, limit: String(PAGE_SIZE) })}`;
}

/** The query with some of it changed. Another list begins at its beginning. */
function changed(query, changes) {
  const next = { ...query, ...changes };
  if (!("cursor" in changes)) delete next.cursor;
  for (const [name, value] of Object.entries(next)) {
    if (!value) delete next[name];
  }
  if (next.q) delete next.sort;
  return next;
}

/** What two fields say of a price: `{min, max}` as the API takes them, or `{fault}`. */
function pricesOf(minText, maxText) {
  const read = (text) => {
    const bare = text.trim().replace(/^\$/, "").replace(",", ".");
    if (!bare) return "";
    return /^\d{1,8}(\.\d{1,2})?$/.test(bare) ? bare : null;
  };
  const [min, max] = [read(minText), read(maxText)];
  if (min === null || max === null) return { fault: "A price is a number such as 12 or 12.50.", at: min === null ? "min_price" : "max_price" };
  if (min && max && Number(min) > Number(max)) return { fault: "The lowest price is above the highest.", at: "min_price" };
  return { min, max };
}
