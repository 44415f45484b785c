// The dashboard, as an administrator sees and uses it.

import { after, before, describe, test } from "node:test";
import { join } from "node:path";
import { ADMINISTRATOR, assert, assertAccessible, assertClean, assertFits, closeBrowser, csvRow, HEADER, openTab, OTHER, picture, products, Service, until } from "./support.mjs";

/** So many rows take long enough to be looked at on the way. */
const IMPORT_ROWS = 600_000;
const REFUSED = [/Failed to load resource: the server responded with a status of (401|403|422)/];

describe("the dashboard", { timeout: 900_000 }, () => {
  let service;
  before(async () => {
    service = await Service.start();
    await service.people();
    await service.import("c.csv", "id,category_name\n1,Lamps\n");
    await service.import("p.csv", products(Array.from({ length: 30 }, (_, i) => ({ title: `Lamp ${i}` }))));
  });
  after(async () => {
    await service.stop();
    await closeBrowser();
  });

  async function signIn(page, { email, password } = ADMINISTRATOR) {
    await page.fill("#email", email);
    await page.fill("#password", password);
    await page.keyboard.press("Enter");
  }

  async function opened(options) {
    const tab = await openTab(service, options);
    await tab.page.goto(`${service.url}/dashboard`);
    await signIn(tab.page);
    await tab.page.locator("#figures").waitFor();
    return tab;
  }

  const tile = (page, name) => page.locator(".tile", { hasText: name }).locator(".value").textContent();
  const points = (page) => page.locator(".chart .line, .chart .point, .chart .area").count();
  const traffic = async (many) => {
    for (let i = 0; i < many; i += 1) await fetch(`${service.url}/products?limit=${1 + (i % 40)}`).then((r) => r.arrayBuffer());
  };

  test("it is painted within 200 ms", async () => {
    const tab = await openTab(service);
    const paints = [];
    for (let i = 0; i < 6; i += 1) {
      await tab.page.goto(`${service.url}/dashboard`);
      await tab.page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length > 0);
      paints.push(await tab.page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime));
    }
    console.log(`first contentful paint of /dashboard: ${paints.map((ms) => ms.toFixed(0)).join(", ")} ms`);
    assert.ok(Math.min(...paints) < 200, String(paints));
    await tab.close();
  });

  test("nobody but an administrator comes in, and is told why", async () => {
    const tab = await openTab(service);
    const { page } = tab;
    await page.goto(`${service.url}/dashboard`);
    assert.equal(await page.evaluate(() => document.activeElement.id), "email");
    assert.equal(await page.locator("#figures").isVisible(), false);
    await picture(page, "dashboard-door");
    await signIn(page, { ...ADMINISTRATOR, password: "Wrong1!x" });
    await page.locator("#door-fault:not(:empty)").waitFor();
    await assertAccessible(page, "the door with a fault");
    await signIn(page, OTHER);
    await page.getByText("This account is not an administrator's.").waitFor();
    await picture(page, "dashboard-not-an-administrator");
    assert.ok(!tab.seen.requests.some((url) => url.includes("/stats")), "nothing is asked for");
    assert.deepEqual(await page.evaluate(() => [sessionStorage.length, Object.keys(localStorage)]), [0, []], "nothing is stored");
    await signIn(page);
    await page.locator("#figures").waitFor();
    assert.equal(await page.locator("#password").inputValue(), "", "a password is not kept");
    assert.equal(await page.locator("#door").isVisible(), false);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("You are signed out.").first().waitFor();
    assert.equal(await page.locator("#figures").isVisible(), false);
    await assertClean(tab, service, { faults: REFUSED });
    await tab.close();
  });

  test("who signs out sees nothing more, whatever is still on its way", async () => {
    for (const answer of [(route) => route.continue(), (route) => route.fulfill({ status: 500, body: "" })]) {
      const tab = await opened();
      const { page } = tab;
      let letGo;
      const held = new Promise((resolve) => (letGo = resolve));
      await page.route("**/stats", async (route) => {
        await held;
        await answer(route);
      });
      await page.waitForRequest("**/stats");
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByText("You are signed out.").first().waitFor();
      const answered = page.waitForResponse("**/stats");
      letGo();
      await answered;
      await page.waitForTimeout(300);
      assert.equal(await page.locator("#figures").isVisible(), false);
      assert.equal(await page.locator("#trouble").isVisible(), false);
      assert.match(await page.locator("#live-words").textContent(), /^stopped/);
      await tab.close();
    }
  });

  test("who signs out is signed out at the server, with a token that has ended too", async () => {
    const tab = await opened();
    const { page } = tab;
    const answers = [];
    await page.route("**/logout", async (route) => {
      if (answers.length === 0) {
        answers.push(401);
        return route.fulfill({ status: 401, contentType: "application/problem+json", body: "{}" });
      }
      const response = await route.fetch();
      answers.push(response.status());
      return route.fulfill({ response });
    });
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("You are signed out.").first().waitFor();
    assert.deepEqual(answers, [401, 204]);
    await tab.close();
  });

  test("it is live while requests come in", async () => {
    const tab = await opened();
    const { page } = tab;
    const before = await tile(page, "Requests");
    await traffic(120);
    await until(() => tile(page, "Requests"), (now) => now !== before && !now.startsWith("0/s") && now !== "–", "requests per second");
    await page.locator("#routes tbody tr", { hasText: "/products" }).first().waitFor();
    const row = page.locator("#routes tbody tr", { hasText: "GET /products" }).first();
    await until(() => row.locator("td").nth(1).textContent(), (p50) => / ms$/.test(p50), "p50 of a route");
    const label = await page.getByRole("img", { name: /Requests per second over the last minute/ }).getAttribute("aria-label");
    assert.match(label, /Now: all [\d.]+/);
    const chart = page.locator(".chart", { hasText: "Latency" });
    await chart.getByText("As a table").click();
    await until(() => chart.locator("tbody tr").count(), (rows) => rows >= 2, "the chart as a table");
    await picture(page, "dashboard-live", { fullPage: true });
    await assertClean(tab, service, { faults: REFUSED });
    await tab.close();
  });

  test("an import is seen to move, its refused rows can be read, and markup in them is text", async () => {
    await service.command("generate", "--rows", String(IMPORT_ROWS), "--out", join(service.folder, "generated"));
    const tab = await opened();
    const { page } = tab;
    const bad = [csvRow(["A-1", "Lamp <img src=x onerror='window.hit=1'>", "", "", "9.9", "", "", "", 1, "", ""]), csvRow(["A-2", "<script>window.hit=1</script>", "", "", "", "", "-3", "", 1, "", ""]), csvRow(["A-3", "A good one", "", "", "", "", "", "", 1, "", ""])];
    await service.import("<b>bad<b>.csv", [HEADER, ...bad, ""].join("\n"));
    await service.drop(join(service.folder, "generated", "amazon_products.csv"), "many.csv");
    const run = page.locator(".run", { hasText: "many.csv" });
    await run.waitFor();
    const bar = run.getByRole("progressbar");
    const steps = new Set();
    await until(async () => {
      const value = Number(await bar.getAttribute("aria-valuenow"));
      const isNew = !steps.has(value);
      steps.add(value);
      if (isNew && value > 20 && value < 100 && !steps.has("pictured")) {
        steps.add("pictured");
        await picture(page, "dashboard-import", { fullPage: true });
      }
      return run.locator(".word").textContent();
    }, (state) => state === "done", "the import");
    steps.delete("pictured");
    const values = [...steps];
    console.log(`import seen at ${values.join(", ")} %`);
    assert.ok(values.filter((value) => value > 0 && value < 100).length >= 2, `seen at ${values}`);
    assert.deepEqual(values, [...values].sort((a, b) => a - b), "it never goes back");
    assert.match(await run.locator(".counts").innerText(), /600,000 read/);
    await page.locator("#status", { hasText: "Import of many.csv: done." }).waitFor({ state: "attached" });

    const refused = page.locator(".run", { hasText: "<b>bad<b>.csv" });
    await refused.getByRole("button", { name: /Refused rows/ }).click();
    await page.locator("#rejects-table tbody tr").nth(1).waitFor();
    const text = await page.locator("#rejects").innerText();
    assert.match(text, /All 2\./);
    assert.match(text, /stars/);
    assert.match(text, /<script>window\.hit=1<\/script>/);
    assert.equal(await page.evaluate(() => globalThis.hit), undefined);
    await picture(page, "dashboard-rejects");
    await assertAccessible(page, "refused rows");
    await page.keyboard.press("Escape");
    await until(() => page.evaluate(() => document.activeElement.textContent), (at) => at === "Refused rows", "focus goes back");
    await assertClean(tab, service, { faults: REFUSED });
    await tab.close();
  });

  /** No instance counts it: what moves is seen in the list alone. */
  test("an import by the command line is followed as well", async () => {
    const tab = await opened();
    const { page } = tab;
    const importing = service.command("import", join(service.folder, "generated", "amazon_categories.csv"), join(service.folder, "data", "blobs", "imports", "many.csv"), "--again");
    const run = page.locator(".run.loading");
    await until(async () => {
      await page.getByRole("button", { name: "Look again" }).click();
      return run.count();
    }, (many) => many === 1, "the run");
    const seen = new Set();
    await until(async () => {
      const bars = await run.getByRole("progressbar").evaluateAll((all) => all.map((bar) => bar.getAttribute("aria-valuenow")));
      for (const value of bars) seen.add(value);
      return page.locator(".run.loading, .run.indexing").count();
    }, (many) => many === 0, "its end");
    console.log(`import by the command line seen at ${[...seen].join(", ")} %`);
    assert.ok(seen.size >= 2, `seen at ${[...seen]}`);
    await importing;
    await assertClean(tab, service, { faults: REFUSED });
    await tab.close();
  });

  test("an import is cancelled and tried again from here", async () => {
    await service.command("generate", "--rows", String(IMPORT_ROWS), "--seed", "7", "--out", join(service.folder, "more"));
    const tab = await opened();
    const { page } = tab;
    await service.drop(join(service.folder, "more", "amazon_products.csv"), "more.csv");
    const run = page.locator(".run", { hasText: "more.csv" }).last();
    await run.getByRole("button", { name: /Cancel/ }).click();
    const dialog = page.getByRole("dialog", { name: "Cancel this import?" });
    await picture(page, "dashboard-cancel");
    await assertAccessible(page, "a question");
    await dialog.getByRole("button", { name: "Let it go on" }).click();
    assert.notEqual(await run.locator(".word").textContent(), "cancelled");
    await run.getByRole("button", { name: /Cancel/ }).click();
    await dialog.getByRole("button", { name: "Cancel the import" }).click();
    await run.locator(".word", { hasText: "cancelled" }).waitFor();
    await run.getByRole("button", { name: /Retry/ }).click();
    await until(() => page.locator(".run", { hasText: "more.csv" }).locator(".word").allTextContents(), (states) => states.some((state) => state === "loading" || state === "indexing" || state === "done"), "the next attempt");
    await until(() => page.locator(".run", { hasText: "more.csv" }).locator(".word").allTextContents(), (states) => states.includes("done"), "its end");
    await assertClean(tab, service, { faults: REFUSED });
    await tab.close();
  });

  test("a /stats that fails is told of, asked less often, and the charts stay", async () => {
    const tab = await opened();
    const { page } = tab;
    await until(() => points(page), (many) => many > 0, "charts");
    const asked = [];
    await page.route("**/stats", (route) => {
      asked.push(Date.now());
      return route.fulfill({ status: 500, contentType: "application/problem+json", body: JSON.stringify({ detail: "internal error" }) });
    });
    await page.locator("#trouble-words", { hasText: /No figures since .* Internal error\. Trying again every/ }).waitFor();
    await until(() => asked.length, (many) => many >= 4, "more tries");
    const waits = asked.slice(1).map((at, i) => at - asked[i]);
    assert.ok(waits.every((wait, i) => i === 0 || wait > waits[i - 1] * 1.4), `waits ${waits}`);
    assert.ok((await points(page)) > 0, "charts stay");
    await picture(page, "dashboard-stats-failing", { fullPage: true });
    await assertAccessible(page, "failing");
    await page.unroute("**/stats");
    await page.getByRole("button", { name: "Try now" }).click();
    await page.locator("#trouble").waitFor({ state: "hidden" });
    // An answer that never comes.
    await page.route("**/stats", () => {});
    await page.locator("#trouble-words", { hasText: "No answer in 10 seconds." }).waitFor();
    await page.unroute("**/stats");
    // An answer that is none.
    await page.route("**/stats", (route) => route.fulfill({ contentType: "application/json", body: "<html>" }));
    await page.getByRole("button", { name: "Try now" }).click();
    await page.locator("#trouble-words", { hasText: "not what was expected" }).waitFor();
    await page.unroute("**/stats");
    // One of another shape.
    await page.route("**/stats", (route) => route.fulfill({ contentType: "application/json", body: "null" }));
    await page.getByRole("button", { name: "Try now" }).click();
    await until(() => tab.seen.faults, (faults) => faults.some((fault) => /TypeError/.test(fault)), "the fault in the console");
    assert.match(await page.locator("#trouble-words").textContent(), /not what was expected/);
    await assertClean(tab, service, { faults: [...REFUSED, /status of 500/, /TypeError/] });
    await tab.close();
  });

  test("a server that goes and comes back is live again with the same sign-in", async () => {
    const tab = await opened();
    const { page } = tab;
    const address = new URL(service.url).host;
    await service.kill();
    await page.locator("#trouble-words", { hasText: "The server cannot be reached." }).waitFor();
    await service.serve(address);
    await page.locator("#trouble").waitFor({ state: "hidden" });
    assert.equal(await page.locator("#door").isVisible(), false);
    await assertClean(tab, service, { faults: [...REFUSED, /ERR_CONNECTION_REFUSED/, /ERR_EMPTY_RESPONSE/, /ERR_CONNECTION_RESET/] });
    await tab.close();
  });

  test("a token is exchanged before its end, once, and a refresh that fails for now ends nothing", async () => {
    const tab = await openTab(service);
    const { page } = tab;
    const short = async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), expiresIn: 4 } });
    };
    await page.route("**/login", short);
    let isAway = true;
    const refreshes = [];
    await page.route("**/login/refresh", (route) => {
      refreshes.push(route.request().postData());
      return isAway ? route.fulfill({ status: 503, contentType: "application/problem+json", body: "{}" }) : route.continue();
    });
    await page.goto(`${service.url}/dashboard`);
    await signIn(page);
    await until(() => refreshes.length, (many) => many === 1, "the first exchange");
    await page.waitForTimeout(2500);
    assert.equal(await page.locator("#trouble").isVisible(), false, "the token in hand is still good");
    isAway = false;
    await until(() => refreshes.length, (many) => many === 2, "the second exchange");
    await page.waitForTimeout(2500);
    assert.equal(await page.locator("#door").isVisible(), false);
    assert.equal(refreshes.length, 2, "the new one lasts an hour");
    await assertClean(tab, service, { faults: [...REFUSED, /status of 503/] });
    await tab.close();
  });

  test("when the session ends while it is open, the form comes back and the charts stay", async () => {
    const tab = await opened();
    const { page } = tab;
    await until(() => points(page), (many) => many > 0, "charts");
    // Ends every token of hers, refresh tokens included.
    const { stdout } = await service.command("user", "reset-password", ADMINISTRATOR.email);
    const password = /the new password is (\S+)/.exec(stdout)[1];
    await page.getByText("Your session has ended. Sign in to go on.").first().waitFor();
    await page.locator("#door").waitFor();
    assert.ok((await points(page)) > 0 && (await page.locator("#figures").isVisible()), "charts stay");
    assert.match(await page.locator("#live-words").textContent(), /^stopped, as of/);
    assert.equal(await page.evaluate(() => document.activeElement.id), "password");
    await picture(page, "dashboard-session-ended", { fullPage: true });
    await assertAccessible(page, "the session has ended");
    const asked = tab.seen.requests.length;
    await page.waitForTimeout(4500);
    assert.equal(tab.seen.requests.length, asked, "nobody asks without a token");
    ADMINISTRATOR.password = password;
    await page.keyboard.type(password);
    await page.keyboard.press("Enter");
    await page.locator("#door").waitFor({ state: "hidden" });
    await until(() => page.locator("#live-words").textContent(), (words) => words.startsWith("live"), "live again");
    await assertClean(tab, service, { faults: REFUSED });
    await tab.close();
  });

  test("who is no administrator any more, or is disabled, is told so", async () => {
    const person = { email: "eve@shop.example", password: "Secret3!" };
    await service.post("/signup", { ...person, firstName: "Eve", lastName: "Lee" });
    for (const [change, words] of [["revoke", "no administrator's any more"], ["disable", /has been disabled|session has ended/]]) {
      await service.command("user", "grant", person.email);
      const tab = await openTab(service);
      await tab.page.goto(`${service.url}/dashboard`);
      // Until the right is known she may be sent back, at the door or behind it.
      await until(async () => {
        if (await tab.page.locator("#door").isVisible()) await signIn(tab.page, person);
        await tab.page.waitForTimeout(500);
        return tab.page.locator("#figures").isVisible();
      }, (isIn) => isIn, "the right is known");
      await service.command("user", change, person.email);
      await tab.page.locator("#door-why", { hasText: words }).waitFor();
      assert.ok(await tab.page.locator("#figures").isVisible());
      await assertClean(tab, service, { faults: REFUSED });
      await tab.close();
    }
  });

  test("nobody asks while nobody looks", async () => {
    const tab = await opened();
    const { page } = tab;
    const look = (isHidden) => page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }, isHidden);
    await look(true);
    await page.waitForTimeout(500);
    const asked = tab.seen.requests.length;
    await page.waitForTimeout(5000);
    assert.equal(tab.seen.requests.length, asked);
    await look(false);
    await until(() => tab.seen.requests.length, (many) => many > asked, "looking again");
    await tab.close();
  });

  test("what is older than the charts reach is not drawn", async () => {
    const tab = await opened();
    const { page } = tab;
    await until(() => points(page), (many) => many > 0, "charts");
    await page.evaluate(() => {
      const now = Date.now;
      Date.now = () => now() + 3_600_000;
    });
    const places = () => page.evaluate(() => [...document.querySelectorAll(".chart .line, .chart .area")].flatMap((path) => path.getAttribute("d").match(/[\d.-]+ (?=[\d.-])/g).map(Number)).concat([...document.querySelectorAll(".chart .point")].map((point) => Number(point.getAttribute("cx")))));
    await page.waitForTimeout(6500);
    const drawn = await places();
    assert.ok(drawn.length > 0 && drawn.every((x) => x >= 42), `drawn at ${drawn}`);
    assert.match(await page.locator(".chart text", { hasText: "ago" }).first().textContent(), /1 min ago/);
    await tab.close();
  });

  test("everything can be done by keyboard", async () => {
    const tab = await openTab(service);
    const { page } = tab;
    await page.goto(`${service.url}/dashboard`);
    await page.keyboard.type(ADMINISTRATOR.email);
    await page.keyboard.press("Tab");
    await page.keyboard.type(ADMINISTRATOR.password);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.id), "enter");
    await page.keyboard.press("Enter");
    await page.locator(".run").first().waitFor();
    const walked = [];
    for (let i = 0; i < 40; i += 1) {
      await page.keyboard.press("Tab");
      walked.push(await page.evaluate(() => {
        const e = document.activeElement;
        return { name: e.id || e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.textContent.trim(), isSeen: getComputedStyle(e).outlineStyle !== "none" };
      }));
    }
    const names = walked.map(({ name }) => name);
    for (const wanted of ["As a table", "ask-imports", "The table of routes", "The table of instances", "sign-out", "theme"]) assert.ok(names.includes(wanted), `${wanted} in ${names}`);
    assert.deepEqual(walked.filter(({ name, isSeen }) => !isSeen && name !== "" && !name.startsWith("Skip")).map(({ name }) => name.slice(0, 60)).filter((name) => !name.includes("Vitrine")), [], "focus is seen");
    await tab.close();
  });

  for (const scheme of ["light", "dark"]) {
    test(`it shows several instances and what is broken, ${scheme}, on a desk and on a phone`, async () => {
      for (const [width, height] of [[1280, 900], [390, 780], [320, 640]]) {
        const tab = await openTab(service, { scheme, width, height });
        const { page } = tab;
        let look = 0;
        await page.route("**/stats", (route) => route.fulfill({ json: severalInstances((look += 1)) }));
        await page.goto(`${service.url}/dashboard`);
        if (width === 390) await picture(page, `dashboard-door-phone-${scheme}`);
        await assertFits(page, `the door at ${width}`);
        await signIn(page);
        await page.locator("#figures").waitFor();
        await until(() => look, (many) => many >= (width === 1280 ? 4 : 2), "some looks");
        const rows = page.locator("#instances tbody tr");
        assert.equal(await rows.count(), 4, "three instances and their sum");
        assert.match(await rows.nth(1).innerText(), /half-open[\s\S]*open/);
        assert.match(await tile(page, "Breakers"), /open/);
        assert.equal(await tile(page, "Stale reads"), "2");
        assert.equal(await tile(page, "Pool"), "5 of 48");
        assert.match(await page.locator("#versions").innerText(), /Instances that know another one\s+1/);
        assert.equal(await page.evaluate(() => globalThis.hit), undefined);
        await assertFits(page, `dashboard at ${width}`);
        if (width !== 320) await assertAccessible(page, `dashboard at ${width}, ${scheme}`);
        await picture(page, `dashboard-several-${width}-${scheme}`, { fullPage: true });
        await assertClean(tab, service, { faults: REFUSED });
        await tab.close();
      }
    });
  }

  test("a release that leaves something out breaks nothing", async () => {
    for (const left of [{}, { instances: [{}], totals: {} }, { instances: [{ id: "x", counts: { requests: [{ route: "/x", method: "GET" }] } }], totals: { cache: {} } }]) {
      const tab = await openTab(service);
      await tab.page.route("**/stats", (route) => route.fulfill({ json: left }));
      await tab.page.goto(`${service.url}/dashboard`);
      await signIn(tab.page);
      await tab.page.locator("#figures").waitFor();
      await tab.page.waitForTimeout(2500);
      assert.equal(await tab.page.locator("#trouble").isVisible(), false);
      await assertClean(tab, service, { faults: REFUSED });
      await tab.close();
    }
  });
});

