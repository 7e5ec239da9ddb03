// Faces that can be ticked, and judged with one key. What is ticked is kept here and told to Python a moment after the
// last change. What keys say is told again with the next key until Python has heard it: whoever judges fast loses nothing.
const TELL_AFTER_MS = 250;

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".wall");
  const focused = root.getRootNode().activeElement; // drawn anew below: the keyboard stays where it was
  const wall = (root.wall ??= { stamp: null, ticked: new Set(), told: "", last: 0, timer: 0, said: [] });
  wall.said = wall.said.filter((each) => each.n > data.heard);
  if (wall.stamp !== data.stamp) {
    wall.stamp = data.stamp;
    wall.ticked = new Set();
    wall.told = "";
    const n = data.tiles.findIndex((tile) => tile.id === focused?.dataset.id);
    wall.last = n >= 0 ? n : focused ? Math.min(wall.last, data.tiles.length - 1) : 0;
  }
  root.style.setProperty("--sprite", `url("${data.sprite}")`);
  root.style.setProperty("--columns", data.columns);

  const show = () => {
    tiles.forEach((tile, n) => {
      const on = wall.ticked.has(data.tiles[n].id);
      tile.setAttribute("aria-selected", on);
      tile.tabIndex = n === wall.last ? 0 : -1; // one tile can be reached with Tab, the others with arrow keys
    });
  };
  const tell = () => {
    clearTimeout(wall.timer);
    const ids = data.tiles.map((tile) => tile.id).filter((id) => wall.ticked.has(id));
    if (ids.join() === wall.told) return; // the two clicks of a double click change nothing
    wall.told = ids.join();
    setStateValue("ticked", { stamp: data.stamp, ids });
  };
  const tellSoon = () => {
    clearTimeout(wall.timer);
    wall.timer = setTimeout(tell, TELL_AFTER_MS);
  };
  const tick = (from, to, on) => {
    for (let n = Math.min(from, to); n <= Math.max(from, to); n++) {
      if (on) wall.ticked.add(data.tiles[n].id);
      else wall.ticked.delete(data.tiles[n].id);
    }
    wall.last = to;
    show();
    tellSoon();
  };
  const toggle = (n, range) => {
    const on = !wall.ticked.has(data.tiles[n].id);
    tick(range ? wall.last : n, n, range || on);
  };
  const open = (n) => {
    tell(); // before, since what Python is told later would close what opens
    setTriggerValue("opened", data.tiles[n].id);
    returnAfterDialog(root, data.tiles[n].id);
  };
  const go = (n) => {
    if (n < 0 || n >= tiles.length) return;
    wall.last = n;
    show();
    tiles[n].focus();
  };
  const judge = (key, n) => {
    const undo = key === data.undo;
    const ids = wall.ticked.size ? [...wall.ticked] : data.tiles.slice(n, n + 1).map((tile) => tile.id);
    if (!ids.length && !undo) return;
    const next = !wall.ticked.size && data.named && !undo;
    if (!undo) wall.ticked = new Set(data.named ? [] : ids); // the bar, which asks for the name, comes with a tick
    show();
    tell();
    wall.said.push({ n: Math.max(data.heard, wall.said.at(-1)?.n ?? 0) + 1, key, ids });
    setTriggerValue("judged", wall.said);
    if (next) go(n + 1);
  };
  const perRow = () => {
    const top = tiles[0].offsetTop;
    const next = tiles.findIndex((tile) => tile.offsetTop !== top);
    return next < 0 ? tiles.length : next;
  };

  const tiles = data.tiles.map((each, n) => tile(each, n, data));
  const list = element("div", "tiles", ...tiles);
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-multiselectable", "true");
  list.setAttribute("aria-label", "Images");
  const all = element("button", "", "Tick all on this page");
  const none = element("button", "", "Untick");
  all.onclick = () => tick(0, data.tiles.length - 1, true);
  none.onclick = () => tick(0, data.tiles.length - 1, false);
  const hint = element("span", "hint", "Click or space ticks, with shift a whole stretch. Double click or Enter opens.");
  root.classList.toggle("pick", data.pick);
  root.replaceChildren(...(data.pick ? [element("div", "tools", all, none, hint), legend(data), list] : [list]));
  if (!data.pick) {
    tiles.forEach((tile) => tile.setAttribute("role", "listitem"));
    list.setAttribute("role", "list");
    return;
  }

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
    judge(key, Number(event.target.dataset.n ?? Infinity)); // a button above the faces: only what is ticked
    event.preventDefault();
    event.stopPropagation();
  };
  show();
  if (focused) tiles[wall.last].focus({ preventScroll: true });
}

// The keyboard was at a tile when the dialog opened, and goes back there when it is closed: a dialog gives it back only
// to what stands in the page itself, and the tile stands in a shadow root and may have been drawn anew.
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
  const percent = `${Math.round(100 * each.confidence)} %`;
  const said = each.right ? [chip(each.predicted, data), "✓"] : [chip(each.true, data), "→", chip(each.predicted, data)];
  const fill = element("div", "");
  fill.style.width = `${100 * each.confidence}%`;
  const opener = element("button", "open", "i");
  opener.tabIndex = -1; // Enter on the tile does the same
  opener.title = "Open";
  const notes = each.notes.map((text) => element("div", "note", text));
  const sure = element("div", "sure", element("div", "bar", fill), percent);
  const result = element("div", "tile", face, element("div", "mark", "✓"), opener, element("div", "classes", ...said), sure, ...notes);
  result.dataset.n = n;
  result.dataset.id = each.id;
  result.setAttribute("role", "option");
  result.setAttribute("aria-label", `true ${each.true}, predicted ${each.predicted}, ${percent}. ${each.notes.join(". ")}`);
  return result;
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
