// The leaderboard's plot: accuracy against language bias. It is redrawn whenever its data change.

const SVG = "http://www.w3.org/2000/svg";
const EDGE = { left: 46, right: 14, top: 26, bottom: 50 };
// By kind of representation: shapes differ as well as colours.
const SHAPES = {
  dense: "M0-5.5a5.5 5.5 0 1 0 .01 0z",
  sparse: "M-5-5h10v10h-10z",
  "multi-vector": "M0-7 7 0 0 7-7 0z",
};
const plot = document.querySelector(".plot");

function make(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// `lines`: models with their rows in the table; `setting`: which average of the measure is the accuracy.
function drawScatter(lines, setting, measure) {
  const key = `${measure}/${setting}`;
  const points = lines
    .map((line) => ({
      ...line,
      accuracy: line.values[key],
      bias: line.values.language_effect,
      along: line.intervals[key],
      across: line.intervals.language_effect,
    }))
    .filter(({ accuracy, bias }) => accuracy != null && bias != null);
  const scale = makeScale(points);
  const best = frontier(points);
  const svg = make("svg", {
    width: scale.width,
    height: scale.height,
    viewBox: `0 0 ${scale.width} ${scale.height}`,
    role: "group",
    "aria-label": `Plot of ${setting} ${measure} against language effect: ${points.length} models`,
  });
  svg.append(drawAxes(scale, setting, measure));
  if (points.length > 1) svg.append(drawFrontier(best, scale));
  svg.append(...points.map((point) => drawWhiskers(point, scale)));
  const links = points.map((point) => drawPoint(point, scale, setting, measure, best.includes(point)));
  svg.append(...links);
  const held = plot.contains(document.activeElement) && document.activeElement.getAttribute("href");
  hideTip(); // what it belonged to is gone
  plot.replaceChildren(svg);
  if (held) links.find((link) => link.getAttribute("href") === held)?.focus();
  placeNames(points, links, scale);
  explain(points, lines.length - points.length);
}

function makeScale(points) {
  const width = Math.max(plot.clientWidth, 260);
  const height = Math.round(Math.min(Math.max(width * 0.46, 320), 470));
  const ends = points.flatMap(({ bias, across }) => across ?? [bias]);
  const [low, high] = [Math.min(0, ...ends), Math.min(Math.max(0.1, ...ends) * 1.1, 1)];
  const highest = Math.max(0.1, ...points.map(({ accuracy, along }) => along?.[1] ?? accuracy));
  const top = Math.min(Math.ceil(highest * 10.3) / 10, 1);
  const [across, up] = [width - EDGE.left - EDGE.right, height - EDGE.top - EDGE.bottom];
  return {
    width,
    height,
    low,
    high,
    top,
    x: (bias) => EDGE.left + ((bias - low) / (high - low)) * across,
    y: (accuracy) => height - EDGE.bottom - (accuracy / top) * up,
  };
}

function drawAxes({ width, height, low, high, top, x, y }, setting, measure) {
  const axes = make("g", { class: "axes", "aria-hidden": "true" });
  const text = (attributes, content) => axes.append(make("text", attributes, content));
  const every = top > 0.8 ? 0.2 : 0.1;
  for (let i = 0; i * every <= top + 1e-9; i += 1) {
    axes.append(make("path", { d: `M${EDGE.left} ${y(i * every)}H${width - EDGE.right}` }));
    text({ x: EDGE.left - 8, y: y(i * every) + 4, "text-anchor": "end" }, (i * every).toFixed(1));
  }
  const step = high > 0.5 ? 0.2 : high > 0.2 ? 0.1 : 0.05;
  for (let i = 0; i * step <= high + 1e-9; i += 1) {
    axes.append(make("path", { d: `M${x(i * step)} ${height - EDGE.bottom}v6` }));
    text({ x: x(i * step), y: height - EDGE.bottom + 20, "text-anchor": "middle" }, (i * step).toFixed(2));
  }
  text({ class: "what", x: 0, y: 12 }, `↑ ${setting} ${measure}`);
  text({ class: "what", x: width - EDGE.right, y: height - 8, "text-anchor": "end" }, "← language effect η²");
  return axes;
}

// Models that no other beats in both: from the least bias on, each that is more accurate than all before.
function frontier(points) {
  let best = -Infinity;
  return [...points]
    .sort((a, b) => a.bias - b.bias || b.accuracy - a.accuracy)
    .filter(({ accuracy }) => accuracy > best && ((best = accuracy), true));
}

function drawFrontier(best, { width, height, x, y }) {
  const steps = best.map(({ bias, accuracy }) => `H${x(bias)}V${y(accuracy)}`).join("");
  const d = `M${x(best[0].bias)} ${height - EDGE.bottom}${steps}H${width - EDGE.right}`;
  return make("path", { class: "frontier", d, "aria-hidden": "true" });
}

function drawWhiskers({ accuracy, bias, along, across }, { x, y }) {
  const horizontal = across ? `M${x(across[0])} ${y(accuracy)}H${x(across[1])}` : "";
  const vertical = along ? `M${x(bias)} ${y(along[0])}V${y(along[1])}` : "";
  return make("path", { class: "whisker", d: horizontal + vertical, "aria-hidden": "true" });
}

function drawPoint(point, { x, y }, setting, measure, isBest) {
  const { kind, texts, values, accuracy, bias } = point;
  const figures = `${setting} ${measure} ${texts[`${measure}/${setting}`]}, language effect ${texts.language_effect}`;
  const link = make("a", {
    class: `point ${kind}`,
    href: point.link,
    "aria-label": `${values.name}: ${figures}${isBest ? "; no model beats it in both" : ""}`,
  });
  const shape = make("path", { class: "shape", d: SHAPES[kind], transform: `translate(${x(bias)} ${y(accuracy)})` });
  link.append(make("circle", { class: "target", cx: x(bias), cy: y(accuracy), r: 13 }), shape);
  const tell = () => {
    showTip(link, tipLines(point, setting, measure), shape);
    light(point.row);
  };
  link.addEventListener("pointerenter", tell);
  link.addEventListener("focus", tell);
  link.addEventListener("pointerleave", hideTip);
  link.addEventListener("blur", hideTip);
  return link;
}

function tipLines({ texts, ranges, values }, setting, measure) {
  const figure = (name, column) => `${name} ${texts[column]}${ranges[column] ? ` (${ranges[column]})` : ""}`;
  return [
    ["value", values.name],
    ["", figure(`${setting} ${measure}`, `${measure}/${setting}`)],
    ["", figure("language effect η²", "language_effect")],
  ];
}

// A name is shown next to its point if it covers nothing there; otherwise only the tooltip shows it.
function placeNames(points, links, { width, height, x, y }) {
  const around = points.map(({ bias, accuracy, across, along }) => ({
    left: Math.min(x(bias) - 7, x(across?.[0] ?? bias)),
    right: Math.max(x(bias) + 7, x(across?.[1] ?? bias)),
    top: Math.min(y(accuracy) - 7, y(along?.[1] ?? accuracy)),
    bottom: Math.max(y(accuracy) + 7, y(along?.[0] ?? accuracy)),
  }));
  const taken = [...around];
  points.forEach(({ values, bias, accuracy }, i) => {
    const text = make("text", { class: "name", "aria-hidden": "true" }, shorten(values.name, width < 560 ? 20 : 60));
    links[i].append(text);
    const size = text.getComputedTextLength();
    const { left, right, top, bottom } = around[i];
    const lefts = [right + 5, left - 5 - size, x(bias) - size / 2, x(bias) - size / 2];
    const baselines = [y(accuracy) + 4, y(accuracy) + 4, top - 5, bottom + 13];
    const boxes = lefts.map((start, k) => ({
      left: start,
      right: start + size,
      top: baselines[k] - 11,
      bottom: baselines[k] + 3,
      baseline: baselines[k],
    }));
    const box = boxes.find(
      (own) =>
        own.left >= EDGE.left &&
        own.right <= width &&
        own.top >= EDGE.top - 8 &&
        own.bottom <= height - EDGE.bottom &&
        taken.every((o) => own.right < o.left || own.left > o.right || own.bottom < o.top || own.top > o.bottom),
    );
    if (!box) return text.remove();
    text.setAttribute("x", box.left);
    text.setAttribute("y", box.baseline);
    taken.push(box);
  });
}

const shorten = (text, length) => (text.length > length ? `${text.slice(0, length - 1).trimEnd()}…` : text);

function explain(points, missing) {
  const kinds = [...new Set(points.map(({ kind }) => kind))].sort();
  const keys = kinds.map((kind) => {
    const shape = make("path", { class: "shape", d: SHAPES[kind] });
    const key = document.createElement("span");
    key.className = `key ${kind}`;
    key.append(make("svg", { viewBox: "-8 -8 16 16", "aria-hidden": "true" }, shape), ` ${kind}`);
    return key;
  });
  const sentences = ["Up and to the left is better."];
  if (points.length > 1) sentences.push("No model beats those on the dotted line in both.");
  if (points.some(({ across }) => across)) sentences.push("Crosses are 95 % intervals.");
  if (missing) sentences.push(`Not drawn, as a value is missing: ${missing}.`);
  sentences.push("The table has the same values.");
  document.querySelector("#_scatter figcaption").replaceChildren(...keys, sentences.join(" "));
}
