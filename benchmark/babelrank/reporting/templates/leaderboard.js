// What scripts add to the leaderboard: one collection and one measure at a time, order, filters, variants folded under
// their base model, and the plot.

const boards = all(".board");
const lines = new Map(); // row -> what it shows
for (const board of boards) {
  [...board.querySelector("tbody").rows].forEach((row, i) => lines.set(row, { row, ...data[board.id][i] }));
}

// What an address says, such as #xquad-r?measure=R@1&from=de,tr: the choices that differ from the first ones.
const FIELDS = { name: "_search", kind: "_kind", adapter: "_adapter", least: "_least", most: "_most" };
const state = { board: null, measure: null, key: null, descending: true, setting: "Mul.", open: new Set() };
const isText = (key) => ["name", "most", "least", "licence", "hub"].includes(key) || key.endsWith("/group");
const isScore = (key) => key.includes("/") && !key.endsWith("/group");
const isHead = ({ head, values }) => head === values.name;

// ---- Order -----------------------------------------------------------------------------------------------------------

// What has no value comes last, whichever way; equals stand in the order of their names.
function compare(a, b) {
  const [x, y] = [a.values[state.key], b.values[state.key]];
  if (x === null || y === null) return (x === null) - (y === null);
  const order = isText(state.key) ? x.localeCompare(y, "en", { numeric: true }) : x - y;
  return (state.descending ? -order : order) || a.values.name.localeCompare(b.values.name, "en");
}

