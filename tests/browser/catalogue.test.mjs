// The catalogue page, as a visitor sees and uses it.

import { after, before, describe, test } from "node:test";
import { assert, assertAccessible, assertClean, assertFits, closeBrowser, openTab, picture, products, Service, SOON_MS, until } from "./support.mjs";

const MARKUP = "<img src=x onerror=\"window.hit=1\"><script>window.hit=1</script><b>Bold</b> lamp";
const AWKWARD = [
  { asin: "A-MARKUP", title: MARKUP, productURL: "https://shop.example/dp/A-MARKUP?a=%3Cscript%3E&b='x'" },
  { asin: "A-RTL", title: "מנורת שולחן LED עם מטען אלחוטי (שחור)" },
  { asin: "A-ARABIC", title: "مصباح مكتب LED قابل للتعديل 12 واط" },
  { asin: "A-EMOJI", title: "🪔 Lantern 👩🏽‍🔬 for scientists 🇮🇱 🏳️‍🌈 set of 2" },
  { asin: "A-UNKNOWN", title: "A lamp of which nothing is known", imgUrl: "", productURL: "", stars: "", reviews: "", price: "", listPrice: "", isBestSeller: "", boughtInLastMonth: "" },
  { asin: "A-GONE", title: "A lamp whose picture is gone", imgUrl: "https://img.example/gone.jpg" },
  { asin: "A-PLAIN", title: "A lamp whose picture is of an open connection", imgUrl: "http://img.example/plain.jpg" },
  { asin: "A-LONG", title: `Lamp${"withoutablank".repeat(20)}` },
  { asin: "A-BEST", title: "A best seller, much reduced", price: "12.30", listPrice: "49.00", isBestSeller: "True", boughtInLastMonth: 3000, stars: 4.8, reviews: 12345 },
];
const PLAIN = Array.from({ length: 120 }, (_, i) => ({
  title: `Reading lamp number ${i} of walnut and brass`,
  price: (5 + (i * 37) % 200 + 0.5).toFixed(2),
  stars: [3, 3.5, 4, 4.2, 4.6, 4.9][i % 6],
  reviews: i * 7,
  category_id: 1 + (i % 4),
  isBestSeller: i % 10 === 0 ? "True" : "False",
}));
const CATEGORIES = "id,category_name\n1,Lamps & Lights\n2,Kids' Electronics\n3,<i>Beds</i>\n4,ספרים\n5,Empty one\n";

/** The console tells of a picture that is not there; nothing else may go wrong. */
const GONE = [/Failed to load resource: the server responded with a status of 404/];
const HOSTS = ["img.example"];

