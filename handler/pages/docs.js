// Draws openapi.json, and sends what is asked of it to the server that it came from. Whatever
// is in the document or in an answer becomes a text and nothing else.

const METHODS = ["get", "post", "put", "patch", "delete"];
// More of an answer is not shown; a streamed list is cut off there.
const SHOWN_BYTES_MAX = 200_000;
// A schema within a schema within … is shown so deep.
const DEPTH_MAX = 5;
const PATTERN_MAX = 50;

const byId = (id) => document.getElementById(id);
let api;
// In memory only.
let token = "";

/** An element; what is not an element becomes a text. */
function el(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== ""));
  return element;
}

/** Paragraphs with `code` and **strong words**. */
function prose(text = "") {
  return text.split("\n\n").filter(Boolean).map((paragraph) => el("p", {}, ...inline(paragraph)));
}

function inline(text = "") {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith("`") && part.length > 1) return el("code", {}, part.slice(1, -1));
    if (part.startsWith("**")) return el("strong", {}, part.slice(2, -2));
    return part;
  });
}

function resolved(thing) {
  let found = thing;
  while (found?.$ref) {
    found = found.$ref.slice(2).split("/").reduce((place, key) => place?.[key], api);
  }
  return found ?? {};
}

// --- what a schema says ------------------------------------------------------------------

function typeOf(schema) {
  const real = resolved(schema);
  if (real.anyOf) return real.anyOf.map(typeOf).join(" or ");
  const name = schema.$ref?.split("/").pop();
  if (real.type === "array") return `list of ${typeOf(real.items ?? {})}`;
  const type = [real.type ?? "any"].flat().join(" or ");
  return name && real.type === "object" ? name : type;
}

function limitsOf(schema) {
  const real = resolved(schema);
  const some = (real.anyOf ?? []).map(limitsOf).filter(Boolean);
  const say = (key, words) => (real[key] === undefined ? [] : [words(real[key])]);
  return [
    ...say("format", (format) => format),
    ...say("enum", (values) => `one of ${values.join(", ")}`),
    ...say("const", (value) => `always ${value}`),
    ...say("minimum", (least) => `at least ${least}`),
    ...say("maximum", (most) => `at most ${most}`),
    ...say("minLength", (least) => (least === 1 ? "not empty" : `${least} characters or more`)),
    ...say("maxLength", (most) => `${most} characters at most`),
    ...say("maxItems", (most) => `${most} entries at most`),
    // A longer one is told of in words.
    ...say("pattern", (pattern) => (pattern.length > PATTERN_MAX ? [] : pattern)).flat(),
    ...say("default", (usual) => `usually ${usual}`),
    ...some,
  ].join(" · ");
}

/** The fields of an object, or of the objects in a list. */
function fieldsOf(schema, depth = 0) {
  const real = resolved(schema);
  if (real.type === "array") return fieldsOf(real.items ?? {}, depth);
  const properties = { ...real.properties };
  if (depth >= DEPTH_MAX || Object.keys(properties).length === 0) return undefined;
  const needed = new Set(real.required);
  const entries = Object.entries(properties).flatMap(([name, field]) => [
    el("dt", {}, el("code", {}, name), " ", el("span", { class: "type" }, typeOf(field)),
      needed.has(name) ? el("span", { class: "needed" }, " must be there") : ""),
    el("dd", { class: "hint" },
      inline([field.description ?? resolved(field).description, limitsOf(field)].filter(Boolean).join(" ")),
      fieldsOf(field, depth + 1) ?? ""),
  ]);
  return el("dl", { class: "fields" }, entries);
}

function written(example) {
  return typeof example === "string" ? example : JSON.stringify(example, null, 2);
}

function schemaAndExample(media) {
  const about = resolved(media.schema).description;
  const examples = media.examples
    ? Object.entries(media.examples).map(([name, { value }]) => [name, value])
    : media.example === undefined ? [] : [["example", media.example]];
  return [
    about ? el("p", { class: "hint" }, inline(about)) : "",
    fieldsOf(media.schema ?? {}) ?? "",
    ...examples.flatMap(([name, value]) => [el("h4", {}, name), el("pre", { tabindex: "0" }, written(value))]),
  ];
}

