// What scripts add to matrices of many languages: groups by another trait, and the single languages of a group. Cells are
// made when they are wanted.

const GROUPINGS = { family: "family", script: "script", resources: "resource class", score: "mAP within the language" };
const HIGH_FIRST = ["resources", "score"];

function groupOf(code, by, own) {
  const [name, traits] = [data.languages[code].name, data.languages[code]];
  if (by === "score") {
    const score = own[code];
    if (score === null) return "unknown";
    const tenth = Math.min(Math.floor(score * 10), 9);
    return `${tenth / 10}–${(tenth + 1) / 10}`;
  }
  if (by === "resources") return traits.resources === null ? "unknown" : `class ${traits.resources}`;
  return traits[by] ?? (by === "family" ? name : "unknown");
}

// Groups of languages, or the languages of one: what each is called, and the places of its languages.
function axis(codes, { by, group }, own) {
  const groups = new Map();
  codes.forEach((code, place) => {
    const label = groupOf(code, by, own);
    groups.set(label, [...(groups.get(label) ?? []), place]);
  });
  if (group !== null) {
    const places = groups.get(group).sort((a, b) => (own[codes[b]] ?? -1) - (own[codes[a]] ?? -1));
    return places.map((place) => ({ label: codes[place], name: data.languages[codes[place]].name, places: [place] }));
  }
  const order = HIGH_FIRST.includes(by) ? -1 : 1;
  const labels = [...groups.keys()].sort(
    (a, b) => (a === "unknown") - (b === "unknown") || order * a.localeCompare(b, "en"),
  );
  return labels.map((label) => ({ label, name: label, group: label, places: groups.get(label) }));
}

// The middle of each value's step; see MatrixView.cells.
function unpack(text, { width, low, step }) {
  return text.match(new RegExp(`.{${width}}`, "g")).map((digits) => {
    if (!digits.trim()) return null;
    const base = data.digits.length;
    const number = [...digits].reduce((sum, digit) => sum * base + data.digits.indexOf(digit), 0);
    return low + (number + 0.5) * step;
  });
}

function meanOf(values, logarithmic) {
  const known = values.filter((value) => value !== null);
  if (!known.length) return null;
  const sum = known.reduce((total, value) => total + (logarithmic ? Math.log(value) : value), 0);
  return logarithmic ? Math.exp(sum / known.length) : sum / known.length;
}

function write(value, { percent, signed, decimals }) {
  if (value === null) return "–";
  if (percent) return `${Math.round(value * 100)}%`;
  const text = Math.abs(value) >= 99.95 ? Math.round(value).toLocaleString("en") : value.toFixed(decimals);
  return `${signed && value > 0 ? "+" : ""}${text}`.replace("-", "−");
}

function makeZoom(figure, view) {
  const { codes, bounds, logarithmic, reversed, right, below } = view.cells;
  const packed = view.cells.values.map((row) => unpack(row, view.cells));
  const values = codes.map((_, i) => codes.map((_, j) => (j < packed[i].length ? packed[i][j] : packed[j][i])));
  const [rightValues, belowValues] = [right, below].map((side) => side && unpack(side.values, view.cells));
  const own = data.scores[figure.closest(".collection").id];
  const state = { by: "family", rows: null, columns: null };
  const table = figure.querySelector("table");
  const bar = document.createElement("p");
  bar.className = "zoom";
  const label = bar.appendChild(document.createElement("label"));
  label.append("Group by ");
  const select = label.appendChild(document.createElement("select"));
  for (const [by, name] of Object.entries(GROUPINGS)) select.add(new Option(name, by));
  const back = bar.appendChild(document.createElement("button"));
  back.type = "button";
  back.className = "quiet";
  back.textContent = "All groups";
  figure.prepend(bar);

  function step(value) {
    const [low, high, at] = logarithmic ? [...bounds, value].map(Math.log) : [...bounds, value];
    const share = high > low ? Math.min(Math.max((at - low) / (high - low), 0), 1) : 1;
    return Math.round((reversed ? 1 - share : share) * 31);
  }

  function cell(row, value, kind = "") {
    const made = row.insertCell();
    made.textContent = write(value, view.cells);
    made.className = `${value === null ? "none" : `s${step(value)}`} ${kind}`.trim();
    made.tabIndex = -1;
  }

  function head(row, { label: text, name, group, places }, side) {
    const made = row.appendChild(document.createElement("th"));
    made.scope = side === "rows" ? "row" : "col";
    made.title = name;
    if (group === undefined) {
      made.textContent = side === "rows" ? name : text;
      return;
    }
    const button = made.appendChild(document.createElement("button"));
    button.type = "button";
    button.textContent = places.length > 1 ? `${text} (${places.length})` : text;
    button.addEventListener("click", () => {
      state[side] = group;
      draw();
    });
  }

  function draw() {
    const [rows, columns] = ["rows", "columns"].map((side) => axis(codes, { by: state.by, group: state[side] }, own));
    const foot = below && state.rows === null ? [{ label: below.label, name: below.meaning }] : [];
    view.shown = {
      rows: [...rows, ...foot].map(({ name }) => name),
      columns: [...columns.map(({ name }) => name), ...(right ? [right.meaning] : [])],
    };
    const top = table.tHead.rows[0];
    top.replaceChildren(document.createElement("td"));
    for (const column of columns) head(top, column, "columns");
    if (right) head(top, { label: right.label, name: right.meaning }, "columns");
    table.tBodies[0].replaceChildren();
    const pick = (list, places) => places.map((place) => list[place]);
    for (const row of rows) {
      const line = table.tBodies[0].insertRow();
      head(line, row, "rows");
      for (const column of columns) {
        const found = row.places.flatMap((place) => pick(values[place], column.places));
        const isOwn = row.group === undefined && row.label === column.label;
        cell(line, meanOf(found, logarithmic), isOwn ? "own" : "");
      }
      if (right) cell(line, meanOf(pick(rightValues, row.places), logarithmic), "aside");
    }
    for (const { label: text, name } of foot) {
      const line = table.tBodies[0].insertRow();
      line.className = "foot";
      head(line, { label: text, name }, "rows");
      for (const column of columns) cell(line, meanOf(pick(belowValues, column.places), logarithmic));
    }
    const [first] = all("tbody td", table);
    if (first) first.tabIndex = 0;
    const ends = all(".legend > span:not(.ramp, .what)", figure);
    bounds.forEach((bound, i) => (ends[i].textContent = write(bound, view.cells)));
    back.hidden = state.rows === null && state.columns === null;
  }

  function showGroups() {
    Object.assign(state, { by: select.value, rows: null, columns: null });
    draw();
  }
  select.addEventListener("change", showGroups);
  back.addEventListener("click", showGroups);
  draw();
}

for (const figure of all(".matrix")) {
  const view = data.views[figure.id];
  if (view?.cells) makeZoom(figure, view);
}
