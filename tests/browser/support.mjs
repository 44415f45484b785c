// The real binary, a real browser, and what both are looked at for.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const require = createRequire(join(process.env.NODE_PATH, "any.js"));
const { chromium } = require("playwright-core");
const AXE = require("axe-core").source;

export const HEADER = "asin,title,imgUrl,productURL,stars,reviews,price,listPrice,category_id,isBestSeller,boughtInLastMonth";
export const ADMINISTRATOR = { email: "ann@shop.example", password: "Secret1!" };
export const OTHER = { email: "bob@shop.example", password: "Secret2!" };
/** A bound for what has to come, on a busy machine. */
export const SOON_MS = 60_000;

// --- The service.

/** A handler of its own, on a free port, with an empty data folder. */
export class Service {
  static async start(variables = {}) {
    const service = new Service();
    service.folder = await mkdtemp(join(tmpdir(), "vitrine-browser-"));
    service.data = join(service.folder, "data");
    service.variables = variables;
    await service.serve("127.0.0.1:0");
    return service;
  }

  async serve(listen) {
    this.child = spawn(process.env.VITRINE_HANDLER, ["serve"], {
      cwd: this.folder,
      env: { VITRINE_DATA_DIR: this.data, VITRINE_LISTEN: listen, ADMIN_EMAILS: ADMINISTRATOR.email, RATE_LIMITS: "off", ...this.variables },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines = createInterface({ input: this.child.stdout });
    this.url = await new Promise((resolve, reject) => {
      lines.on("line", (line) => {
        const found = /^\s*(http:\/\/[^/]+)\/$/.exec(line);
        if (found) resolve(found[1]);
      });
      this.child.once("exit", (code) => reject(new Error(`the handler ended with ${code} at its start`)));
    });
  }

  async kill() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await ended;
  }

  async stop() {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Imports a file by the command line, and waits for its end. */
  async import(name, text) {
    const file = join(this.folder, name);
    await writeFile(file, text);
    await this.command("import", file);
  }

  command(...given) {
    return promisify(execFile)(process.env.VITRINE_HANDLER, given, { cwd: this.folder, env: { VITRINE_DATA_DIR: this.data } });
  }

  /** Leaves a file where uploads are watched for, all at once. */
  async drop(file, name) {
    await rename(file, join(this.data, "blobs", "imports", name));
  }

  async post(path, body, token) {
    const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
    const response = await fetch(this.url + path, { method: "POST", headers, body: JSON.stringify(body) });
    assert.ok(response.ok, `${path}: ${response.status} ${await response.clone().text()}`);
    return response.status === 204 ? null : response.json();
  }

  async people() {
    for (const person of [ADMINISTRATOR, OTHER]) await this.post("/signup", { ...person, firstName: "Ann", lastName: "Lee" });
  }
}

export function csvRow(fields) {
  return fields.map((field) => `"${String(field ?? "").replaceAll('"', '""')}"`).join(",");
}

/** A file of products; what is not given of one is made up. */
export function products(rows) {
  const lines = rows.map((row, i) => {
    const asin = row.asin ?? `B${String(i).padStart(6, "0")}`;
    const whole = { title: `Lamp ${i}`, imgUrl: `https://img.example/${asin}.jpg`, productURL: `https://shop.example/dp/${asin}`, stars: 4.5, reviews: 10, price: "19.99", listPrice: "0.00", category_id: 1, isBestSeller: "False", boughtInLastMonth: 50, ...row, asin };
    return csvRow(HEADER.split(",").map((name) => whole[name]));
  });
  return [HEADER, ...lines, ""].join("\n");
}

// --- The browser.

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });

export async function closeBrowser() {
  await browser.close();
}

/** A picture of 8 by 8 dots, for products whose own are of no real host. */
const DOTS = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAF0lEQVR4nGNgmPofO2IYWhJYdeABQ0sCALwWcYF9tpmUAAAAAElFTkSuQmCC", "base64");

/**
 * A tab that writes down what it asks for and what goes wrong in it. Pictures of `img.example`
 * come from here, all other hosts are cut off.
 */
export async function openTab(service, { width = 1280, height = 900, scheme = "light", reducedMotion = "reduce" } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion });
  const page = await context.newPage();
  page.setDefaultTimeout(SOON_MS);
  const seen = { requests: [], faults: [] };
  page.on("request", (request) => seen.requests.push(request.url()));
  page.on("pageerror", (error) => seen.faults.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") seen.faults.push(`console: ${message.text()}`);
  });
  page.on("dialog", (dialog) => {
    seen.faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => globalThis.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
    globalThis.shifts = 0;
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => entry.hadRecentInput || (globalThis.shifts += entry.value))).observe({ type: "layout-shift", buffered: true });
  });
  await context.route((url) => !url.href.startsWith(service.url), (route) => {
    const url = new URL(route.request().url());
    if (url.hostname === "img.example") {
      if (url.pathname.includes("gone")) return route.fulfill({ status: 404, body: "" });
      return route.fulfill({ contentType: "image/png", body: DOTS });
    }
    return route.abort();
  });
  return { page, seen, close: () => context.close() };
}

/** Nothing was refused by the policy, nothing went wrong, and no host but these was asked. */
export async function assertClean({ page, seen }, service, { hosts = [], faults = [] } = {}) {
  assert.deepEqual(await page.evaluate(() => globalThis.violations), [], "the policy refused something");
  const allowed = (fault) => faults.some((pattern) => pattern.test(fault));
  assert.deepEqual(seen.faults.filter((fault) => !allowed(fault)), [], "something went wrong");
  const outside = seen.requests.filter((url) => !url.startsWith(service.url) && !url.startsWith("data:") && !hosts.includes(new URL(url).hostname));
  assert.deepEqual(outside, [], "another host was asked");
}

/** No finding of axe that is serious or worse. */
export async function assertAccessible(page, name) {
  const frame = await page.evaluateHandle(AXE);
  await frame.dispose();
  const findings = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.slice(0, 5).map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary}`) }));
  });
  const lesser = findings.filter(({ impact }) => impact !== "serious" && impact !== "critical").map(({ id }) => id);
  console.log(`axe ${name}: ${findings.length - lesser.length} serious, ${lesser.length} lesser ${lesser}`);
  assert.deepEqual(findings.filter(({ impact }) => impact === "serious" || impact === "critical"), [], name);
}

/** The page is no wider than the window. */
export async function assertFits(page, name) {
  const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= window, `${name}: ${wide} wide in a window of ${window}`);
}

export async function picture(page, name, options = {}) {
  await page.screenshot({ path: join(process.env.BROWSER_PICTURES, `${name}.png`), ...options });
}

/** Waits until something is so; what it was last is told if it never is. */
export async function until(read, isSo, what) {
  const end = Date.now() + SOON_MS;
  for (;;) {
    const value = await read();
    if (isSo(value)) return value;
    assert.ok(Date.now() < end, `${what}: still ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export { assert };