// --- an operation ------------------------------------------------------------------------

function drawOperation({ path, method, operation }) {
  const needsToken = operation.security?.every((way) => "token" in way);
  const inside = el("div", { class: "inside" });
  const details = el("details", { class: "operation", id: operation.operationId },
    el("summary", {},
      el("span", { class: `method ${method}` }, method),
      el("span", { class: "path" }, path),
      el("span", { class: "about" }, operation.summary ?? ""),
      needsToken ? el("span", { class: "lock" }, "with a token") : ""),
    inside);
  details.addEventListener("toggle", () => {
    // Made when it is looked at for the first time: the page is there sooner.
    if (details.open && !inside.hasChildNodes()) inside.append(...drawInside(path, method, operation));
  });
  return details;
}

function drawInside(path, method, operation) {
  const bodies = Object.entries(operation.requestBody?.content ?? {});
  return [
    ...prose(operation.description),
    el("h3", {}, "Try it"),
    drawTrial(path, method, operation, bodies),
    ...bodies.length ? [el("h3", {}, "Body"), ...bodies.slice(0, 1).flatMap(([type, media]) => [
      el("p", { class: "hint" }, bodies.map(([name]) => name).join(" or ")), ...schemaAndExample(media, type)])] : [],
    el("h3", {}, "Answers"),
    ...Object.entries(operation.responses).map(drawAnswer),
  ];
}

function drawAnswer([status, given]) {
  const response = resolved(given);
  const headers = Object.entries(response.headers ?? {});
  return el("details", { class: "answer" },
    el("summary", {}, el("span", { class: `status ${kindOf(Number(status))}` }, status), " ",
      inline(response.description)),
    headers.length ? el("h4", {}, "Headers") : "",
    headers.length ? el("table", {}, el("tbody", {}, headers.map(([name, header]) =>
      el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, inline(resolved(header).description)))))) : "",
    Object.entries(response.content ?? {}).flatMap(([type, media]) => [
      el("h4", {}, type), ...schemaAndExample(media)]));
}

function kindOf(status) {
  if (status < 300) return "ok";
  return status < 400 ? "other" : "bad";
}

// --- trying it ---------------------------------------------------------------------------

let fields = 0;

function drawTrial(path, method, operation, bodies) {
  const parameters = (operation.parameters ?? []).map(resolved);
  const inputs = parameters.map((parameter) => ({ parameter, input: inputFor(parameter) }));
  const accepted = Object.keys(resolved(operation.responses["200"] ?? {}).content ?? {});
  const accept = accepted.length > 1 ? choice(accepted, accepted[0]) : undefined;
  const type = bodies.length ? choice(bodies.map(([name]) => name), bodies[0][0]) : undefined;
  const text = bodies.length ? el("textarea", { id: `field-${(fields += 1)}`, spellcheck: "false" }) : undefined;
  if (text) text.value = written(bodies[0][1].example);
  const send = el("button", { class: "send" }, "Send");
  const result = el("div", { class: "result", role: "status" });
  const form = el("form", { class: "try" },
    el("div", { class: "given" },
      ...inputs.flatMap(({ parameter, input }) => labelled(
        parameter.name, input, parameter.in, parameter.required, parameter.description, limitsOf(parameter.schema))),
      ...accept ? labelled("Accept", accept, "header") : [],
      ...type ? labelled("Content-Type", type, "header") : [],
      ...text ? labelled("Body", text, "", true) : []),
    el("div", {}, send), result);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    const request = requestOf(path, method, inputs, accept?.value, type?.value, text?.value);
    result.replaceChildren(...await answerTo(request));
    send.disabled = false;
  });
  return form;
}

function labelled(name, input, place, isNeeded, description, limits) {
  const hint = [description, limits].filter(Boolean).join(" ");
  const about = hint ? el("p", { class: "hint", id: `${input.id}-hint` }, inline(hint)) : undefined;
  if (about) input.setAttribute("aria-describedby", about.id);
  if (isNeeded) input.required = true;
  return [
    el("label", { for: input.id }, el("code", {}, name), " ", el("span", { class: "type" }, place),
      isNeeded ? el("span", { class: "needed" }, " must be there") : ""),
    el("div", {}, input, about ?? ""),
  ];
}

