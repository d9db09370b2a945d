// Which sizes a model takes, by the conditions in its file, as netspec's predict holds them (serving/sizes.py).
// In: the conditions, and sizes by the names of the axes; out: why they will not do, or an empty text.

const VERDICTS = { same: (a, b) => a === b, at_least: (a, b) => a >= b, divides: (a, b) => a !== 0 && b % a === 0 };
const PARTS = { floor: (a, b) => Math.floor(a / b), min: Math.min, max: Math.max };

export function refusal({ axes, parts, demands }, sizes) {
  const made = new Map();
  const factor = (f) => {
    if (typeof f === "string") return sizes[f];
    if (!made.has(f)) made.set(f, PARTS[parts[f][0]](...parts[f].slice(1).map(sum)));
    return made.get(f);
  };
  const sum = (size) => (typeof size === "number" ? size
    : size.reduce((total, [count, ...factors]) => total + factors.reduce((all, f) => all * factor(f), count), 0));
  const broken = demands.find((each) => {
    if (![...symbols(parts, each)].every((name) => name in sizes)) return false; // not ours to judge
    const [left, right] = [sum(each.left), sum(each.right)];
    return !(Number.isFinite(left) && Number.isFinite(right) && VERDICTS[each.kind](left, right));
  });
  if (!broken) return "";
  const named = symbols(parts, broken);
  const given = Object.entries(sizes).filter(([name]) => named.has(name)).map((pair) => pair.join(" = "));
  const near = Object.entries(axes).filter(([name, axis]) => name in sizes && axis.progressions)
    .map(([name, axis]) => [name, around(axis.progressions, sizes[name])])
    .filter(([name, legal]) => legal.length && !legal.includes(sizes[name]))
    .map(([name, legal]) => `${name} = ${legal.join(" or ")}`);
  const tail = near.length ? `; the nearest legal sizes are ${near.join(", ")}` : "";
  return `the net does not take ${given.join(", ")}: ${broken.type} ${broken.layer}, ${broken.because}${tail}`;
}

// The symbols that a requirement depends on, through the parts.
function symbols(parts, demand) {
  const found = new Set(), seen = new Set(), todo = [demand.left, demand.right];
  while (todo.length) {
    const size = todo.pop();
    for (const f of typeof size === "number" ? [] : size.flatMap(([, ...factors]) => factors)) {
      if (typeof f === "string") found.add(f);
      else if (!seen.has(f)) { seen.add(f); todo.push(...parts[f].slice(1)); }
    }
  }
  return found;
}

// The nearest sizes at or below, and at or above; progressions: [start, step, last or null].
function around(progressions, size) {
  const below = [], above = [];
  for (const [start, step, last] of progressions) {
    const down = start + Math.floor((Math.min(size, last ?? size) - start) / step) * step;
    const up = Math.max(start, start + Math.ceil((size - start) / step) * step);
    if (down >= start) below.push(down);
    if (last === null || up <= last) above.push(up);
  }
  const legal = [...(below.length ? [Math.max(...below)] : []), ...(above.length ? [Math.min(...above)] : [])];
  return [...new Set(legal)].sort((a, b) => a - b);
}
