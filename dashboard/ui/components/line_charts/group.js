// Line charts on uPlot. Charts of one element share the x axis: its zoom, the crosshair, and the legend of lines that
// have the same name. What the visitor did (zoom, hidden lines, the tooltip) is kept here and survives all new data.

class Charts extends HTMLElement {
  range = null; // [from, to] of a zoom along x
  hidden = new Set(); // names of lines
  panels = new Map();
  sync = uPlot.sync(Symbol("charts"));

  connectedCallback() {
    if (!this.grid) this.build();
    this.sizes.observe(this.grid);
    if (this.latest) this.data = this.latest;
  }

  build() {
    this.bar = node("div", "bar");
    this.legend = node("div", "legend");
    this.reset = button("Reset zoom", () => this.showAll());
    this.reset.className = "reset";
    this.reset.hidden = true;
    this.reset.title = "Or double-click a chart";
    this.bar.append(this.legend, this.reset);
    this.grid = node("div", "grid");
    this.said = node("div", "said muted");
    this.said.setAttribute("aria-live", "polite");
    this.append(this.bar, this.grid, this.said);
    this.addEventListener("transitionend", (event) => event.target === this && this.repaint());
    this.sizes = new ResizeObserver(() => this.panels.forEach((panel) => panel.fit()));
  }

  disconnectedCallback() {
    // An element that is only moved is back at once.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.sizes.disconnect();
      this.panels.forEach((panel) => panel.destroy());
      this.panels.clear();
    });
  }

  set data(data) {
    this.latest = data;
    if (!this.isConnected || this.dragging) return; // later: a box that is being drawn is not disturbed
    if (this.x && this.x.title !== data.x.title) this.range = null;
    this.x = data.x;
    const several = data.charts.filter((chart) => chart.lines.length > 1);
    const names = several.flatMap((chart) => chart.lines.map((line) => line.name));
    this.shared = new Set(names.filter((name, at) => names.indexOf(name) !== at));
    drawLegend(this, this.legend, uniqueLines(several).filter((line) => this.shared.has(line.name)));

    const keys = new Set(data.charts.map((chart) => chart.key));
    for (const [key, panel] of this.panels) {
      if (!keys.has(key)) panel.destroy(), this.panels.delete(key);
    }
    for (const chart of data.charts) {
      const panel = this.panels.get(chart.key) ?? new Panel(this);
      this.panels.set(chart.key, panel);
      const there = this.grid.children[data.charts.indexOf(chart)];
      if (there !== panel.figure) this.grid.insertBefore(panel.figure, there ?? null);
      panel.show(chart);
    }
    this.marked();
  }

  toggle(name) {
    if (!this.hidden.delete(name)) this.hidden.add(name);
    this.panels.forEach((panel) => panel.showLines());
    for (const each of this.querySelectorAll(".legend button")) {
      each.setAttribute("aria-pressed", !this.hidden.has(each.name));
    }
  }

  zoom(range) {
    const [from, to] = this.fullRange();
    const [a, b] = [Math.max(from, range[0]), Math.min(to, range[1])];
    this.range = b - a >= (to - from) * 0.999 ? null : b > a ? [a, b] : this.range;
    this.panels.forEach((panel) => panel.refresh());
    this.marked();
  }

  showAll() {
    this.range = null;
    this.panels.forEach((panel) => (panel.yRange = null));
    this.panels.forEach((panel) => panel.refresh());
    this.marked();
  }

  // Whether there is something to reset.
  marked() {
    this.reset.hidden = !this.range && ![...this.panels.values()].some((panel) => panel.yRange);
  }

  // All of the x axis: as planned, or as far as there is data.
  fullRange() {
    const ends = [...this.panels.values()].map((panel) => panel.last);
    return [0, Math.max(this.x.end, ...ends) || 1];
  }

  repaint() {
    this.panels.forEach((panel) => panel.plot?.redraw(false));
  }

  drag(begins) {
    this.dragging = begins;
    if (!begins) this.data = this.latest;
  }
}

function node(tag, className = "", text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

function button(text, onclick) {
  return Object.assign(node("button", "", text), { type: "button", onclick });
}

function uniqueLines(charts) {
  return [...new Map(charts.flatMap((chart) => chart.lines).map((line) => [line.name, line])).values()];
}

function drawLegend(charts, legend, lines) {
  const shape = JSON.stringify(lines.map(({ name, colour, dash }) => [name, colour, dash]));
  if (legend.shape === shape) return;
  legend.shape = shape;
  legend.replaceChildren(...lines.map((line) => entry(charts, line)));
}

function entry(charts, line) {
  const toggle = button("", () => charts.toggle(line.name));
  toggle.name = line.name;
  toggle.title = "Show or hide";
  toggle.setAttribute("aria-pressed", !charts.hidden.has(line.name));
  toggle.append(sample(line), node("span", "", line.name));
  return toggle;
}

// A piece of the line, with its colour and dash.
function sample(line) {
  const piece = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const stroke = document.createElementNS("http://www.w3.org/2000/svg", "line");
  const look = { stroke: line.colour, "stroke-width": 3, "stroke-dasharray": line.dash.join(" ") };
  for (const [key, value] of Object.entries({ x1: 0, x2: 22, y1: 4, y2: 4, ...look })) stroke.setAttribute(key, value);
  piece.setAttribute("aria-hidden", "true");
  piece.append(stroke);
  return piece;
}

export default function () {
  if (!customElements.get("fer-charts")) customElements.define("fer-charts", Charts);
}