function choice(values, chosen) {
  const select = el("select", { id: `field-${(fields += 1)}` }, values.map((value) => el("option", { value }, value || "–")));
  select.value = chosen;
  return select;
}

function inputFor(parameter) {
  const schema = resolved(parameter.schema);
  if (schema.enum) return choice(["", ...schema.enum], "");
  if (schema.type === "boolean") return choice(["", "true", "false"], "");
  const input = el("input", {
    id: `field-${(fields += 1)}`, autocomplete: "off", spellcheck: "false",
    placeholder: parameter.example === undefined ? undefined : String(parameter.example),
    inputmode: ["integer", "number"].includes(schema.type) ? "decimal" : undefined,
  });
  if (parameter.required && parameter.example !== undefined) input.value = String(parameter.example);
  return input;
}

function requestOf(path, method, inputs, accept, type, body) {
  const query = new URLSearchParams();
  const headers = {};
  let url = path;
  for (const { parameter, input } of inputs) {
    const value = input.value;
    if (value === "") continue;
    if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else if (parameter.in === "query") query.append(parameter.name, value);
    else headers[parameter.name] = value;
  }
  if (accept) headers.Accept = accept;
  if (type) headers["Content-Type"] = type;
  if (token) headers.Authorization = `Bearer ${token}`;
  if (query.size) url += `?${query}`;
  return { url, options: { method: method.toUpperCase(), headers, body, cache: "no-store" } };
}

async function answerTo({ url, options }) {
  const began = performance.now();
  let response;
  let body;
  try {
    response = await fetch(url, options);
    body = await beginning(response);
  } catch (error) {
    return [shellCommand(url, options), el("p", { class: "bad" }, `No answer: ${error.message}`)];
  }
  const ms = (performance.now() - began).toFixed(1);
  const headers = [...response.headers].map(([name, value]) =>
    el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value)));
  return [
    shellCommand(url, options),
    el("p", {}, el("span", { class: `status ${kindOf(response.status)}` }, `${response.status} ${response.statusText}`),
      ` in ${ms} ms, ${body.bytes} bytes${body.isCut ? ", cut off here" : ""}`),
    el("table", {}, el("tbody", {}, headers)),
    body.text ? el("pre", { tabindex: "0" }, pretty(body.text, response.headers.get("content-type"))) : "",
  ].filter(Boolean);
}

/** The beginning of a body: a whole list would be hundreds of megabytes. */
async function beginning(response) {
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  let [text, bytes] = ["", 0];
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.length;
    text += decoder.decode(value, { stream: true });
    if (bytes > SHOWN_BYTES_MAX) {
      await reader.cancel();
      return { text, bytes, isCut: true };
    }
  }
  return { text, bytes, isCut: false };
}

function pretty(text, type) {
  if (!/json$/.test((type ?? "").split(";")[0]) || /ndjson/.test(type)) return text;
  try {
    return indented(text);
  } catch {
    return text;
  }
}

/** JSON with line breaks, every value as it was written: a price keeps its two decimals. */
function indented(text) {
  JSON.parse(text);
  const parts = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g);
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  return parts.map((part, at) => {
    if (part === "{" || part === "[") {
      depth += 1;
      return "}]".includes(parts[at + 1]) ? part : part + line();
    }
    if (part === "}" || part === "]") {
      depth -= 1;
      return "{[".includes(parts[at - 1]) ? part : line() + part;
    }
    if (part === ",") return part + line();
    return part === ":" ? ": " : part;
  }).join("");
}

/** The same request for a shell; the token stays out of it. */
function shellCommand(url, { method, headers, body }) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = Object.entries(headers).map(([name, value]) =>
    name === "Authorization" ? '-H "Authorization: Bearer $token"' : `-H ${quoted(`${name}: ${value}`)}`);
  if (body !== undefined) lines.push(`-d ${quoted(body)}`);
  return el("pre", { tabindex: "0" }, [`curl -X ${method} ${quoted(location.origin + url)}`, ...lines].join(" \\\n  "));
}

