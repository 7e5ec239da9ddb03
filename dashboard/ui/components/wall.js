// Faces that can be opened, selected, and reviewed with one key. The selection is kept here and sent to Python a moment after
// the last change. Pressed keys are sent again with the next one until Python has received them: a fast reviewer loses nothing.
const SEND_AFTER_MS = 250;
const TILE_PX = 122; // at least, and the gap, as in wall.css
const GAP_PX = 6;
const HEADER_PX = 60; // Streamlit's, which covers what scrolls beneath it

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".wall");
  const focused = root.getRootNode().activeElement; // redrawn below: the keyboard stays where it was
  const wall = (root.wall ??= { stamp: null, selected: new Set(), sent: "", last: 0, timer: 0, pressed: [], at: data.at });
  wall.pressed = wall.pressed.filter((each) => each.n > data.received);
  if (wall.stamp !== data.stamp) {
    wall.stamp = data.stamp;
    wall.selected = new Set();
    wall.sent = "";
    const n = place(data, focused?.dataset.id);
    wall.last = n >= 0 ? n : focused ? Math.min(wall.last, data.tiles.length - 1) : 0;
  }
  if (wall.at !== data.at) {
    wall.at = data.at; // what the viewer showed last
    if (place(data, data.at) >= 0) wall.last = place(data, data.at);
  }
  root.style.setProperty("--sprite", `url("${data.sprite}")`);
  root.style.setProperty("--columns", data.columns);

  const show = () => {
    tiles.forEach((tile, n) => {
      const on = wall.selected.has(data.tiles[n].id);
      tile.setAttribute("aria-selected", on);
      tile.tabIndex = n === wall.last ? 0 : -1; // one tile can be reached with Tab, the others with arrow keys
    });
  };
  const send = () => {
    clearTimeout(wall.timer);
    const ids = data.tiles.map((tile) => tile.id).filter((id) => wall.selected.has(id));
    if (ids.join() === wall.sent) return; // the two clicks of a double click change nothing
    wall.sent = ids.join();
    setStateValue("selected", { stamp: data.stamp, ids });
  };
  const sendSoon = () => {
    clearTimeout(wall.timer);
    wall.timer = setTimeout(send, SEND_AFTER_MS);
  };
  const select = (from, to, on) => {
    for (let n = Math.min(from, to); n <= Math.max(from, to); n++) {
      if (on) wall.selected.add(data.tiles[n].id);
      else wall.selected.delete(data.tiles[n].id);
    }
    wall.last = to;
    show();
    sendSoon();
  };
  const toggle = (n, range) => {
    const on = !wall.selected.has(data.tiles[n].id);
    select(range ? wall.last : n, n, range || on);
  };
  const open = (n) => {
    if (tiles[n].classList.contains("opening")) return; // the second click of a double click
    wall.last = n;
    show();
    send(); // before, since a later state change would close what opens
    setTriggerValue("opened", data.tiles[n].id);
    tiles[n].classList.add("opening");
    returnAfterDialog(root, data.tiles[n].id);
  };
  const go = (n) => {
    if (n < 0 || n >= tiles.length) return;
    wall.last = n;
    show();
    tiles[n].focus();
  };
  const review = (key, n) => {
    const undo = key === data.undo;
    const ids = wall.selected.size ? [...wall.selected] : data.tiles.slice(n, n + 1).map((tile) => tile.id);
    if (!ids.length && !undo) return;
    const next = !wall.selected.size && data.named && !undo;
    if (!undo) wall.selected = new Set(data.named ? [] : ids); // the bar, which asks for the name, comes with a selection
    show();
    send();
    wall.pressed.push({ n: Math.max(data.received, wall.pressed.at(-1)?.n ?? 0) + 1, key, ids });
    setTriggerValue("pressed", wall.pressed);
    if (next) go(n + 1);
  };
  const tiles = data.tiles.map((each, n) => tile(each, n, data));
  const grid = element("div", "tiles", ...(data.pick ? [] : tiles));
  grid.setAttribute("role", data.pick ? "grid" : "list");
  grid.setAttribute("aria-label", "Images");
  root.style.setProperty("--lines", data.lines);
  root.classList.toggle("pick", data.pick);
  root.sizes?.disconnect();
  if (!data.pick) {
    root.replaceChildren(grid);
    reveal(root, data);
    return;
  }

  grid.setAttribute("aria-multiselectable", "true");
  const all = element("button", "", "Select all on page");
  const none = element("button", "", "Clear selection");
  all.onclick = () => select(0, data.tiles.length - 1, true);
  none.onclick = () => select(0, data.tiles.length - 1, false);
  const hint = element("span", "hint", "Click or Enter: open · ☐ or Space: select · Shift: range");
  inRows(grid, tiles, wall, root); // before it is in the page: laid out once
  root.body ??= element("div", "");
  root.status ??= element("div", "hidden"); // stays, so that what is written into it is read out
  root.status.setAttribute("role", "status");
  if (root.body.parentNode !== root) root.replaceChildren(root.status, root.body);
  root.body.replaceChildren(element("div", "tools", all, none, hint), legend(data, wall), grid);
  if (root.status.textContent !== data.said) root.status.textContent = data.said;

  root.sizes = new ResizeObserver(() => inRows(grid, tiles, wall, root));
  root.sizes.observe(root);

  tiles.forEach((tile, n) => {
    tile.onclick = (event) => {
      if (event.shiftKey || event.ctrlKey || event.metaKey) toggle(n, event.shiftKey);
      else open(n);
    };
    tile.querySelector(".mark").onclick = (event) => {
      event.stopPropagation();
      toggle(n, event.shiftKey);
      tile.focus({ preventScroll: true });
    };
    tile.onkeydown = (event) => {
      if (event.target !== tile) return;
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -wall.perRow, ArrowDown: wall.perRow }[event.key];
      if (step) go(n + step);
      else if (event.key === " ") toggle(n, event.shiftKey);
      else if (event.key === "Enter") open(n);
      else return;
      event.preventDefault();
      event.stopPropagation();
    };
  });
  root.onkeydown = (event) => {
    const key = event.key.toLowerCase();
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (!data.legend.some(([, group]) => group.some(([each]) => each === key))) return;
    review(key, Number(event.target.dataset.n ?? Infinity)); // a button above the faces: only the selected ones
    event.preventDefault();
    event.stopPropagation();
  };
  show();
  if (focused) tiles[wall.last].focus({ preventScroll: true });
  reveal(root, data);
}

