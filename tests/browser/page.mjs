import { createRequire } from "node:module";
import http from "node:http"; import fs from "node:fs"; import path from "node:path";
import { drop } from "./drop.mjs";
const require = createRequire(process.env.NODE_MODULES + "/");
const { chromium } = require("playwright-core");
const [folder, chrome, axe, ...files] = process.argv.slice(2);
const kinds = { html: "text/html", js: "text/javascript", mjs: "text/javascript", css: "text/css", wasm: "application/wasm", json: "application/json", svg: "image/svg+xml", onnx: "application/octet-stream" };
const server = http.createServer((ask, answer) => {
  const file = path.join(folder, ask.url === "/" ? "index.html" : ask.url.split("?")[0]);
  fs.readFile(file, (error, data) => { answer.writeHead(error ? 404 : 200, { "content-type": kinds[file.split(".").pop()] ?? "text/plain" }); answer.end(data ?? ""); });
}).listen(0, "127.0.0.1");
await new Promise((done) => server.once("listening", done));
const base = `http://127.0.0.1:${server.address().port}/`;
const browser = await chromium.launch({ executablePath: chrome, args: ["--no-sandbox"] });
const found = { asked: [], wrong: [], answers: {}, axe: {} };
try {
  for (const scheme of ["light", "dark"]) {
    const context = await browser.newContext({ viewport: { width: 390, height: 844 }, colorScheme: scheme });
    const page = await context.newPage();
    page.on("request", (r) => found.asked.push(r.url()));
    page.on("console", (m) => { if (["error", "warning"].includes(m.type())) found.wrong.push(m.text()); });
    page.on("pageerror", (e) => found.wrong.push(String(e)));
    await page.goto(base);
    await page.waitForFunction(() => document.getElementById("state").textContent.startsWith("Ready"), null, { timeout: 60000 });
    for (const file of scheme === "light" ? files : files.slice(0, 1)) {
      await page.evaluate(() => { globalThis.told = null; });
      await page.setInputFiles("#file", file);
      await page.waitForFunction(() => globalThis.told, null, { timeout: 60000 });
      found.answers[path.basename(file)] = await page.evaluate(() => globalThis.told);
    }
    if (scheme === "light") {
      await page.evaluate(() => { globalThis.told = null; });
      found.over = await drop(page, "#drop", files[0]);
      await page.waitForFunction(() => globalThis.told, null, { timeout: 60000 });
      found.dropped = await page.evaluate(() => globalThis.told);
      await page.evaluate(() => { globalThis.told = null; });
      await page.focus("#pad");
      for (const key of [" ", "ArrowUp", "ArrowUp", "ArrowUp"]) await page.keyboard.press(key);
      await page.waitForFunction(() => globalThis.told, null, { timeout: 60000 });
      found.drawn = await page.evaluate(() => globalThis.told);
      await page.focus("#clear");
      found.focus = await page.evaluate(() => document.activeElement.id);
    }
    found.wide = await page.evaluate(() => document.documentElement.scrollWidth);
    if (process.env.SHOT) await page.screenshot({ path: `${process.env.SHOT}-${scheme}.png`, fullPage: true });
    if (axe !== "-") {
      const text = fs.readFileSync(axe, "utf8");
      await page.evaluate(text).catch(() => null);
      found.axe[scheme] = await page.evaluate(async () => (await globalThis.axe.run()).violations.map((v) => [v.id, v.nodes.map((n) => n.html)]));
    }
    await context.close();
  }
} finally { await browser.close(); server.close(); }
found.base = base;
console.log(JSON.stringify(found));
