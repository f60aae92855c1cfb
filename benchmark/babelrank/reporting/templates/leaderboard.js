// What scripts add to the leaderboard: one collection and one measure at a time, order, filters, variants folded under
// their base model, and the plot.

const boards = all(".board");
const lines = new Map(); // row -> what it shows
for (const board of boards) {
  [...board.querySelector("tbody").rows].forEach((row, i) => lines.set(row, { row, ...data[board.id][i] }));
}

const state = { board: null, measure: null, key: null, descending: true, setting: "Mul.", open: new Set() };
const isText = (key) => ["name", "most", "least"].includes(key) || key.endsWith("/group");
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
  const kind = byId("_kind")?.value;
  const [least, most] = [millions("_least"), millions("_most")];
  const anySize = least === null && most === null;
  return (line) => {
    const { name, parameters } = line.values;
    // A size that is not known is in no range.
    const fits = anySize || (parameters !== null && parameters >= (least ?? 0) && parameters <= (most ?? Infinity));
    return fits && (!kind || line.kind === kind) && words.every((word) => name.toLowerCase().includes(word));
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

const isFiltered = () => all(".field input:not([type=checkbox]), .field select").some(({ value }) => value);

// Heads in their order, each followed by its variants where they are unfolded; all in one order while one looks for some.
function arrange(sorted) {
  if (isFiltered() || byId("_variants").checked) return sorted;
  return sorted
    .filter(isHead)
    .flatMap((head) => [head, ...sorted.filter((line) => line.head === head.head && !isHead(line) && state.open.has(line.head))]);
}

// The number of each: one more than those before it that are significantly better, which have none of its letters.
function places(lines) {
  const letters = lines.map(({ values }) => values[`${state.measure}/group`]?.match(/[a-z]\d*/g) ?? []);
  const isTested = state.descending && state.key === `${state.measure}/${state.board.dataset.main}`;
  let most = 0;
  return letters.map((own, i) => {
    const better = letters.slice(0, i).filter((other) => !other.some((letter) => own.includes(letter))).length;
    most = Math.max(most, isTested && own.length ? better : i);
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
  state.board.querySelector(".empty").hidden = shown.length > 0;
  byId("_status").textContent = `${shown.length} of ${sorted.length} models, by ${describeOrder()}`;
  byId("_scatter").hidden = !("bias" in state.board.dataset);
  if (!byId("_scatter").hidden) drawScatter(shown, state.setting, state.measure);
}

function describeOrder() {
  const head = state.board.querySelector(`[data-key="${state.key}"]`).textContent;
  const ways = isText(state.key) ? ["A to Z", "Z to A"] : ["lowest first", "highest first"];
  return `${head}${isScore(state.key) ? ` ${state.measure}` : ""}, ${ways[Number(state.descending)]}`;
}

// ---- Controls --------------------------------------------------------------------------------------------------------

function choose(id) {
  const board = boards.find((candidate) => candidate.id === id) ?? state.board ?? boards[0];
  if (board === state.board) return;
  state.board = board;
  check("collection", board.id);
  // A family has measures and columns of its own.
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
    collection: (value) => {
      choose(value);
      history.replaceState(null, "", `#${value}`);
    },
    measure: (value) => (state.measure = value),
    setting: (value) => (state.setting = value),
  };
  addEventListener("change", ({ target }) => {
    actions[target.name]?.(target.value);
    update();
  });
  addEventListener("input", ({ target }) => target.matches("#_search, #_least, #_most") && update());
  byId("_reset").addEventListener("click", () => {
    for (const field of all(".field input, .field select")) field.value = "";
    byId("_variants").checked = false;
    state.open.clear();
    update();
  });
  addEventListener("hashchange", () => {
    choose(location.hash.slice(1));
    update();
  });
  choose(location.hash.slice(1));
  update();
  let width = plot.clientWidth;
  new ResizeObserver(() => {
    if (plot.clientWidth === width) return;
    width = plot.clientWidth;
    update();
  }).observe(plot);
}

if (boards.length) start();