/** Three instances, one of them in trouble, as they are at a look. */
function severalInstances(look) {
  const bounds = Array.from({ length: 30 }, (_, i) => Math.round(64 * 2 ** (i / 2)));
  const counts = (share) => {
    const latency = bounds.map((_, i) => Math.round(look * share * 40 * Math.exp(-((i - 8) ** 2) / 18)));
    const good = latency.reduce((sum, many) => sum + many, 0);
    const request = (route, method, part, failed = 0) => ({ route, method, answers: { "2xx": Math.round(good * part), "3xx": 5, "4xx": look, "5xx": failed }, latency: [...latency.map((many) => Math.round(many * part)), failed] });
    return {
      cache: { hits: 900 * share * look, shared_hits: 300 * share * look, misses: 100 * share * look, stale: 0, loads: 90 * look, joins: 10, audits: 60 * look, audits_stale: share === 1 ? 2 : 0, reconciliations: 12 * look, reconciliations_found: 1, told: 30 },
      streams: { begun: 3, refused: 0, cut: 0 },
      requests: [request("/products", "GET", 0.8), request("/products/{asin}", "GET", 0.2, share === 2 ? look : 0), request("/imports/{id}/rejects", "GET", 0.01)],
      store: [{ name: "products", outcome: "ok", count: 90 * look }, { name: "products", outcome: "deadline", count: 1 }],
      imports: { rows_loaded: 40_000 * share * look, rows_replaced: 100, rows_rejected: 12, runs_begun: 2, runs_done: 1, runs_failed: 0, runs_cancelled: 0, runs_superseded: 0 },
      auth: { ok: 4, refused: 1, limited: 0, failed: 0 },
    };
  };
  const instance = (id, share, breakers, catalogue) => ({ id, version: share === 3 ? "<img src=x onerror=window.hit=1>" : "0.1.0", uptime_seconds: 4000 * share, breakers, pool: { open: 4, idle: 4 - share + (share === 3 ? 1 : 0), max: 16 }, versions: { catalogue }, counts: counts(share) });
  const instances = [
    instance("0a6f6a1e-88c2-4c5e-9d3a-7c5f1f9a0001", 1, { database: "closed", shared_cache: "closed" }, 1_790_000_000_000_000),
    instance("1b7f6a1e-88c2-4c5e-9d3a-7c5f1f9a0002", 2, { database: "half_open", shared_cache: "open" }, 1_790_000_000_000_000),
    instance("2c8f6a1e-88c2-4c5e-9d3a-7c5f1f9a0003", 3, { database: "closed" }, 1_789_999_990_000_000),
  ];
  return { latency_bounds_us: bounds, instances, totals: { ...counts(6), cache: { ...counts(6).cache, audits_stale: 2 } } };
}
