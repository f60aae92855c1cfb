// What scripts add to the leaderboard: one collection and one measure at a time, order, filters, and the plot.

const boards = all(".board");
const lines = new Map(); // row -> what it shows
for (const board of boards) {
  [...board.querySelector("tbody").rows].forEach((row, i) => lines.set(row, { row, ...data[board.id][i] }));
}

const state = { board: null, measure: null, key: null, descending: true, setting: "Mul." };
const isText = (key) => key === "name" || key === "group";
const isScore = (key) => key.includes("/");

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
  const shown = sorted.filter(makeFilter());
  body.append(...sorted.map(({ row }) => row));
  for (const { row } of sorted) row.hidden = true;
  shown.forEach(({ row }, i) => {
    row.hidden = false;
    row.cells[0].textContent = i + 1;
  });
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
