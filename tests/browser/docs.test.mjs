// The API document as a page: what every page is held to, and that it shows and sends all there is.

import { after, before, describe, test } from "node:test";
import { ADMINISTRATOR, assert, assertAccessible, assertClean, assertFits, closeBrowser, openTab, picture, Service } from "./support.mjs";

describe("the page of the API document", { timeout: 600_000 }, () => {
  let service;
  before(async () => {
    service = await Service.start();
    await service.people();
    await service.import("c.csv", "id,category_name\n3,Lamps\n");
  });
  after(async () => {
    await service.stop();
    await closeBrowser();
  });

  for (const scheme of ["light", "dark"]) {
    for (const width of [1280, 390, 320]) {
      test(`it can be used by everybody and asks nobody else, ${scheme} at ${width}`, async () => {
        const tab = await openTab(service, { scheme, width });
        await tab.page.goto(`${service.url}/docs`);
        await tab.page.waitForLoadState("networkidle");
        for (const path of ["/products/{asin}", "/login/refresh", "/imports/{id}/rejects"]) await tab.page.getByText(path).first().waitFor({ state: "attached" });
        if (width !== 320) await assertAccessible(tab.page, `docs at ${width}, ${scheme}`);
        await assertFits(tab.page, `docs at ${width}`);
        await assertClean(tab, service);
        await picture(tab.page, `docs-${width}-${scheme}`);
        await tab.close();
      });
    }
  }

  const opened = async (options) => {
    const tab = await openTab(service, options);
    await tab.page.goto(`${service.url}/docs`);
    await tab.page.locator("details.operation").first().waitFor();
    return tab;
  };
  const signIn = async (page) => {
    await page.click("#who > summary");
    await page.fill("#email", ADMINISTRATOR.email);
    await page.fill("#password", ADMINISTRATOR.password);
    await page.keyboard.press("Enter");
    await page.locator("#who-is", { hasText: ADMINISTRATOR.email }).waitFor();
  };
  const send = async (page, operation) => {
    const result = page.locator(`#${operation} .result`);
    const before = await result.textContent();
    await page.click(`#${operation} button.send`);
    await page.waitForFunction(([id, old]) => document.querySelector(`#${id} .result`).textContent !== old, [operation, before]);
    return result;
  };

  test("every operation is there, and opened tells all of it", async () => {
    const tab = await opened();
    const document = await fetch(`${service.url}/openapi.json`).then((r) => r.json());
    for (const item of Object.values(document.paths)) {
      for (const { operationId, responses, parameters, requestBody } of Object.values(item)) {
        const details = tab.page.locator(`#${operationId}`);
        await details.locator("> summary").click();
        await details.locator(".answer").first().waitFor();
        assert.equal(await details.locator(".answer").count(), Object.keys(responses).length, operationId);
        const fields = await details.locator("form.try :is(input, select, textarea)").count();
        assert.ok(fields >= parameters.length + (requestBody ? 2 : 0), operationId);
      }
    }
    await assertAccessible(tab.page, "docs, all opened");
    await assertClean(tab, service);
    await tab.close();
  });

  test("a product is made, and a title with markup is shown as text", async () => {
    const tab = await opened();
    const { page } = tab;
    await signIn(page);
    await page.click("#CreateProduct > summary");
    const title = '<img src=x onerror="window.hit=1"><b>Lamp</b>';
    await page.fill("#CreateProduct textarea", JSON.stringify({ asin: "DOCS-1", title, category_id: 3, price: 0.5 }));
    const made = await send(page, "CreateProduct");
    assert.match(await made.locator(".status").textContent(), /^201/);
    assert.match(await made.textContent(), /in [0-9.]+ ms, [0-9]+ bytes/);
    const body = await made.locator("pre").last().textContent();
    assert.ok(body.includes('"price": 0.50') && body.includes("<b>Lamp</b>"), body);
    assert.ok(!(await made.locator("pre").first().textContent()).includes("eyJ"), "the token stays out of the command");
    assert.equal(await page.evaluate(() => window.hit), undefined);
    assert.equal(await page.locator("main img, main b").count(), 0);
    await page.click("#GetProduct > summary");
    await page.fill("#GetProduct input >> nth=0", "DOCS-1");
    const read = await send(page, "GetProduct");
    assert.match(await read.locator("table").textContent(), /cache-status/);
    await picture(page, "docs-tried");
    await assertClean(tab, service);
    await page.reload();
    await page.locator("details.operation").first().waitFor();
    assert.equal(await page.textContent("#who-is"), "Not signed in", "a token is gone with the page");
    assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length + document.cookie.length), 0);
    await tab.close();
  });

  test("a wrong password is told of, and a token can be pasted and forgotten", async () => {
    const tab = await opened();
    const { page } = tab;
    await page.click("#who > summary");
    await page.fill("#email", ADMINISTRATOR.email);
    await page.fill("#password", "Wrong1!!");
    await page.keyboard.press("Enter");
    await page.locator("#sign-in-said", { hasText: "signing in failed" }).waitFor();
    await page.fill("#token", "nonsense");
    assert.equal(await page.textContent("#who-is"), "With a token");
    await page.click("#Me > summary");
    assert.match(await (await send(page, "Me")).locator(".status").textContent(), /^401/);
    await page.click("#forget");
    assert.equal(await page.textContent("#who-is"), "Not signed in");
    await tab.close();
  });

  test("the keyboard finds, opens and leaves", async () => {
    const tab = await opened();
    const { page } = tab;
    await page.keyboard.press("/");
    await page.keyboard.type("too-many-imports");
    assert.match(await page.textContent("#found"), /^1 of /);
    assert.ok(await page.locator("#RetryImport").isVisible() && !(await page.locator("#Home").isVisible()));
    await page.locator("#RetryImport > summary").focus();
    await page.keyboard.press("Enter");
    await page.locator("#RetryImport button.send").waitFor();
    await page.goto(`${service.url}/docs#Stats`);
    await page.locator("#Stats[open]").waitFor();
    await tab.close();
  });

  test("a document that cannot be read is told of", async () => {
    const tab = await openTab(service);
    await tab.page.route("**/openapi.json", (route) => route.fulfill({ status: 503, body: "" }));
    await tab.page.goto(`${service.url}/docs`);
    await tab.page.locator("main", { hasText: "could not be read: 503" }).waitFor();
    await tab.close();
  });
});
