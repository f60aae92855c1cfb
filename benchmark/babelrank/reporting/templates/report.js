// What scripts add to a report: one collection and one measure at a time, and what is behind a cell.

// ---- Switches --------------------------------------------------------------------------------------------------------

const collections = all(".collection");

function showCollection(id) {
  for (const article of collections) article.hidden = article.id !== id;
  for (const list of all(".jump")) list.hidden = list.dataset.of !== id;
  check("collection", id);
}

// An address may lead to anything within a collection.
function followHash() {
  const target = byId(location.hash.slice(1));
  const article = target?.closest(".collection");
  if (!article) return;
  showCollection(article.id);
  const folded = target.closest("details");
  if (folded) folded.open = true;
  target.scrollIntoView();
}

if (collections.length) showCollection(collections[0].id);
if (collections.length > 1) {
  const control = document.querySelector(".bar-nav .switch");
  control.hidden = false;
  control.addEventListener("change", ({ target }) => {
    showCollection(target.value);
    history.replaceState(null, "", `#${target.value}`);
  });
}
addEventListener("hashchange", followHash);
followHash();

const switched = all(".part").filter((section) => section.querySelector(".switch"));
const titleOf = (section) => section.querySelector("h3").textContent;

function showMeasure(section, label) {
  const figures = all(".matrix", section);
  const chosen = figures.find((figure) => figure.dataset.label === label);
  if (!chosen) return;
  for (const figure of figures) figure.hidden = figure !== chosen;
  check(section.querySelector(".switch input").name, chosen.id);
}

for (const section of switched) {
  const control = section.querySelector(".switch");
  control.hidden = false;
  showMeasure(section, section.querySelector(".matrix").dataset.label);
  control.addEventListener("change", ({ target }) => {
    // The same section of other collections follows: they are compared by one measure.
    const { label } = byId(target.value).dataset;
    for (const other of switched) if (titleOf(other) === titleOf(section)) showMeasure(other, label);
  });
}

// ---- What is behind a cell -------------------------------------------------------------------------------------------

const cellOf = (node) => node.closest(".heat tbody td");

function tell(cell) {
  if (!cell) return hideTip();
  if (cell === tipped?.element) return;
  const view = data.views[cell.closest(".matrix").id];
  const listed = [view.rows, view.columns, view.n].map((place) => data.lists[place]);
  const [rows, columns, counts] = view.shown ? [view.shown.rows, view.shown.columns] : listed;
  const row = cell.parentElement;
  const [i, j] = [row.sectionRowIndex, cell.cellIndex - 1];
  const interval = view.intervals?.[i]?.[j];
  const n = counts?.[i]?.[j];
  const lines = [
    ["who", `${rows[i]} ${view.join} ${columns[j]}`],
    ["value", `${view.label} ${view.values && !view.shown ? view.values[i][j] : cell.textContent}`],
  ];
  if (interval) lines.push(["", `95 % interval ${interval.join("–")}`]);
  if (Number.isInteger(n)) lines.push(["", `n = ${n.toLocaleString("en")} ${view.unit}`]);
  showTip(cell, lines);
  light(cell, row.cells[0], cell.closest("table").tHead.rows[0].cells[j + 1]);
}

function neighbour(cell, key, toEnd) {
  const rows = [...cell.closest("tbody").rows];
  const [i, j, last] = [cell.parentElement.sectionRowIndex, cell.cellIndex, cell.parentElement.cells.length - 1];
  const [row, column] = {
    ArrowUp: [i - 1, j],
    ArrowDown: [i + 1, j],
    ArrowLeft: [i, j - 1],
    ArrowRight: [i, j + 1],
    Home: [toEnd ? 0 : i, 1],
    End: [toEnd ? rows.length - 1 : i, last],
  }[key] ?? [-1, 0];
  return column < 1 ? null : rows[row]?.cells[column];
}

function focus(cell) {
  for (const other of all("td[tabindex='0']", cell.closest("table"))) other.tabIndex = -1;
  cell.tabIndex = 0;
  cell.focus();
}

// One cell of a table is reached with Tab, the others from there with the arrow keys: the grid of WAI-ARIA's Authoring
// Practices.
for (const table of all(".heat")) {
  const cells = all("tbody td", table);
  if (!cells.length) continue;
  table.setAttribute("role", "grid");
  table.setAttribute("aria-readonly", "true");
  for (const cell of cells) cell.tabIndex = -1;
  cells[0].tabIndex = 0;
  table.addEventListener("pointerover", ({ target }) => tell(cellOf(target)));
  table.addEventListener("pointerleave", () => tell(cellOf(document.activeElement)));
  table.addEventListener("focusin", ({ target }) => tell(cellOf(target)));
  table.addEventListener("focusout", hideTip);
  table.addEventListener("click", ({ target }) => cellOf(target) && focus(cellOf(target)));
  table.addEventListener("keydown", (event) => {
    const cell = cellOf(event.target);
    const next = cell && neighbour(cell, event.key, event.ctrlKey);
    if (/^(Arrow|Home$|End$)/.test(event.key)) event.preventDefault();
    if (next) focus(next);
  });
}

// ---- The command -----------------------------------------------------------------------------------------------------

const copy = byId("_copy");
copy.hidden = false;
copy.addEventListener("click", async () => {
  const command = document.querySelector(".command code");
  try {
    await navigator.clipboard.writeText(command.textContent);
    copy.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(command); // the reader can take it from here
    copy.textContent = "Selected";
  }
});
