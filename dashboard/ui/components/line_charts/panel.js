// One chart of the group: its plot, and the tooltip in it.

const MOST_ROWS = 10; // of a tooltip
const SMALL_TIP = 4; // so many lines are also told in the charts that only follow the pointer
const FAINT = 0.3;

class Panel {
  yRange = null; // [from, to] of a zoom along y
  last = 0; // largest x

  constructor(charts) {
    this.charts = charts;
    this.figure = node("figure");
    this.caption = node("figcaption");
    this.title = node("strong");
    this.legend = node("div", "legend");
    this.caption.append(this.title, this.legend);
    this.host = node("div", "plot");
    this.host.tabIndex = 0;
    this.host.setAttribute("role", "img");
    this.host.onkeydown = (event) => this.key(event);
    this.tip = node("div", "tip");
    this.tip.hidden = true;
    this.tip.setAttribute("aria-hidden", "true"); // read from `said`
    this.figure.append(this.caption, this.host);
  }

  destroy() {
    this.plot?.destroy();
    this.figure.remove();
  }

  show(chart) {
    const before = this.chart;
    const had = this.shape;
    this.chart = chart;
    this.title.textContent = chart.title;
    this.host.setAttribute("aria-label", chart.described);
    const own = chart.lines.filter((line) => !this.charts.shared.has(line.name));
    drawLegend(this.charts, this.legend, own.length > 1 ? own : []);
    this.lines = chart.lines.map((line) => ({
      ...line,
      x: unpacked(line.x),
      y: unpacked(line.y, chart.log),
      raw: unpacked(line.raw, chart.log),
      low: unpacked(line.low, chart.log),
      high: unpacked(line.high, chart.log),
    }));
    this.last = Math.max(0, ...this.lines.map((line) => line.x.at(-1) ?? 0));
    const looks = this.lines.map((line) => [line.name, line.colour, line.dash, line.width, line.dots, columns(line)]);
    this.shape = JSON.stringify([looks, chart.log, chart.height, this.charts.x.title]);
    if (before && before.log !== chart.log) this.yRange = null;
    if (this.plot && had === this.shape) return this.refresh(this.joined());
    const at = this.plot && { left: this.plot.cursor.left, top: this.plot.cursor.top };
    this.plot?.destroy();
    this.plot = new uPlot(this.options(), this.joined(), this.host);
    this.plot.over.append(this.tip);
    if (at?.left >= 0) this.plot.setCursor(at);
  }

  // One table for uPlot: x of all lines, and the columns of each; undefined where a line has no point there.
  joined() {
    if (!this.lines.length) return [[]];
    return uPlot.join(this.lines.map((line) => [line.x, ...columns(line).map((column) => line[column])]));
  }

  // Draws the data; the ranges below say what of it.
  refresh(data = this.plot.data) {
    this.plot.setData(data);
  }

  fit() {
    const width = this.host.clientWidth;
    if (width && width !== this.plot?.width) this.plot?.setSize({ width, height: this.plot.height });
  }

  showLines() {
    const show = ({ label }, n) => n && this.plot.setSeries(n, { show: !this.charts.hidden.has(label) });
    this.plot.batch(() => this.plot.series.forEach(show));
  }

