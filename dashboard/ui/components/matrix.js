// A table of buttons. Arrow keys go from button to button, Enter or space selects. After it comes, for keyboards, the way past
// all that stands between it and the images on the same page.

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".matrix");
  const size = data.labels.length;
  if (!root.firstChild) build(root, size);
  root.querySelector("caption").textContent = data.caption;
  root.querySelector(".skip").hidden = !data.skip;
  const [row, column] = data.chosen;

  for (const button of root.querySelectorAll("table button")) {
    const [i, j] = [Number(button.dataset.row), Number(button.dataset.column)]; // -1: a heading
    const whole = i < 0 || j < 0;
    const cell = whole ? null : data.cells[i][j];
    button.textContent = whole ? data.labels[Math.max(i, j)] : cell.text;
    button.title = whole ? `All ${i < 0 ? data.columns : data.rows} ${data.labels[Math.max(i, j)]}` : cell.title;
    button.setAttribute("aria-label", button.title);
    if (!whole) button.style.setProperty("--shade", cell.shade);
    const chosen = (i < 0 ? null : i) === row && (j < 0 ? null : j) === column;
    button.setAttribute("aria-pressed", chosen);
    button.onclick = () => {
      roam(root, button);
      // Another click on the selected one clears the selection.
      setTriggerValue("chosen", chosen ? { row: null, column: null } : { row: i < 0 ? null : i, column: j < 0 ? null : j });
    };
    button.onkeydown = (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      const next = step && root.querySelector(`[data-row="${i + step[0]}"][data-column="${j + step[1]}"]`);
      if (!next) return;
      event.preventDefault();
      roam(root, next);
      next.focus();
    };
  }
}

// Only one button can be reached with Tab: the others with arrow keys from there.
function roam(root, to) {
  for (const button of root.querySelectorAll("table button")) button.tabIndex = button === to ? 0 : -1;
}

function build(root, size) {
  const table = document.createElement("table");
  table.createCaption();
  const head = table.createTHead().insertRow();
  head.append(document.createElement("td"));
  for (let j = 0; j < size; j++) head.append(heading("col", -1, j));
  const body = table.createTBody();
  for (let i = 0; i < size; i++) {
    const line = body.insertRow();
    line.append(heading("row", i, -1));
    for (let j = 0; j < size; j++) line.insertCell().append(button(i, j));
  }
  const skip = document.createElement("button");
  skip.type = "button";
  skip.className = "skip";
  skip.textContent = "Skip to the images";
  skip.onclick = () => {
    const walls = [...document.querySelectorAll("*")].map((each) => each.shadowRoot?.querySelector(".wall"));
    walls.find((each) => each)?.querySelector('.tile[tabindex="0"]')?.focus();
  };
  root.append(table, skip);
  roam(root, table.querySelector("td button"));
}

function heading(scope, row, column) {
  const cell = document.createElement("th");
  cell.scope = scope;
  cell.append(button(row, column));
  return cell;
}

function button(row, column) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.row = row;
  button.dataset.column = column;
  return button;
}