describe("the catalogue page", { timeout: 600_000 }, () => {
  let service;
  before(async () => {
    service = await Service.start();
    await service.import("c.csv", CATEGORIES);
    await service.import("p.csv", products([...AWKWARD, ...PLAIN]));
    // The search is ready once everything can be found.
    await until(() => fetch(`${service.url}/products?q=reading&limit=1000`).then((r) => r.json()), (found) => found.length === PLAIN.length, "the index");
  });
  after(async () => {
    await service.stop();
    await closeBrowser();
  });

  const cards = (page) => page.locator("#grid .card:not([aria-hidden])");
  const ready = async (page) => {
    await page.waitForSelector('#grid[aria-busy="false"]', { state: "attached" });
    await page.waitForSelector('#categories input[value="1"]', { state: "attached" });
  };
  const visit = async (tab, path = "/") => {
    await tab.page.goto(service.url + path);
    await ready(tab.page);
  };
  const titles = (page) => page.locator(".name-of").allTextContents();

  test("it is painted within 200 ms, and nothing in it moves", async () => {
    const tab = await openTab(service);
    await visit(tab);
    const paints = [];
    for (let i = 0; i < 5; i += 1) {
      await visit(tab);
      paints.push(await tab.page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime));
    }
    const best = Math.min(...paints);
    console.log(`first contentful paint of /: ${paints.map((ms) => ms.toFixed(0)).join(", ")} ms`);
    assert.ok(best < 200, `${best} ms`);
    const shifts = await tab.page.evaluate(() => globalThis.shifts);
    console.log(`layout shift of /: ${shifts.toFixed(4)}`);
    assert.ok(shifts < 0.05, `layout shift ${shifts}`);
    // What is put in the place of something else is no shift to the browser: cards are as large
    // as what stood there before.
    let release;
    const held = new Promise((resolve) => (release = resolve));
    await tab.page.route("**/products?*", async (route) => {
      await held;
      await route.continue();
    });
    await tab.page.goto(service.url);
    const boxes = () => tab.page.locator("#grid .card").evaluateAll((all) => all.slice(0, 8).map((one) => Object.values(one.getBoundingClientRect().toJSON()).map(Math.round)));
    await tab.page.locator("#categories input").nth(1).waitFor();
    const before = await boxes();
    await picture(tab.page, "catalogue-waiting");
    release();
    await ready(tab.page);
    assert.deepEqual(await boxes(), before, "cards have other places than their outlines");
    await tab.close();
  });

  test("markup in a title is a text, other scripts read as they should, nothing unknown is made up", async () => {
    const tab = await openTab(service);
    const { page } = tab;
    await visit(tab);
    const card = (asin) => page.locator(".card", { hasText: AWKWARD.find((p) => p.asin === asin).title });
    await assertText(card("A-MARKUP"), ".name-of", MARKUP);
    assert.equal(await page.evaluate(() => globalThis.hit), undefined, "a script of a title ran");
    assert.equal(await page.locator(".name-of img, .name-of script, .name-of b").count(), 0);
    const link = card("A-MARKUP").locator("a");
    assert.deepEqual(await link.evaluate((a) => [a.rel, a.target, a.protocol]), ["noopener noreferrer nofollow", "_blank", "https:"]);
    const direction = (asin) => card(asin).locator(".name-of > *").evaluate((e) => getComputedStyle(e).direction);
    assert.deepEqual([await direction("A-RTL"), await direction("A-ARABIC"), await direction("A-EMOJI")], ["rtl", "rtl", "ltr"]);
    assert.match(await card("A-UNKNOWN").innerText(), /Not rated yet\s+Price not known/);
    assert.equal(await card("A-UNKNOWN").locator("a").count(), 0, "there is no address to go to");
    assert.match(await card("A-BEST").innerText(), /Best seller[\s\S]*4\.8[\s\S]*\(12\.3K[\s\S]*\$12\.30[\s\S]*\$49\.00[\s\S]*−75%[\s\S]*3K\+ bought/);
    // What cannot be shown is drawn, and what can is not.
    for (const asin of ["A-GONE", "A-PLAIN", "A-UNKNOWN"]) await card(asin).locator(".drawn").waitFor();
    assert.equal(await card("A-BEST").locator("img").evaluate((image) => image.loading), "lazy");
    await page.waitForFunction(() => [...document.querySelectorAll(".card img")].filter((i) => i.getBoundingClientRect().top < innerHeight).every((i) => i.complete && i.naturalWidth === 8));
    assert.equal(await page.locator("#categories .name", { hasText: "<i>Beds</i>" }).count(), 1);
    await assertClean(tab, service, { hosts: HOSTS, faults: GONE });
    await picture(page, "catalogue-light");
    await page.locator(".card", { hasText: "withoutablank" }).scrollIntoViewIfNeeded();
    await picture(page, "catalogue-awkward-titles", { fullPage: true });
    await tab.close();
  });

  test("a search goes by relevance, stands in the address, and the back button leads out of it", async () => {
    const tab = await openTab(service);
    const { page } = tab;
    await visit(tab);
    await page.getByRole("searchbox", { name: "Search the titles" }).fill("scientists");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\?q=scientists$/);
    await until(() => titles(page), (found) => found.length === 1 && found[0].includes("scientists"), "the search");
    assert.equal(await page.locator("#sort").isDisabled(), true);
    assert.match(await page.title(), /scientists/);
    assert.match(await page.locator("#status").textContent(), /1 product/);
    await picture(page, "catalogue-search");
    await page.goBack();
    await until(() => cards(page).count(), (count) => count === 24, "back");
    assert.equal(await page.locator("#q").inputValue(), "");
    await page.goForward();
    await until(() => cards(page).count(), (count) => count === 1, "forward");
    await page.locator("#q").fill("nothing like it");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "No product matches" }).waitFor();
    await picture(page, "catalogue-no-match");
    await page.locator("#empty").getByRole("button", { name: "Clear all" }).click();
    await until(() => cards(page).count(), (count) => count === 24, "cleared");
    await assertClean(tab, service, { hosts: HOSTS, faults: GONE });
    await tab.close();
  });

  test("pages lead forward and back, and a link to one can be shared", async () => {
    const tab = await openTab(service);
    const { page } = tab;
    await visit(tab, "/?sort=price");
    const first = await titles(page);
    const next = page.getByRole("button", { name: "Next" });
    const isAt = (number) => page.locator("#page-number", { hasText: `Page ${number}` }).waitFor();
    await next.click();
    await isAt(2);
    const second = await titles(page);
    assert.equal(new Set([...first, ...second]).size, 48, "no product twice");
    assert.equal(await page.evaluate(() => document.activeElement.id), "title", "who goes on begins at the top");
    await next.click();
    await isAt(3);
    await page.getByRole("button", { name: "Previous" }).click();
    await isAt(2);
    assert.deepEqual(await titles(page), second);
    const shared = page.url();
    await page.getByRole("button", { name: "Previous" }).click();
    await isAt(1);
    assert.deepEqual(await titles(page), first);
    assert.equal(await page.getByRole("button", { name: "Previous" }).isDisabled(), true);
    await page.goBack();
    await isAt(2);
    assert.deepEqual(await titles(page), second);
    // Who is impatient skips nothing and repeats nothing.
    await page.goto(`${service.url}/?sort=price`);
    await ready(page);
    await page.evaluate(() => {
      for (let i = 0; i < 3; i += 1) document.getElementById("next").click();
    });
    await isAt(2);
    assert.deepEqual(await titles(page), second);
    await page.getByRole("button", { name: "Previous" }).click();
    await isAt(1);
    assert.deepEqual(await titles(page), first);
    await tab.close();

    const other = await openTab(service);
    await other.page.goto(shared);
    await ready(other.page);
    assert.deepEqual(await titles(other.page), second);
    await other.page.getByRole("button", { name: "First page" }).click();
    await until(() => titles(other.page), (found) => found[0] === first[0], "the first page");
    // To the end: all are there, none is twice.
    const all = new Set(await titles(other.page));
    while (await other.page.locator("#next").isEnabled()) {
      const before = await other.page.locator(".name-of").first().textContent();
      await other.page.locator("#next").click();
      await until(() => other.page.locator(".name-of").first().textContent(), (now) => now !== before, "the next page");
      for (const title of await titles(other.page)) all.add(title);
    }
    assert.equal(all.size, PLAIN.length + AWKWARD.length);
    await assertClean(other, service, { hosts: HOSTS, faults: GONE });
    await other.close();
  });

  test("filters narrow the list, are told as chips, and can be taken away", async () => {
    const tab = await openTab(service);
    const { page } = tab;
    await visit(tab);
    await page.getByRole("radio", { name: /Kids' Electronics/ }).check();
    await page.waitForURL(/category_id=2/);
    await page.getByRole("heading", { name: "Kids' Electronics", level: 1 }).waitFor();
    await page.locator("#summary", { hasText: "24 of 30 products" }).waitFor();
    await page.locator("#min_price").fill("50");
    await page.locator("#max_price").fill("$120,50");
    await page.keyboard.press("Enter");
    await page.waitForURL(/max_price=120\.50/);
    await page.getByRole("radio", { name: "4 stars and up" }).check();
    await page.waitForURL(/min_stars=4/);
    await ready(page);
    const prices = (await page.locator(".price strong").allTextContents()).map((text) => Number(text.slice(1)));
    assert.ok(prices.length > 0 && prices.every((price) => price >= 50 && price <= 120.5), String(prices));
    await page.selectOption("#sort", "-price");
    await page.waitForURL(/sort=-price/);
    await until(async () => (await page.locator(".price strong").allTextContents()).map((text) => Number(text.slice(1))), (sorted) => sorted.every((price, i) => i === 0 || price <= sorted[i - 1]), "the order");
    await picture(page, "catalogue-filters");
    assert.equal(await page.locator("#chips .chip:not(.all)").count(), 4);
    await page.getByRole("button", { name: "from $50: remove" }).click();
    await page.waitForURL((url) => !url.search.includes("min_price"));
    await page.getByRole("checkbox", { name: "Best sellers only" }).check();
    await page.waitForURL(/best_seller=true/);
    await page.locator("#min_price").fill("90");
    await page.locator("#max_price").fill("12");
    await page.keyboard.press("Enter");
    await page.getByText("The lowest price is above the highest.").waitFor();
    assert.equal(await page.locator("#min_price").getAttribute("aria-invalid"), "true");
    await page.locator("#min_price").fill("twelve");
    await page.keyboard.press("Enter");
    await page.getByText("A price is a number").waitFor();
    assert.ok(!page.url().includes("twelve"), "nothing wrong is asked");
    // A category without products is a list without products, not an error.
    await visit(tab, "/?category_id=5");
    await page.getByRole("heading", { name: "No product matches" }).waitFor();
    await page.getByRole("heading", { name: "Empty one", level: 1 }).waitFor();
    await assertClean(tab, service, { hosts: HOSTS, faults: GONE });
    await tab.close();
  });

  test("everything can be reached by keyboard, in an order that makes sense", async () => {
    const tab = await openTab(service);
    const { page } = tab;
    await visit(tab);
    const walked = [];
    for (let i = 0; i < 40; i += 1) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const e = document.activeElement;
        const box = e.getBoundingClientRect();
        const style = getComputedStyle(e);
        const holder = e.closest(".card") ? getComputedStyle(e.closest(".card")) : style;
        return { name: e.id || e.name || e.className || e.tagName, isSeen: box.width > 0 && box.height > 0 && holder.outlineStyle !== "none" };
      });
      walked.push(at);
    }
    const names = walked.map(({ name }) => name);
    const wanted = ["skip", "home", "q", "theme", "find-category", "category_id", "min_price", "max_price", "min_stars", "best_seller", "sort"];
    const places = wanted.map((name) => names.findIndex((n) => String(n).startsWith(name)));
    assert.deepEqual(places, [...places].sort((a, b) => a - b), `${names}`);
    assert.ok(!places.includes(-1), `${names}`);
    assert.deepEqual(walked.filter(({ isSeen }) => !isSeen).map(({ name }) => name), [], "focus is not seen there");
    // Past the filters at once.
    await page.reload();
    await ready(page);
    await page.keyboard.press("Tab");
    await picture(page, "catalogue-skip-link", { clip: { x: 0, y: 0, width: 1280, height: 200 } });
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "results");
    await page.locator("#theme").focus();
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), "dark");
    await page.reload();
    await ready(page);
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark", "the choice lasts");
    await assertClean(tab, service, { hosts: HOSTS, faults: GONE });
    await tab.close();
  });

  for (const scheme of ["light", "dark"]) {
    test(`it can be used by everybody, ${scheme}`, async () => {
      const tab = await openTab(service, { scheme });
      await visit(tab);
      await assertAccessible(tab.page, `catalogue, ${scheme}`);
      await visit(tab, "/?category_id=2&min_price=20&best_seller=true");
      await assertAccessible(tab.page, `catalogue with filters, ${scheme}`);
      await visit(tab, "/?q=nothing+like+it");
      await assertAccessible(tab.page, `catalogue without products, ${scheme}`);
      await assertClean(tab, service, { hosts: HOSTS, faults: GONE });
      if (scheme === "dark") {
        await visit(tab);
        await picture(tab.page, "catalogue-dark");
      }
      await tab.close();
    });
    test(`it fits a phone, ${scheme}`, async () => {
      for (const width of [320, 390]) {
        const tab = await openTab(service, { scheme, width, height: 780 });
        const { page } = tab;
        await visit(tab);
        await assertFits(page, `catalogue at ${width}`);
        const cut = await page.evaluate(() => [...document.querySelectorAll(".card .rating > :not(.seen-by-readers), .card .price > *, .card .badge")].filter((part) => part.getBoundingClientRect().right > part.closest(".card").getBoundingClientRect().right).map((part) => part.textContent));
        assert.deepEqual(cut, [], `cut off at ${width}`);
        await picture(page, `catalogue-phone-${width}-${scheme}`);
        assert.equal(await page.locator("#min_price").isVisible(), false, "the products come first");
        await page.getByText("Filters", { exact: true }).click();
        await page.locator("#min_price").waitFor();
        await assertFits(page, `filters at ${width}`);
        if (width === 390) {
          await picture(page, `catalogue-phone-filters-${scheme}`);
          await assertAccessible(page, `catalogue on a phone, ${scheme}`);
        }
        await visit(tab, `/?q=${"averylongword".repeat(12)}`);
        await assertFits(page, `a long word at ${width}`);
        await tab.close();
      }
    });
  }

  test("a server that fails is told of, and can be tried again", async () => {
    const tab = await openTab(service);
    const { page } = tab;
    let isAway = true;
    await page.route("**/products?*", (route) => (isAway ? route.fulfill({ status: 503, headers: { "retry-after": "2", "content-type": "application/problem+json" }, body: JSON.stringify({ type: "/problems/unavailable", title: "Service Unavailable", status: 503, detail: "the catalogue cannot be reached, try again shortly" }) }) : route.continue()));
    await page.goto(service.url);
    await page.getByRole("heading", { name: "The catalogue is away for a moment" }).waitFor();
    assert.match(await page.locator("#empty p").textContent(), /cannot be reached, try again shortly/);
    assert.equal(await cards(page).count(), 0);
    await picture(page, "catalogue-away");
    await assertAccessible(page, "catalogue away");
    isAway = false;
    await page.getByRole("button", { name: "Try again" }).click();
    await until(() => cards(page).count(), (count) => count === 24, "the second try");
    isAway = true;
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByRole("heading", { name: "The catalogue is away for a moment" }).waitFor();
    isAway = false;
    await page.getByRole("button", { name: "Try again" }).click();
    await page.locator("#page-number", { hasText: "Page 2" }).waitFor();
    await assertClean(tab, service, { hosts: HOSTS, faults: [...GONE, /status of 503/] });
    await page.unroute("**/products?*");
    await page.route("**/products?*", (route) => route.abort());
    await page.route("**/category/count", (route) => route.abort());
    await page.reload();
    await page.getByRole("heading", { name: "The catalogue cannot be reached" }).waitFor();
    await page.locator("#categories", { hasText: "Not to be had now." }).waitFor();
    await page.unroute("**/products?*");
    await page.unroute("**/category/count");
    // One button for both.
    await page.locator("#empty").getByRole("button", { name: "Try again" }).click();
    await page.getByRole("radio", { name: /Kids' Electronics/ }).waitFor();
    await until(() => cards(page).count(), (count) => count === 24, "products and categories");
    await tab.close();
  });

  test("other answers are told in words: no search, an old link, no such category, a search that lags", async () => {
    const tab = await openTab(service);
    const { page } = tab;
    await page.goto(`${service.url}/?cursor=nonsense`);
    await page.getByRole("heading", { name: "This list cannot be shown" }).waitFor();
    await page.getByRole("button", { name: "To the first page" }).click();
    await until(() => cards(page).count(), (count) => count === 24, "the first page");
    await page.goto(`${service.url}/?category_id=99`);
    await page.getByRole("heading", { name: "There is no such category" }).waitFor();
    await page.goto(`${service.url}/?min_price=abc`);
    await page.getByRole("heading", { name: "This list cannot be shown" }).waitFor();
    await page.route("**/products?*q=*", (route) => route.fulfill({ status: 501, contentType: "application/problem+json", body: JSON.stringify({ type: "/problems/search-not-available", status: 501, detail: "this database has no full-text search" }) }));
    await page.goto(`${service.url}/?q=lamp`);
    await page.getByRole("heading", { name: "Search is not available here" }).waitFor();
    await picture(page, "catalogue-no-search");
    await page.getByRole("button", { name: "Show everything" }).click();
    await until(() => cards(page).count(), (count) => count === 24, "everything");
    await page.unroute("**/products?*q=*");
    await page.route("**/products?*q=*", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, headers: { ...response.headers(), "x-search-indexed": "12000/1400000" } });
    });
    await page.goto(`${service.url}/?q=lamp`);
    await page.getByText("12,000 of 1,400,000 products can be found by now").waitFor();
    await picture(page, "catalogue-search-lags");
    await assertClean(tab, service, { hosts: HOSTS, faults: [...GONE, /status of (400|404|501)/] });
    await tab.close();
  });

  test("a filtered list that is empty so far is looked through further", async () => {
    const tab = await openTab(service);
    const { page } = tab;
    let asked = 0;
    await page.route("**/products?*", (route) => {
      asked += 1;
      const isLast = asked === 7;
      const headers = { "content-type": "application/json", ...(!isLast && { link: `</products?min_stars=4&limit=24&cursor=c${asked}>; rel="next"` }) };
      route.fulfill({ headers, body: isLast ? JSON.stringify([{ asin: "LATE", title: "The one that matches", category_id: 1 }]) : "[]" });
    });
    await page.goto(`${service.url}/?min_stars=4`);
    await page.getByRole("heading", { name: "Nothing among those looked through so far" }).waitFor();
    assert.equal(asked, 5, "it does not go on for ever by itself");
    await page.locator("#empty").getByRole("button", { name: "Look further" }).click();
    await until(() => titles(page), (found) => found[0] === "The one that matches", "the match");
    await tab.close();
  });

  // The service keeps no such address; the page trusts nobody all the same.
  test("an address that is code or no address leads nowhere", async () => {
    const tab = await openTab(service);
    const { page } = tab;
    const addresses = ["javascript:window.hit=1", "JaVaScRiPt:window.hit=1", " javascript:window.hit=1", "data:text/html,<script>window.hit=1</script>", "//other.example/x", "/login", "nonsense", ""];
    const body = addresses.map((address, i) => ({ asin: `X-${i}`, title: `Trap ${i}`, productURL: address, imgUrl: address, category_id: 1, price: null }));
    await page.route("**/products?*", (route) => route.fulfill({ json: body }));
    await page.goto(service.url);
    await until(() => cards(page).count(), (count) => count === addresses.length, "the traps");
    assert.equal(await page.locator("#grid a, #grid img").count(), 0);
    await page.locator(".name-of").first().click();
    assert.equal(await page.evaluate(() => globalThis.hit), undefined);
    await assertClean(tab, service);
    await tab.close();
  });

  test("an empty catalogue is an empty shop window", async () => {
    const empty = await Service.start();
    await empty.import("c.csv", "id,category_name\n1,Lamps\n");
    const tab = await openTab(empty);
    const { page } = tab;
    await page.goto(empty.url);
    await page.getByRole("heading", { name: "The shop window is empty" }).waitFor();
    await picture(page, "catalogue-empty");
    await assertAccessible(page, "an empty catalogue");
    await empty.import("p.csv", products([{ title: "The first lamp" }]));
    await until(async () => {
      await page.getByRole("button", { name: "Look again" }).click({ timeout: SOON_MS });
      await page.waitForSelector('#grid[aria-busy="false"]', { state: "attached" });
      return cards(page).count();
    }, (count) => count === 1, "the first lamp");
    await assertClean(tab, empty, { hosts: HOSTS });
    await tab.close();
    await empty.stop();
  });
});

async function assertText(card, selector, text) {
  await card.locator(selector).waitFor();
  assert.equal(await card.locator(selector).textContent(), text);
}
