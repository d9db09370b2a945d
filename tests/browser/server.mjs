// The page of a running server, as a person meets it: node server.mjs ADDRESS CHROMIUM AXE.JS PICTURE; prints JSON.
import { createRequire } from "node:module";
import fs from "node:fs";
import { drop } from "./drop.mjs";
const require = createRequire(process.env.NODE_MODULES + "/");
const { chromium } = require("playwright-core");
const [base, chrome, axe, picture] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: chrome, args: ["--no-sandbox"] });
const found = { asked: [], wrong: [], axe: {} };
try {
  for (const scheme of ["light", "dark"]) {
    const context = await browser.newContext({ viewport: { width: 390, height: 844 }, colorScheme: scheme });
    const page = await context.newPage();
    page.on("request", (r) => found.asked.push(r.url()));
    page.on("console", (m) => { if (["error", "warning"].includes(m.type())) found.wrong.push(m.text()); });
    page.on("pageerror", (e) => found.wrong.push(String(e)));
    await page.goto(base);
    await page.waitForFunction(() => document.getElementById("request").value, null, { timeout: 60000 });
    found.model = await page.evaluate(() => [document.getElementById("model").textContent.trim(), document.images.length, document.title]);
    found.tensors = await page.innerText("#tensors");
    await page.click("#send");
    await page.waitForSelector("#answers pre", { timeout: 60000 });
    found.numbers = await page.innerText("#answers pre");
    await page.setInputFiles("#file", picture);
    await page.waitForSelector("#answers table", { timeout: 60000 });
    found.classes = await page.innerText("#answers table");
    await page.evaluate(() => document.querySelector("#answers").replaceChildren());
    found.over = await drop(page, "#drop", picture);
    await page.waitForSelector("#answers table", { timeout: 60000 });
    found.dropped = await page.innerText("#answers table");
    found.wide = await page.evaluate(() => document.documentElement.scrollWidth);
    if (process.env.SHOT) await page.screenshot({ path: `${process.env.SHOT}-${scheme}.png`, fullPage: true });
    await page.evaluate(fs.readFileSync(axe, "utf8")).catch(() => null);
    found.axe[scheme] = await page.evaluate(async () => (await globalThis.axe.run()).violations.map((v) => [v.id, v.nodes.map((n) => n.html)]));
    await page.fill("#request", "{");
    await page.click("#send");
    await page.waitForSelector("#answers p", { timeout: 60000 });
    found.refused = await page.innerText("#answers");
    await context.close();
  }
} finally { await browser.close(); }
console.log(JSON.stringify(found));