for (const head of all("[data-key]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "sort";
  button.append(...head.childNodes);
  button.addEventListener("click", () => {
    const { key } = head.dataset;
    // The best first; another time, the other way round.
    state.descending = key === state.key ? !state.descending : isScore(key);
    state.key = key;
    update();
  });
  head.append(button);
}

// ---- Filters ---------------------------------------------------------------------------------------------------------

function millions(id) {
  const number = byId(id).valueAsNumber;
  return Number.isNaN(number) ? null : number * 1e6;
}

function makeFilter() {
  const words = byId("_search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const [kind, adapter] = [byId("_kind")?.value, byId("_adapter")?.value];
  const clean = byId("_clean")?.checked;
  const [least, most] = [millions("_least"), millions("_most")];
  const anySize = least === null && most === null;
  return (line) => {
    const { name, parameters } = line.values;
    // A size that is not known is in no range.
    const fits = anySize || (parameters !== null && parameters >= (least ?? 0) && parameters <= (most ?? Infinity));
    const suits = (!kind || line.kind === kind) && (!adapter || line.adapter === adapter) && !(clean && line.badge);
    return fits && suits && words.every((word) => name.toLowerCase().includes(word));
  };
}

// ---- Variants --------------------------------------------------------------------------------------------------------

for (const board of boards) {
  const members = [...board.querySelector("tbody").rows].map((row) => lines.get(row));
  for (const line of members.filter(isHead)) {
    const count = members.filter(({ head }) => head === line.head).length - 1;
    if (!count) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet fold";
    button.textContent = count > 1 ? `${count} variants` : "1 variant";
    button.addEventListener("click", () => {
      if (!state.open.delete(line.head)) state.open.add(line.head);
      update();
    });
    line.row.cells[1].append(button);
    line.fold = button;
  }
}

const FILTERS = ".field input:not([type=checkbox]), .field select";
const isFiltered = () => byId("_clean")?.checked || all(FILTERS).some(({ value }) => value);

// Heads in their order, each followed by its variants where they are unfolded; all in one order while one looks for some.
function arrange(sorted) {
  if (isFiltered() || byId("_variants").checked) return sorted;
  return sorted
    .filter(isHead)
    .flatMap((head) => [head, ...sorted.filter((line) => line.head === head.head && !isHead(line) && state.open.has(line.head))]);
}

// The number of each: one more than those before it that are significantly better, which have none of its letters.
function places(lines) {
  const letters = lines.map(({ values }) => values[`${state.key}/group`]?.match(/[a-z]\d*/g) ?? []);
  let most = 0;
  return letters.map((own, i) => {
    const better = letters.slice(0, i).filter((other) => !other.some((letter) => own.includes(letter))).length;
    most = Math.max(most, state.descending && own.length ? better : i);
    return most + 1;
  });
}

// ---- What is shown ---------------------------------------------------------------------------------------------------

function update() {
  if (isScore(state.key)) state.key = `${state.measure}/${state.key.split("/")[1]}`;
  for (const board of boards) board.hidden = board !== state.board;
  for (const element of all("[data-measure]")) element.hidden = element.dataset.measure !== state.measure;
  for (const head of all("[data-key]")) {
    if (head.dataset.key !== state.key) head.removeAttribute("aria-sort");
    else head.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
  }
  const body = state.board.querySelector("tbody");
  for (const row of body.rows) recompute(lines.get(row), state.board);
  const sorted = [...body.rows].map((row) => lines.get(row)).sort(compare);
  const shown = arrange(sorted.filter(makeFilter()));
  const isFlat = isFiltered() || byId("_variants").checked;
  const numbered = isFlat ? shown : shown.filter(isHead);
  const numbers = places(numbered);
  for (const { row } of sorted) row.hidden = true;
  for (const line of shown) {
    line.row.hidden = false;
    line.row.cells[0].textContent = numbers[numbered.indexOf(line)] ?? "";
    line.row.classList.toggle("variant", !numbered.includes(line));
    if (line.fold) line.fold.hidden = isFlat;
    line.fold?.setAttribute("aria-expanded", state.open.has(line.head));
  }
  body.append(...shown.map(({ row }) => row));
  state.shown = shown;
  pin(state.board.querySelector(`[data-key="${state.key}"]`), body);
  writeAddress();
  state.board.querySelector(".empty").hidden = shown.length > 0;
  byId("_status").textContent = `${shown.length} of ${sorted.length} models, by ${describeOrder()}${describeLanguages()}`;
  byId("_scatter").hidden = !("bias" in state.board.dataset);
  if (!byId("_scatter").hidden) drawScatter(shown, state.setting, state.measure);
}

// On narrow screens the sorted column stays next to the names while others scroll.
function pin(head, body) {
  for (const row of [head.parentElement, ...body.rows]) {
    for (const cell of row.cells) cell.classList.toggle("sorted", cell.cellIndex === head.cellIndex && state.key !== "name");
  }
  body.parentElement.style.setProperty("--name", `${state.shown[0]?.row.querySelector("th").offsetWidth ?? 0}px`);
}

function describeOrder() {
  const head = state.board.querySelector(`[data-key="${state.key}"]`).textContent;
  const ways = isText(state.key) ? ["A to Z", "Z to A"] : ["lowest first", "highest first"];
  return `${head}${isScore(state.key) ? ` ${state.measure}` : ""}, ${ways[Number(state.descending)]}`;
}

// ---- The address -----------------------------------------------------------------------------------------------------

function writeAddress() {
  const { board, measure, key, descending, setting } = state;
  const main = `${board.dataset.measures.split(" ")[0]}/${board.dataset.main}`;
  const said = new URLSearchParams();
  if (measure !== main.split("/")[0]) said.set("measure", measure);
  if (key !== `${measure}/${board.dataset.main}` || !descending) said.set("sort", descending ? `-${key}` : key);
  if (setting !== "Mul.") said.set("setting", setting);
  for (const [name, id] of Object.entries(FIELDS)) if (byId(id)?.value) said.set(name, byId(id).value);
  if (byId("_variants").checked) said.set("variants", "all");
  if (byId("_clean")?.checked) said.set("badges", "none");
  for (const side of SIDES) if (picked[side].size) said.set(side, [...picked[side]].join(","));
  const first = board === boards[0] && !`${said}` && !location.hash;
  if (!first) history.replaceState(null, "", `#${board.id}${`${said}` && `?${said}`}`);
}

function readAddress() {
  const [id, rest = ""] = decodeURIComponent(location.hash.slice(1)).split("?");
  const said = new URLSearchParams(rest);
  for (const [name, field] of Object.entries(FIELDS)) if (byId(field)) byId(field).value = said.get(name) ?? "";
  byId("_variants").checked = said.get("variants") === "all";
  if (byId("_clean")) byId("_clean").checked = said.get("badges") === "none";
  for (const side of SIDES) picked[side] = new Set((said.get(side) ?? "").split(",").filter(Boolean));
  [state.board, state.measure, state.key, state.descending] = [null, said.get("measure"), null, true];
  state.setting = said.get("setting") === "Mo." ? "Mo." : "Mul.";
  check("setting", state.setting);
  choose(id);
  const sort = said.get("sort") ?? "";
  const key = sort.replace(/^-/, "");
  if (key && state.board.querySelector(`[data-key="${CSS.escape(key)}"]`)) {
    [state.key, state.descending] = [key, sort.startsWith("-")];
  }
}

// ---- Controls --------------------------------------------------------------------------------------------------------

function choose(id) {
  const board = boards.find((candidate) => candidate.id === id) ?? state.board ?? boards[0];
  if (board === state.board) return;
  state.board = board;
  check("collection", board.id);
  // A family has separate measures and columns.
  offerLanguages(board);
  const measures = board.dataset.measures.split(" ");
  if (!measures.includes(state.measure)) [state.measure] = measures;
  check("measure", state.measure);
  for (const radio of all('[name="measure"]')) radio.parentElement.hidden = !measures.includes(radio.value);
  if (!board.querySelector(`[data-key="${CSS.escape(state.key ?? "")}"]`)) {
    [state.key, state.descending] = [`${state.measure}/${board.dataset.main}`, true];
  }
}

function start() {
  for (const part of all(".controls")) part.hidden = false;
  for (const control of all(".switch")) control.hidden = all("input", control).length < 2;
  const actions = {
    collection: choose,
    measure: (value) => (state.measure = value),
    setting: (value) => (state.setting = value),
  };
  addEventListener("change", ({ target }) => {
    actions[target.name]?.(target.value);
    update();
  });
  addEventListener("input", ({ target }) => target.matches("#_search, #_least, #_most") && update());
  byId("_reset").addEventListener("click", () => {
    for (const field of all(FILTERS)) field.value = "";
    for (const box of all(".field [type=checkbox]")) box.checked = false;
    for (const side of SIDES) picked[side].clear();
    offerLanguages(state.board);
    state.open.clear();
    update();
  });
  byId("_csv").addEventListener("click", () => download(state.board, state.shown));
  addEventListener("hashchange", () => {
    readAddress();
    update();
  });
  readAddress();
  update();
  let width = plot.clientWidth;
  new ResizeObserver(() => {
    if (plot.clientWidth === width) return;
    width = plot.clientWidth;
    update();
  }).observe(plot);
}

if (boards.length) start();
