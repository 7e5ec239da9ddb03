// Faces that can be selected, and reviewed with one key. The selection is kept here and sent to Python a moment after the
// last change. Pressed keys are sent again with the next one until Python has received them: a fast reviewer loses nothing.
const SEND_AFTER_MS = 250;

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".wall");
  const focused = root.getRootNode().activeElement; // redrawn below: the keyboard stays where it was
  const wall = (root.wall ??= { stamp: null, selected: new Set(), sent: "", last: 0, timer: 0, pressed: [] });
  wall.pressed = wall.pressed.filter((each) => each.n > data.received);
  if (wall.stamp !== data.stamp) {
    wall.stamp = data.stamp;
    wall.selected = new Set();
    wall.sent = "";
    const n = data.tiles.findIndex((tile) => tile.id === focused?.dataset.id);
    wall.last = n >= 0 ? n : focused ? Math.min(wall.last, data.tiles.length - 1) : 0;
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
    send(); // before, since a later state change would close what opens
    setTriggerValue("opened", data.tiles[n].id);
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
  const perRow = () => {
    const top = tiles[0].offsetTop;
    const next = tiles.findIndex((tile) => tile.offsetTop !== top);
    return next < 0 ? tiles.length : next;
  };

  const tiles = data.tiles.map((each, n) => tile(each, n, data));
  const list = element("div", "tiles", ...tiles);
  list.setAttribute("role", "list");
  list.setAttribute("aria-label", "Images");
  const all = element("button", "", "Select all on page");
  const none = element("button", "", "Clear selection");
  all.onclick = () => select(0, data.tiles.length - 1, true);
  none.onclick = () => select(0, data.tiles.length - 1, false);
  const hint = element("span", "hint", "Click or Space: select · Shift: range · Double-click or Enter: open");
  root.classList.toggle("pick", data.pick);
  root.replaceChildren(...(data.pick ? [element("div", "tools", all, none, hint), legend(data), list] : [list]));
  if (!data.pick) return;
  // A grid, not a list of options: a cell may hold a button. One row, since how many fit beside each other is CSS's.
  const row = element("div", "row", ...tiles);
  row.setAttribute("role", "row");
  list.replaceChildren(row);
  list.setAttribute("role", "grid");
  list.setAttribute("aria-multiselectable", "true");
  tiles.forEach((tile) => tile.setAttribute("role", "gridcell"));

  tiles.forEach((tile, n) => {
    tile.onclick = (event) => toggle(n, event.shiftKey);
    tile.ondblclick = () => open(n);
    tile.querySelector(".open").onclick = (event) => {
      event.stopPropagation();
      open(n);
    };
    tile.onkeydown = (event) => {
      if (event.target !== tile) return;
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -perRow(), ArrowDown: perRow() }[event.key];
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
}

// The keyboard was at a tile when the dialog opened, and goes back there when it is closed: a dialog returns it only
// to elements of the page itself, and the tile is in a shadow root and may have been redrawn.
function returnAfterDialog(root, id) {
  root.returning?.disconnect();
  let opened = false;
  root.returning = new MutationObserver(() => {
    if (document.querySelector('[role="dialog"]')) opened = true;
    else if (opened) {
      root.returning.disconnect();
      const same = [...root.querySelectorAll(".tile")].find((tile) => tile.dataset.id === id);
      (same ?? root.querySelector('.tile[tabindex="0"]'))?.focus({ preventScroll: true });
    }
  });
  root.returning.observe(document.body, { childList: true, subtree: true });
}

function legend(data) {
  const groups = data.legend.map(([title, group]) => {
    const keys = group.map(([key, words]) => {
      return element("span", "key", element("kbd", "", key), words in data.colours ? chip(words, data) : words);
    });
    return element("div", "group", title, ...keys);
  });
  return element("div", "keys", ...groups);
}

function tile(each, n, data) {
  const face = element("div", "face");
  face.style.backgroundPosition = `${(n % data.columns) * -96}px ${Math.floor(n / data.columns) * -96}px`;
  const percent = `${Math.round(100 * each.confidence)}%`;
  const predicted = [hidden("predicted"), chip(each.predicted, data)];
  const classes = each.right ? [...predicted, seen("✓")] : [hidden("true"), chip(each.true, data), seen("→"), ...predicted];
  const fill = element("div", "");
  fill.style.width = `${100 * each.confidence}%`;
  const opener = element("button", "open", "i");
  opener.tabIndex = -1; // Enter on the tile does the same
  opener.title = "Details";
  opener.setAttribute("aria-label", "i: details");
  const notes = each.notes.map((text) => element("div", "note", text));
  const confidence = element("div", "confidence", element("div", "bar", fill), percent);
  const mark = seen("✓");
  mark.className = "mark";
  const result = element("div", "tile", face, mark, opener, element("div", "classes", ...classes), confidence, ...notes);
  result.dataset.n = n;
  result.dataset.id = each.id;
  result.setAttribute("role", "listitem"); // its name is its text
  return result;
}

function chip(label, data) {
  const result = element("span", "class", label);
  [result.style.background, result.style.color] = data.colours[label];
  return result;
}

// For screen readers, and for the eye alone.
function hidden(text) {
  return element("span", "hidden", text);
}

function seen(text) {
  const result = element("span", "", text);
  result.setAttribute("aria-hidden", "true");
  return result;
}

function element(tag, name, ...children) {
  const result = document.createElement(tag);
  if (name) result.className = name;
  if (tag === "button") result.type = "button";
  result.append(...children); // strings become text, never markup
  return result;
}
