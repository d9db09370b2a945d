// node axe.cjs PAGE: violations of axe-core at two widths, light and dark; the page's width at 390 px
const { chromium } = require("playwright-core");
const fs = require("fs");
(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox"] });
  const found = {};
  for (const width of [390, 1280]) for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
    const page = await context.newPage();
    const requests = [];
    page.on("request", (r) => { if (!r.url().startsWith("data:")) requests.push(r.url()); });
    await page.goto("file://" + process.argv[2]);
    if (process.argv[3]) await page.screenshot({ path: `${process.argv[3]}-${width}-${colorScheme}.png`, fullPage: false });
    await page.addScriptTag({ content: fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8") });
    const result = await page.evaluate(async () => (await axe.run()).violations.map((v) => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 160)]));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    found[`${width} ${colorScheme}`] = { violations: result, requests: requests.length - 1, width: wide };
    await context.close();
  }
  console.log(JSON.stringify(found));
  await browser.close();
})();