  options() {
    const { chart, charts } = this;
    const series = this.lines.flatMap((line) => columns(line).map((column) => this.series(line, column)));
    const font = `12px ${getComputedStyle(this.host).fontFamily}`;
    const axis = {
      stroke: () => getComputedStyle(charts.said).color,
      font,
      gap: 6,
      ticks: { show: false },
      grid: { stroke: () => getComputedStyle(charts).getPropertyValue("--st-border-color"), width: 1 },
    };
    const x = {
      ...axis,
      label: charts.x.title,
      labelFont: font,
      labelSize: 18,
      labelGap: 0,
      size: 26,
      space: 56,
      incrs: (_, __, from, to) => steps(charts.x.kind, from, to),
      values: (_, splits, __, ___, step) => splits.map((value) => ticked(value, step, 9)),
    };
    const y = {
      ...axis,
      size: 58,
      space: 34,
      incrs: INCREMENTS,
      ...(chart.log && { splits: (_, __, low, high) => logTicks(low, high), filter: (_, splits) => splits }),
      values: (_, splits, __, ___, step) => splits.map((value) => ticked(value, chart.log ? null : step, 6)),
    };
    return {
      width: this.host.clientWidth || 400,
      height: chart.height + 44,
      padding: [8, 10, 0, 0],
      legend: { show: false },
      scales: {
        x: { time: false, range: () => charts.range ?? charts.fullRange() },
        y: { distr: chart.log ? 3 : 1, range: (_, low, high) => this.yRange ?? yExtent(low, high, chart) },
      },
      axes: [x, y],
      series: [{}, ...series],
      bands: this.bands(),
      cursor: {
        y: false,
        sync: { key: charts.sync.key, scales: ["x", null], filters: { pub: shared, sub: shared } },
        drag: { x: true, y: true, uni: 24, dist: 6, setScale: false },
        dataIdx: (plot, n, at) => (n === 0 ? at : marked(plot, n, at)),
        points: { size: 7 },
        bind: { dblclick: () => () => charts.showAll() },
      },
      hooks: {
        ready: [(plot) => this.listen(plot)],
        setCursor: [(plot) => this.tell(plot)],
        setSelect: [(plot) => this.box(plot)],
      },
    };
  }

  series(line, column) {
    const main = column === "y";
    const edge = column === "low" || column === "high";
    return {
      label: line.name,
      main,
      line,
      show: !this.charts.hidden.has(line.name),
      stroke: edge ? "transparent" : line.colour,
      alpha: column === "raw" ? FAINT : 1,
      width: main ? line.width : 1,
      dash: main && line.dash.length ? line.dash : undefined,
      auto: column !== "raw",
      spanGaps: false,
      points: { show: main && (() => line.dots || this.alone(line.name)), size: 6, fill: line.colour },
    };
  }

  // Of a single point there is no line to see.
  alone(name) {
    return this.lines.find((line) => line.name === name).x.length === 1;
  }

  bands() {
    let at = 1;
    const bands = [];
    for (const line of this.lines) {
      const all = columns(line);
      const edges = [at + all.indexOf("high"), at + all.indexOf("low")];
      if (line.low) bands.push({ series: edges, fill: `${line.colour}30` });
      at += all.length;
    }
    return bands;
  }