// --- who asks ----------------------------------------------------------------------------

function useToken(value, whose) {
  token = value.trim();
  byId("token").value = token;
  byId("who-is").textContent = token ? whose : "Not signed in";
}

async function signIn(event) {
  event.preventDefault();
  const said = byId("sign-in-said");
  said.textContent = "…";
  const [email, password] = [byId("email").value, byId("password").value];
  try {
    const response = await fetch("/login", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ email, password }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.detail ?? `${response.status}`);
    useToken(answer.idToken, email);
    byId("password").value = "";
    said.textContent = "Signed in.";
    byId("who").open = false;
  } catch (error) {
    said.textContent = `Not signed in: ${error.message}`;
  }
}

// --- the whole ---------------------------------------------------------------------------

function operationsOf(document) {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ path, method, operation: item[method] })));
}

/** What the filter looks at: every text of the operation, what it refers to included. */
function textOf({ path, method, operation }) {
  const names = (operation.parameters ?? []).map((parameter) => resolved(parameter).name);
  return `${method} ${path} ${names.join(" ")} ${JSON.stringify(operation)}`.toLowerCase();
}

function draw() {
  const operations = operationsOf(api);
  const shown = [];
  const [main, contents] = [byId("main"), byId("contents")];
  main.replaceChildren(...prose(api.info.description));
  for (const tag of api.tags) {
    const own = operations.filter(({ operation }) => operation.tags?.includes(tag.name));
    const section = el("section", {}, el("h2", {}, tag.name), el("p", {}, tag.description));
    const list = el("ul");
    for (const one of own) {
      const details = drawOperation(one);
      const link = el("li", {}, el("a", { href: `#${one.operation.operationId}` },
        el("span", { class: `method ${one.method}` }, one.method), one.path));
      shown.push({ text: textOf(one), parts: [details, link] });
      section.append(details);
      list.append(link);
    }
    main.append(section);
    contents.append(el("li", {}, el("b", {}, tag.name), list));
  }
  byId("version").textContent = api.info.version;
  byId("filter").addEventListener("input", () => filter(shown));
  filter(shown);
}

function filter(shown) {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const { text, parts } of shown) {
    const isHit = words.every((word) => text.includes(word));
    parts.forEach((part) => (part.hidden = !isHit));
    count += isHit ? 1 : 0;
  }
  for (const section of document.querySelectorAll("main section, #contents > li")) {
    section.hidden = !section.querySelector(".operation:not([hidden]), li:not([hidden])");
  }
  // Whoever looks for something has read how it begins.
  document.querySelectorAll("main > p").forEach((paragraph) => (paragraph.hidden = words.length > 0));
  byId("found").textContent = `${count} of ${shown.length}`;
}

function openNamed() {
  const named = byId(decodeURIComponent(location.hash.slice(1)));
  if (named?.matches("details.operation")) {
    if (named.hidden) {
      byId("filter").value = "";
      byId("filter").dispatchEvent(new Event("input"));
    }
    named.open = true;
    named.scrollIntoView();
    named.querySelector("summary").focus({ preventScroll: true });
  }
}

byId("sign-in").addEventListener("submit", signIn);
byId("token").addEventListener("input", (event) => useToken(event.target.value, "With a token"));
byId("forget").addEventListener("click", () => useToken("", ""));
window.addEventListener("hashchange", openNamed);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.matches("input, textarea, select")) {
    event.preventDefault();
    byId("filter").focus();
  }
  if (event.key === "Escape" && byId("who").open) {
    byId("who").open = false;
    byId("who").querySelector("summary").focus();
  }
});
try {
  const response = await fetch("/openapi.json", { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`${response.status}`);
  api = await response.json();
  draw();
  openNamed();
} catch (error) {
  byId("main").replaceChildren(el("p", { class: "bad" }, `The document could not be read: ${error.message}`));
}
