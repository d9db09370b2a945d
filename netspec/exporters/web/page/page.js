// The page: a picture drawn, chosen or dropped goes through the model in this browser, and nowhere else.
import * as ort from "./ort.wasm.min.mjs";
import { prepared } from "./picture.js";
import { refusal } from "./sizes.js";

const by = (id) => document.getElementById(id);
const words = await (await fetch("model.json")).json();
const pad = by("pad"), pen = pad.getContext("2d", { willReadFrequently: true });
const MOST = 1 << 26;
let at = null, keyed = { x: 140, y: 140, down: false };

ort.env.wasm.numThreads = 1; // more would need a server that isolates the page
ort.env.wasm.wasmPaths = new URL("./", import.meta.url).href;
ort.env.logLevel = "error";

const say = (text) => { by("state").textContent = text; };
let session = null;
try {
  session = await ort.InferenceSession.create("model.onnx", { executionProviders: ["wasm"] });
  say("Ready. The picture stays on this machine.");
} catch (error) {
  say(`The model cannot be loaded here: ${error.message ?? error}`);
}
by("about").textContent = words.about;

function clear() {
  pen.fillStyle = by("dark").checked ? "#ffffff" : "#000000";
  pen.fillRect(0, 0, pad.width, pad.height);
}

function line(x, y) {
  pen.strokeStyle = by("dark").checked ? "#000000" : "#ffffff";
  pen.lineWidth = 24;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(...(at ?? [x, y]));
  pen.lineTo(x, y);
  pen.stroke();
  at = [x, y];
}

const place = (event) => {
  const box = pad.getBoundingClientRect();
  return [(event.clientX - box.left) * pad.width / box.width, (event.clientY - box.top) * pad.height / box.height];
};

pad.addEventListener("pointerdown", (event) => { pad.setPointerCapture(event.pointerId); at = null; line(...place(event)); });
pad.addEventListener("pointermove", (event) => { if (event.buttons) line(...place(event)); });
pad.addEventListener("pointerup", () => { at = null; drawn(); });
pad.addEventListener("keydown", (event) => {
  const [x, y] = { ArrowLeft: [-14, 0], ArrowRight: [14, 0], ArrowUp: [0, -14], ArrowDown: [0, 14] }[event.key] ?? [0, 0];
  if (event.key === " ") keyed.down = !keyed.down;
  else if (event.key === "Delete" || event.key === "Backspace") clear();
  else if (!x && !y) return;
  event.preventDefault();
  at = keyed.down ? [keyed.x, keyed.y] : null;
  keyed.x = Math.min(pad.width, Math.max(0, keyed.x + x));
  keyed.y = Math.min(pad.height, Math.max(0, keyed.y + y));
  if (keyed.down) { line(keyed.x, keyed.y); drawn(); }
  say(`Pen ${keyed.down ? "down" : "up"} at ${keyed.x}, ${keyed.y} of ${pad.width}.`);
});
by("clear").addEventListener("click", clear);
by("dark").addEventListener("change", clear);

const drawn = () => run(pen.getImageData(0, 0, pad.width, pad.height), "the drawing");

async function given(file) {
  if (!file) return;
  try {
    const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
    if (bitmap.width * bitmap.height > MOST) throw new Error(`more than ${MOST} pixels`);
    const sheet = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    const back = [words.image.background ?? 255].flat();
    sheet.fillStyle = `rgb(${back.length === 3 ? back : [back[0], back[0], back[0]]})`;
    sheet.fillRect(0, 0, bitmap.width, bitmap.height);
    sheet.drawImage(bitmap, 0, 0);
    await run(sheet.getImageData(0, 0, bitmap.width, bitmap.height), `${file.name}, ${bitmap.width} x ${bitmap.height}`);
  } catch (error) {
    refuse(`${file.name} cannot be read as a picture: ${error.message ?? error}`);
  }
}

function refuse(text) {
  by("answers").replaceChildren();
  by("source").textContent = text;
  globalThis.told = { refused: text };
}

by("file").addEventListener("change", (event) => given(event.target.files[0]));
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    by("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") given(event.dataTransfer.files[0]);
  });
}

let turn = Promise.resolve(); // one run at a time, in order
const run = (pixels, source) => { turn = turn.then(() => answer(pixels, source)); return turn; };

async function answer(pixels, source) {
  if (!session) return;
  try {
    const fed = prepared(pixels.data, pixels.width, pixels.height, words.image);
    show(fed);
    const [high, wide] = words.axes, why = words.sizes && refusal(words.sizes, { [high]: fed.height, [wide]: fed.width });
    if (why) return refuse(`The model does not take ${source}: ${why}.`);
    by("source").textContent = `Of ${source}:`;
    const tensor = new ort.Tensor("float32", fed.data, [1, fed.channels, fed.height, fed.width]);
    const made = await session.run({ [words.input]: tensor });
    const told = Object.fromEntries(session.outputNames.map((name) => [name, tell(name, made[name])]));
    by("answers").replaceChildren(...Object.entries(told).map(([name, each]) => write(name, each)));
    globalThis.told = Object.fromEntries(session.outputNames.map((name) => [name, Array.from(made[name].data, Number)]));
  } catch (error) { // whatever it is, the next picture has its turn
    refuse(`The model does not take ${source}: ${error.message ?? error}`);
  }
}

// The best classes of an output that chooses one; of another its shape.
function tell(name, tensor) {
  const scores = Array.from(tensor.data, Number), labels = words.labels[name] ?? [];
  const vector = scores.length > 1 && scores.length === Math.max(...tensor.dims);
  const share = scores.every((s) => s >= 0) && Math.abs(scores.reduce((a, b) => a + b, 0) - 1) < 1e-3;
  if (!vector || !(labels.length || share)) return { shape: tensor.dims, scores };
  const order = scores.map((_, i) => i).sort((a, b) => scores[b] - scores[a] || a - b).slice(0, 5);
  return { share, top: order.map((i) => [labels[i] ?? String(i), scores[i]]) };
}

function made(tag, text = "", more = {}) {
  const found = Object.assign(document.createElement(tag), more);
  if (text) found.textContent = text;
  return found;
}

function write(name, told) {
  if (!told.top) {
    const few = told.scores.length <= 10 ? told.scores.map((s) => s.toPrecision(6)).join("  ") : `of shape ${told.shape.slice(1)}`;
    return made("p", `${name}: ${few}`);
  }
  const table = made("table");
  table.append(made("caption", name));
  for (const [label, score] of told.top) {
    const row = table.insertRow();
    row.append(made("th", label, { scope: "row" }));
    const bar = made("td", "", { className: "share" });
    if (told.share) {
      bar.append(made("meter", "", { min: 0, max: 1, value: score, ariaLabel: `${label}: ${score.toFixed(4)}` }));
    }
    row.append(bar, made("td", score.toFixed(4)));
  }
  return table;
}

function show(fed) {
  const seen = by("seen"), count = fed.width * fed.height;
  seen.width = fed.width;
  seen.height = fed.height;
  const picture = new ImageData(fed.width, fed.height);
  const order = words.image.color === "bgr" ? [2, 1, 0] : [0, 1, 2];
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) picture.data[4 * i + c] = fed.data[(fed.channels === 1 ? 0 : order[c]) * count + i];
    picture.data[4 * i + 3] = 255;
  }
  seen.getContext("2d").putImageData(picture, 0, 0);
}

clear();