  listen(plot) {
    plot.over.addEventListener("mouseenter", () => (this.charts.hovered = this));
    plot.over.addEventListener("mousedown", (event) => {
      if (event.button !== 0) return;
      this.charts.drag(true);
      window.addEventListener("mouseup", () => setTimeout(() => this.charts.drag(false)), { once: true });
    });
    // The wheel alone scrolls the page.
    plot.over.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.shiftKey) return;
      event.preventDefault();
      this.zoomAround(plot.posToVal(event.offsetX, "x"), (event.deltaY || event.deltaX) > 0 ? 1.25 : 0.8);
    }, { passive: false });
  }

  zoomAround(middle, factor) {
    const [from, to] = this.charts.range ?? this.charts.fullRange();
    this.charts.zoom([middle - (middle - from) * factor, middle + (to - middle) * factor]);
  }

  // A box was drawn: a zoom along the sides that it does not fill.
  box(plot) {
    const { left, top, width, height } = plot.select;
    const [wide, high] = [plot.over.clientWidth, plot.over.clientHeight];
    if (width < 2 || height < 2) return;
    if (height < high - 1) this.yRange = [plot.posToVal(top + height, "y"), plot.posToVal(top, "y")];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    const { min, max } = plot.scales.x;
    this.charts.zoom(width < wide - 1 ? [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")] : [min, max]);
  }

  key(event) {
    const { plot, charts } = this;
    const xs = plot.data[0];
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const factor = { "+": 0.8, "=": 0.8, "-": 1.25 }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || !(step || factor || event.key === "0") || !xs.length) return;
    event.preventDefault();
    charts.hovered = this;
    const at = plot.cursor.left >= 0 ? plot.cursor.idx : null;
    if (event.key === "0") charts.showAll();
    else if (factor) this.zoomAround(at === null ? (plot.scales.x.min + plot.scales.x.max) / 2 : xs[at], factor);
    else {
      const next = at === null ? xs.length - 1 : Math.max(0, Math.min(xs.length - 1, at + step));
      plot.setCursor({ left: plot.valToPos(xs[next], "x"), top: plot.over.clientHeight / 2 });
      charts.said.textContent = this.tip.innerText.replaceAll("\n", ", ");
    }
  }

  // The values at the crosshair, highest first, beside it, in the half of the chart where the lines are not.
  tell(plot) {
    const { left, top, idx } = plot.cursor;
    const rows = left >= 0 && idx != null ? this.rowsAt(plot) : [];
    const follows = this.charts.hovered !== this;
    this.tip.hidden = !rows.length || (follows && this.lines.length > SMALL_TIP);
    if (this.tip.hidden) return;
    const { x } = this.charts;
    const here = plot.data[0][idx];
    const heading = node("b", "", place(x, here));
    const shown = nearestRows(rows, plot.posToVal(top, "y"));
    this.tip.replaceChildren(heading, ...shown.map((row) => this.row(row, x, here)));
    if (rows.length > shown.length) this.tip.append(node("div", "muted", `and ${rows.length - shown.length} more`));
    const right = left < plot.over.clientWidth / 2;
    const middle = rows.reduce((sum, row) => sum + plot.valToPos(row.y, "y"), 0) / rows.length;
    const above = middle > plot.over.clientHeight / 2 || this.lines.length > SMALL_TIP; // a long one may hang below
    Object.assign(this.tip.style, {
      left: right ? `${left + 14}px` : "",
      right: right ? "" : `${plot.over.clientWidth - left + 14}px`,
      top: above ? "0" : "",
      bottom: above ? "" : "0",
    });
  }

  row({ line, x, y }, axis, here) {
    const row = node("div");
    row.append(sample(line), node("span", "", line.name));
    if (Math.abs(x - here) > 1e-6 * Math.max(1, here)) row.append(node("span", "muted", place(axis, x).toLowerCase()));
    row.append(node("b", "", number(y, this.chart.digits) + this.chart.suffix));
    return row;
  }

  rowsAt(plot) {
    const rows = [];
    plot.series.forEach((series, n) => {
      if (!series.main || !series.show) return;
      const at = nearest(plot, n, plot.cursor.idx);
      if (at !== null) rows.push({ line: series.line, x: plot.data[0][at], y: plot.data[n][at] });
    });
    return rows.sort((a, b) => b.y - a.y);
  }
}

const shared = (kind) => kind === "mousemove" || kind === "mouseleave"; // what charts tell each other
const columns = (line) => ["low", "high", "raw", "y"].filter((column) => line[column]);

// What is faint has no mark at the crosshair.
const marked = (plot, n, at) => (plot.series[n].main ? nearest(plot, n, at) : null);

// The point of a line that is nearest to a row of the table; null where the line has ended or not begun.
function nearest(plot, n, at) {
  const [xs, values] = [plot.data[0], plot.data[n]];
  if (at == null || values[at] != null) return at;
  let [before, after] = [at, at];
  while (before >= 0 && values[before] == null) before--;
  while (after < xs.length && values[after] == null) after++;
  if (before >= 0 && after < xs.length) return xs[at] - xs[before] <= xs[after] - xs[at] ? before : after;
  const end = before >= 0 ? before : after;
  if (end < 0 || end >= xs.length) return null;
  return Math.abs(plot.valToPos(xs[end], "x") - plot.valToPos(xs[at], "x")) <= 12 ? end : null;
}

function nearestRows(rows, y) {
  if (rows.length <= MOST_ROWS) return rows;
  const chosen = new Set([...rows].sort((a, b) => Math.abs(a.y - y) - Math.abs(b.y - y)).slice(0, MOST_ROWS));
  return rows.filter((row) => chosen.has(row));
}

function yExtent(low, high, { log, zero, top }) {
  if (low == null) return log ? [0.1, 1] : [0, top ?? 1];
  if (log) return low === high ? [low / 2, high * 2] : [low / 1.1, high * 1.1];
  const margin = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [zero ? Math.min(0, low) : low - margin, high <= top ? top : high + margin];
}
