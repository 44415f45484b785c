// What the pages have in common. Texts become text nodes, whatever they hold.

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties and children; a child that is no node becomes a text. */
function h(name, properties = {}, ...children) {
  return filled(document.createElement(name), properties, children);
}

/** The same of a drawing. */
function s(name, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, name), properties, children);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const $ = (id) => document.getElementById(id);

const WHOLE = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** A link that can be followed: http and https alone, whatever else a text may name. */
function webAddress(text) {
  try {
    const url = new URL(text);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

/** Why an answer is no good, in words for a reader. */
async function problemOf(response) {
  try {
    const problem = await response.json();
    if (typeof problem.detail === "string" && problem.detail) return sentence(problem.detail);
  } catch {
    // No document came with it: the status alone has to do.
  }
  return `The server answered with status ${response.status}.`;
}

function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

/** Where a list goes on, out of the header `Link`; null on its last page. */
function nextOf(response) {
  const link = response.headers.get("link") ?? "";
  const next = /<([^>]*)>\s*;\s*rel="next"/.exec(link);
  return next ? new URL(next[1], location.origin) : null;
}
