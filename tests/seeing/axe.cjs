// node axe.cjs PAGE PLACES [PICTURE]: violations of axe-core and the page's width at each of some places, "390 dark,1280 light"
const { chromium } = require("playwright-core");
const fs = require("fs");
(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox"] });
  const found = {};
  for (const place of process.argv[3].split(",")) {
    const [wide, colorScheme] = place.split(" "), width = Number(wide);
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
    const page = await context.newPage();
    const requests = [];
    page.on("request", (r) => { if (!r.url().startsWith("data:")) requests.push(r.url()); });
    await page.goto("file://" + process.argv[2]);
    if (process.argv[4]) await page.screenshot({ path: `${process.argv[4]}-${width}-${colorScheme}.png`, fullPage: false });
    await page.addScriptTag({ content: fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8") });
    const result = await page.evaluate(async () => (await axe.run()).violations.map((v) => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 160)]));
    const reach = await page.evaluate(() => document.documentElement.scrollWidth);
    found[place] = { violations: result, requests: requests.length - 1, width: reach };
    await context.close();
  }
  console.log(JSON.stringify(found));
  await browser.close();
})();
