// The API document as a page: what every page is held to.

import { after, before, describe, test } from "node:test";
import { assertAccessible, assertClean, assertFits, closeBrowser, openTab, picture, Service } from "./support.mjs";

describe("the page of the API document", { timeout: 600_000 }, () => {
  let service;
  before(async () => {
    service = await Service.start();
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
});
