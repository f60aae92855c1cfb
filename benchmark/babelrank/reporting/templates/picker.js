// The leaderboard's languages: averages over the chosen query and passage languages, computed here from the matrices.

const picked = { from: new Set(), to: new Set() }; // empty: all
const SIDES = Object.keys(picked);

const mean = (numbers) => {
  const known = numbers.filter((number) => number !== null);
  return known.length ? known.reduce((sum, number) => sum + number, 0) / known.length : null;
};

// Averages by label, of one model's matrix (query × passage language) and pool (query language), in one measure.
function averages({ pairs, pool }, languages) {
  const [from, to] = SIDES.map((side) => languages.flatMap((code, i) => (!picked[side].size || picked[side].has(code) ? [i] : [])));
  return {
    "Mo.": mean(from.filter((i) => to.includes(i)).map((i) => pairs[i][i])),
    "Cr.": mean(from.flatMap((i) => to.filter((j) => j !== i).map((j) => pairs[i][j]))),
    "Mul.": mean(from.map((i) => pool[i])),
  };
}

const languagesOf = (board) => board.dataset.languages?.split(" ") ?? [];
const isPicked = () => SIDES.some((side) => picked[side].size);

// Show the averages in a row's cells. Intervals, letters and other values over all languages are hidden.
function recompute(line, board) {
  const keys = [...board.querySelectorAll("thead tr:last-child > *")].map((head) => head.dataset.key);
  line.given ??= { values: line.values, texts: line.texts, ranges: line.ranges, intervals: line.intervals, cells: [...line.row.cells].map((cell) => [...cell.childNodes]) };
  Object.assign(line, { ...line.given, cells: undefined });
  const found = {};
  for (const [measure, matrices] of isPicked() ? Object.entries(line.scores ?? {}) : []) {
    const now = averages(matrices, languagesOf(board));
    for (const key of keys.filter((each) => each?.startsWith(`${measure}/`))) {
      found[key] = key.endsWith("/group") ? null : (now[key.split("/")[1]] ?? null);
    }
  }
  keys.forEach((key, i) => {
    if (!isPicked() || !(key in found)) {
      if (key?.includes("/")) line.row.cells[i].replaceChildren(...line.given.cells[i]);
    } else line.row.cells[i].replaceChildren(found[key] === null ? "–" : found[key].toFixed(3));
  });
  if (!isPicked()) return;
  const without = (given) => Object.fromEntries(Object.entries(given).filter(([key]) => !(key in found)));
  line.values = { ...line.given.values, ...found };
  line.texts = { ...line.given.texts };
  for (const key of Object.keys(line.texts)) if (found[key] != null) line.texts[key] = found[key].toFixed(3);
  [line.ranges, line.intervals] = [without(line.given.ranges), without(line.given.intervals)];
}

// Boxes for the languages of a board; what is picked and not among them is let go.
function offerLanguages(board) {
  const languages = languagesOf(board);
  byId("_languages").hidden = languages.length < 2;
  for (const side of SIDES) {
    for (const code of picked[side]) if (!languages.includes(code)) picked[side].delete(code);
    const boxes = languages.map((code) => {
      const label = document.createElement("label");
      const box = document.createElement("input");
      Object.assign(box, { type: "checkbox", value: code, checked: picked[side].has(code), autocomplete: "off" });
      box.addEventListener("change", () => {
        if (box.checked) picked[side].add(code);
        else picked[side].delete(code);
      });
      label.append(box, ` ${code}`);
      return label;
    });
    byId(`_${side}`).replaceChildren(byId(`_${side}`).firstElementChild, ...boxes);
  }
}

function describeLanguages() {
  const told = (side) => (picked[side].size ? [...picked[side]].join(", ") : "all");
  byId("_languages").querySelector("summary").textContent = isPicked() ? `Languages: ${told("from")} → ${told("to")}` : "Languages: all";
  return isPicked() ? `; queries in ${told("from")}, passages in ${told("to")} (the pool and the bias still cover all languages)` : "";
}

// ---- The table as a file ---------------------------------------------------------------------------------------------

// A spreadsheet takes a cell that begins so for a formula.
const quote = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;

function download(board, lines) {
  const heads = [...board.querySelectorAll("thead [data-key]")].filter((head) => !head.hidden);
  const rows = lines.map(({ values }) => heads.map(({ dataset }) => values[dataset.key] ?? ""));
  const csv = [heads.map(({ dataset }) => dataset.key), ...rows]
    .map((row) => row.map((cell) => (typeof cell === "number" ? cell : quote(cell))).join(","))
    .join("\r\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${csv}\r\n`], { type: "text/csv" }));
  link.download = `${board.id}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}