function place(data, id) {
  return data.tiles.findIndex((tile) => tile.id === id);
}

// The rows of the grid, as many tiles in each as fit. They are boxes for screen readers only.
function inRows(grid, tiles, wall, root) {
  const perRow = Math.max(1, Math.floor((root.clientWidth + GAP_PX) / (TILE_PX + GAP_PX)));
  if (perRow === wall.perRow && grid.firstChild) return;
  wall.perRow = perRow;
  grid.style.setProperty("--per-row", perRow);
  const focused = grid.getRootNode().activeElement;
  const rows = [];
  for (let n = 0; n < tiles.length; n += perRow) {
    const row = element("div", "row", ...tiles.slice(n, n + perRow));
    row.setAttribute("role", "row");
    rows.push(row);
  }
  grid.replaceChildren(...rows);
  if (tiles.includes(focused)) focused.focus({ preventScroll: true });
}

// Whoever chose other images, by a cell of the matrix or a page, sees their beginning. A count, not a flag: an update that
// the next one overtakes is not lost, and one that comes twice scrolls once.
function reveal(root, data) {
  if (data.reveal <= (window.ferRevealed ?? 0)) return;
  window.ferRevealed = data.reveal;
  const top = root.getBoundingClientRect().top;
  if (top < HEADER_PX || top > window.innerHeight / 2) root.scrollIntoView({ block: "start" });
}

// The keyboard was at a tile when the dialog opened, and goes back there when it is closed: a dialog returns it only
// to elements of the page itself, and the tile is in a shadow root and may have been redrawn.
function returnAfterDialog(root, id) {
  root.returning?.disconnect();
  let opened = false;
  root.returning = new MutationObserver(() => {
    if (document.querySelector('[role="dialog"]')) {
      opened = true;
      root.querySelector(".opening")?.classList.remove("opening");
    } else if (opened) {
      root.returning.disconnect();
      const same = [...root.querySelectorAll(".tile")].find((tile) => tile.dataset.id === id);
      (same ?? root.querySelector('.tile[tabindex="0"]'))?.focus({ preventScroll: true });
    }
  });
  root.returning.observe(document.body, { childList: true, subtree: true });
}

function legend(data, wall) {
  const groups = data.legend.map(([title, group]) => {
    const keys = group.map(([key, words]) => {
      return element("span", "key", element("kbd", "", key), words in data.colours ? chip(words, data) : words);
    });
    return element("div", "group", title, ...keys);
  });
  const details = element("details", "keys", element("summary", "", "Keyboard shortcuts"), ...groups);
  details.open = wall.keysShown ?? false;
  details.ontoggle = () => (wall.keysShown = details.open);
  return details;
}

function tile(each, n, data) {
  const face = element("div", "face");
  face.style.backgroundPosition = `${(n % data.columns) * -96}px ${Math.floor(n / data.columns) * -96}px`;
  const percent = `${Math.round(100 * each.confidence)}%`;
  const classes = each.right
    ? [hidden("Correct:"), chip(each.predicted, data), "✓"]
    : [hidden("True"), chip(each.true, data), "→", hidden("predicted"), chip(each.predicted, data)];
  const fill = element("div", "");
  fill.style.width = `${100 * each.confidence}%`;
  const notes = each.notes.map((text) => {
    const note = element("div", "note", text);
    note.title = text; // cut to one line, so that a tile is as high with a note as without
    return note;
  });
  const confidence = element("div", "confidence", element("div", "bar", fill), percent);
  const result = element("div", "tile", face, element("div", "classes", ...classes), confidence, element("div", "notes", ...notes));
  if (data.pick) {
    const mark = element("span", "mark"); // for the mouse: Space does the same, and aria-selected tells
    mark.setAttribute("aria-hidden", "true");
    mark.title = "Select";
    result.prepend(mark);
  }
  result.dataset.n = n;
  result.dataset.id = each.id;
  result.setAttribute("role", data.pick ? "gridcell" : "listitem"); // named by what stands on it
  return result;
}

function hidden(words) {
  return element("span", "hidden", ` ${words} `);
}

function chip(label, data) {
  const result = element("span", "class", label);
  [result.style.background, result.style.color] = data.colours[label];
  return result;
}

function element(tag, name, ...children) {
  const result = document.createElement(tag);
  if (name) result.className = name;
  if (tag === "button") result.type = "button";
  result.append(...children); // strings become text, never markup
  return result;
}
