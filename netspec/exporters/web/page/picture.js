// From a picture to the input of a net: what netspec's predict does with Pillow, number by number.
// In: pixels as RGBA, and the words of the model's contract; out: (C, H, W) float32, 0 to 255.

const BITS = 22; // Pillow's fixed point

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

const FILTERS = {
  area: [0.5, (x) => (x > -0.5 && x <= 0.5 ? 1 : 0)],
  bilinear: [1, (x) => Math.max(0, 1 - Math.abs(x))],
  bicubic: [2, (x) => {
    const a = -0.5, d = Math.abs(x);
    if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
  }],
  lanczos: [3, (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0)],
};

// For each place of the result: where to begin, and the whole-number weights.
function weights(from, to, name) {
  const [reach, filter] = FILTERS[name];
  const scale = from / to, wide = Math.max(scale, 1), support = reach * wide, narrow = 1 / wide;
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const begin = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(from, Math.trunc(centre + support + 0.5));
    const found = [];
    for (let x = begin; x < end; x++) found.push(filter((x - centre + 0.5) * narrow));
    const whole = found.reduce((a, b) => a + b, 0);
    return [begin, found.map((w) => {
      const exact = (whole === 0 ? w : w / whole) * 2 ** BITS;
      return Math.trunc(exact < 0 ? exact - 0.5 : exact + 0.5);
    })];
  });
}

// One channel, resized along rows; Pillow rounds to 8 bits between width and height.
function along(pixels, width, height, to, name) {
  const found = new Uint8ClampedArray(to * height);
  const table = weights(width, to, name);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < to; x++) {
      const [begin, row] = table[x];
      let sum = 2 ** (BITS - 1);
      for (let i = 0; i < row.length; i++) sum += pixels[y * width + begin + i] * row[i];
      found[y * to + x] = Math.floor(sum / 2 ** BITS);
    }
  }
  return found;
}

function turned(pixels, width, height) {
  const found = new Uint8ClampedArray(pixels.length);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) found[x * height + y] = pixels[y * width + x];
  return found;
}

// Pillow adds up the steps; where a place lies between two pixels, the rounding of the sum decides.
function nearest(from, to) {
  const step = from / to, found = [];
  for (let place = step * 0.5; found.length < to; place += step) found.push(Math.min(from - 1, Math.trunc(place)));
  return found;
}

export function resized(pixels, width, height, wide, high, name) {
  if (name === "nearest") {
    const found = new Uint8ClampedArray(wide * high), rows = nearest(height, high), columns = nearest(width, wide);
    for (let y = 0; y < high; y++) {
      for (let x = 0; x < wide; x++) found[y * wide + x] = pixels[rows[y] * width + columns[x]];
    }
    return found;
  }
  const down = (now, columns) => turned(along(turned(now, columns, height), height, columns, high, name), high, columns);
  if (high < height && height - high > 2 * (width - wide)) { // where Pillow 13 takes the height first
    const now = down(pixels, width);
    return wide === width ? now : along(now, width, high, wide, name);
  }
  const now = wide === width ? pixels : along(pixels, width, height, wide, name);
  return high === height ? now : down(now, wide);
}

// Python's round: a half goes to the even number.
function rounded(x) {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}

export function size(width, height, resize) {
  if (resize === undefined || resize === null) return [width, height];
  const sides = Array.isArray(resize) ? resize : [resize];
  if (sides.length > 1) return [sides[1], sides[0]];
  const short = Math.min(width, height);
  return [Math.max(1, rounded(width * sides[0] / short)), Math.max(1, rounded(height * sides[0] / short))];
}

// The channels of opaque RGBA pixels in the order that the model is fed.
export function channels(rgba, color) {
  const count = rgba.length / 4, planes = [0, 1, 2].map(() => new Uint8ClampedArray(count));
  for (let i = 0; i < count; i++) for (let c = 0; c < 3; c++) planes[c][i] = rgba[4 * i + c];
  if (color === "bgr") return planes.reverse();
  if (color !== "gray") return planes;
  const [r, g, b] = planes;
  return [r.map((_, i) => (r[i] * 19595 + g[i] * 38470 + b[i] * 7471 + 0x8000) >>> 16)];
}

// The input of the net, (C, H, W), and its width and height.
export function prepared(rgba, width, height, words) {
  const [wide, high] = size(width, height, words.resize);
  const planes = channels(rgba, words.color)
    .map((plane) => resized(plane, width, height, wide, high, words.interpolation ?? "bilinear"));
  const data = new Float32Array(planes.length * wide * high);
  planes.forEach((plane, c) => data.set(plane, c * wide * high));
  return { data, channels: planes.length, width: wide, height: high };
}
