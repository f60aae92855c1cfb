// What the pages' scripts share; they are put together into one function, so that nothing of theirs is global.

const data = JSON.parse(document.getElementById("_data").textContent);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const byId = (id) => document.getElementById(id);

// Choose the radio button of a switch that has a value.
function check(name, value) {
  for (const radio of all(`[name="${name}"]`)) radio.checked = radio.value === value;
}

// ---- A tooltip: one at a time, told by screen readers as the description of what it belongs to -----------------------

const tip = document.body.appendChild(document.createElement("div"));
tip.id = "_tip";
tip.className = "tip";
tip.setAttribute("role", "tooltip");
tip.hidden = true;
let tipped = null; // the element it belongs to, the one next to which it is shown, and those that are marked

// `lines`: class and text of each; `box`: the element next to which it is shown.
function showTip(element, lines, box = element) {
  hideTip();
  tipped = { element, box, lit: [] };
  tip.replaceChildren(
    ...lines.map(([kind, text]) => {
      const line = document.createElement("p");
      line.className = kind;
      line.textContent = text;
      return line;
    }),
  );
  tip.hidden = false;
  element.setAttribute("aria-describedby", tip.id);
  placeTip();
}

// Above, or below where there is no room; never beyond the sides.
function placeTip() {
  const at = tipped.box.getBoundingClientRect();
  const middle = at.left + (at.width - tip.offsetWidth) / 2;
  const above = at.top - tip.offsetHeight - 8;
  tip.style.left = `${Math.max(Math.min(middle, innerWidth - tip.offsetWidth - 8), 8)}px`;
  tip.style.top = `${above < 8 ? at.bottom + 8 : above}px`;
}

// Mark what the tooltip is about, as long as it is shown.
function light(...elements) {
  for (const element of elements) element.classList.add("lit");
  tipped.lit.push(...elements);
}

function hideTip() {
  if (!tipped) return;
  tip.hidden = true;
  tipped.element.removeAttribute("aria-describedby");
  for (const element of tipped.lit) element.classList.remove("lit");
  tipped = null;
}

addEventListener("keydown", ({ key }) => key === "Escape" && hideTip());
addEventListener("resize", hideTip);
addEventListener("scroll", () => tipped && placeTip(), { capture: true, passive: true });
