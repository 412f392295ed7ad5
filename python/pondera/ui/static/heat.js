// The large heatmap: contexts to the right, requests upwards, where it is now, and a cell that is read.

import { byId, make, write } from "./elements.js";
import { exactCount, plural, printable, tokens } from "./numbers.js";
import { CANNOT_BE, FITS, Levels, MOST } from "./paint.js";

const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const LEAP = 8;

export class Heat {
  /** @param {(context: number, concurrency: number, settled: boolean) => void} take takes a cell */
  constructor(take) {
    this.take = take;
    this.plot = byId("plot");
    this.levels = new Levels(byId("heat-canvas"), 2);
    this.here = byId("heat-here");
    this.cursor = byId("heat-cursor");
    this.shown = null;
    this.cell = null;
    this.at = { context: null, concurrency: null };
    new ResizeObserver(() => this._resized()).observe(this.plot);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    this._listen();
    legend();
  }

  /** Shows levels of one GPU; dims what there is where there are none. */
  show(heat) {
    const axes = `${heat.context}|${heat.concurrency}`;
    this.shown = heat;
    this.columns = heat.context.length;
    this.rows = heat.concurrency.length;
    if (axes !== this.axes) {
      this.axes = axes;
      this.cell = null;
      this._ticks();
    }
    this.redraw();
    this.place();
    if (this.cell) this._read();
    if (byId("frontier-open").open) this.table();
  }

  redraw() {
    if (this.shown) this.levels.paint(this.shown.levels, 0, this.columns, this.rows);
  }

  /** Marks where the deployment is. */
  place(context = this.at.context, concurrency = this.at.concurrency) {
    this.at = { context, concurrency };
    if (!this.shown || context == null || concurrency == null) return;
    const x = along(this.shown.context, context);
    const y = along(this.shown.concurrency, concurrency);
    const { width, height } = this._size;
    this.here.style.setProperty("--x", `${(x.part * width).toFixed(1)}px`);
    this.here.style.setProperty("--y", `${((1 - y.part) * height).toFixed(1)}px`);
    this.here.dataset.beyond = x.beyond || y.beyond ? "true" : "false";
  }

  get _size() {
    this.size ??= { width: this.plot.clientWidth, height: this.plot.clientHeight };
    return this.size;
  }

  _resized() {
    this.size = null;
    const { width, height } = this._size;
    if (this.levels.resize(width, height)) this.redraw();
    this.place();
    if (this.cell) this._point();
  }

  _listen() {
    const plot = this.plot;
    let pressed = false;
    const under = (event) => {
      const box = plot.getBoundingClientRect();
      const x = Math.floor(((event.clientX - box.left) / box.width) * this.columns);
      const y = Math.floor((1 - (event.clientY - box.top) / box.height) * this.rows);
      return [clamped(x, this.columns), clamped(y, this.rows)];
    };
    plot.addEventListener("pointermove", (event) => {
      if (!this.shown) return;
      this._choose(under(event));
      if (pressed) this._take(false);
    });
    plot.addEventListener("pointerdown", (event) => {
      if (!this.shown || event.button !== 0) return;
      this._choose(under(event));
      pressed = event.pointerType === "mouse";
      if (pressed) plot.setPointerCapture(event.pointerId);
    });
    plot.addEventListener("lostpointercapture", () => {
      // Wherever the button was let go: what was taken last stays.
      if (pressed && this.cell) this._take(true);
      pressed = false;
    });
    plot.addEventListener("click", (event) => {
      pressed = false;
      // A click by the keyboard of a reader has no place.
      if (this.shown && event.detail) this._choose(under(event));
      if (this.cell) this._take(true);
    });
    plot.addEventListener("pointerleave", () => {
      if (!pressed && document.activeElement !== plot) this._leave();
    });
    plot.addEventListener("blur", () => this._leave());
    plot.addEventListener("focus", () => {
      if (this.shown && !this.cell && plot.matches(":focus-visible")) this._choose(this._nearest());
    });
    plot.addEventListener("keydown", (event) => this._key(event));
    byId("frontier-open").addEventListener("toggle", () => this.table());
  }

  _key(event) {
    if (!this.shown || event.altKey || event.ctrlKey || event.metaKey) return;
    const [x, y] = this.cell ?? this._nearest();
    const places = {
      ...Object.fromEntries(Object.entries(STEPS).map(([key, [dx, dy]]) => [key, [x + dx, y + dy]])),
      Home: [0, y],
      End: [this.columns - 1, y],
      PageUp: [x, y + LEAP],
      PageDown: [x, y - LEAP],
    };
    if (event.key === "Enter" || event.key === " ") {
      if (!this.cell) this._choose([x, y]);
      this._take(true);
    } else if (event.key === "Escape") {
      this._leave();
      return;
    } else if (places[event.key]) {
      const [column, row] = places[event.key];
      this._choose([clamped(column, this.columns), clamped(row, this.rows)]);
    } else {
      return;
    }
    event.preventDefault();
  }

  /** The cell that is nearest to where the deployment is. */
  _nearest() {
    const place = (axis, value) => clamped(Math.floor(along(axis, value ?? axis[0]).part * axis.length), axis.length);
    return [place(this.shown.context, this.at.context), place(this.shown.concurrency, this.at.concurrency)];
  }

  _choose(cell) {
    if (this.cell && cell[0] === this.cell[0] && cell[1] === this.cell[1]) return;
    this.cell = cell;
    this._point();
    this._read();
  }

  _leave() {
    this.cell = null;
    this.cursor.hidden = true;
    write(byId("heat-read"), "");
  }

  _take(settled) {
    this.take(this.shown.context[this.cell[0]], this.shown.concurrency[this.cell[1]], settled);
  }

  _point() {
    const { width, height } = this._size;
    const [x, y] = this.cell;
    const style = this.cursor.style;
    style.setProperty("--x", `${(x * width) / this.columns}px`);
    style.setProperty("--y", `${((this.rows - 1 - y) * height) / this.rows}px`);
    style.setProperty("--w", `${width / this.columns}px`);
    style.setProperty("--h", `${height / this.rows}px`);
    this.cursor.hidden = false;
  }

  _read() {
    const [x, y] = this.cell;
    byId("heat-read").classList.toggle("away", y >= 0.55 * this.rows);
    const where = `${tokens(this.shown.context[x])} tokens, ${plural(this.shown.concurrency[y], "request")}`;
    write(byId("heat-read"), `${where}: ${this.said(x * this.rows + y)}`);
  }

  /** What a cell says, in words. */
  said(cell) {
    const level = this.shown.levels[cell];
    if (level === CANNOT_BE) {
      const word = this.shown.reasons[this.shown.reason?.[cell] ?? 1] ?? "";
      return `cannot be${word ? `: ${printable(this.shown.why?.[word] ?? word, 600)}` : ""}`;
    }
    if (level <= FITS) return `fits, ${level}% of the memory taken`;
    return level >= MOST ? "does not fit, twice the memory or more" : `does not fit, ${level}% of the memory`;
  }

  _ticks() {
    ticks(byId("heat-x"), this.shown.context, tokens, "left", 0.08);
    ticks(byId("heat-y"), this.shown.concurrency, exactCount, "bottom", 0.055);
  }

  /** The boundary in numbers, where it is open. */
  table() {
    const place = byId("frontier");
    place.querySelector("tbody")?.remove();
    place.querySelector("thead")?.remove();
    if (!byId("frontier-open").open || !this.shown) return;
    const { context, frontier } = this.shown;
    place.append(
      make("thead", {}, make("tr", {}, cell("th", "tokens of a request"), cell("th", "most requests that fit"))),
      make(
        "tbody",
        {},
        ...context.map((count, column) => {
          const most = frontier[0][column];
          return make("tr", {}, cell("td", exactCount(count)), cell("td", most ? exactCount(most) : "none"));
        }),
      ),
    );
  }
}

const cell = (tag, text) => make(tag, { class: "number", scope: tag === "th" ? "col" : null }, text);
const clamped = (place, count) => Math.min(Math.max(place, 0), count - 1);

/** Where a value lies along an axis, as a part of 1, by the middles of its cells; and whether it is beyond it. */
export function along(axis, value) {
  const last = axis.length - 1;
  const middle = (place) => (place + 0.5) / axis.length;
  if (value <= axis[0]) return { part: middle(0), beyond: value < axis[0] };
  if (value >= axis[last]) return { part: middle(last), beyond: value > axis[last] };
  let at = 0;
  while (axis[at + 1] < value) at += 1;
  const within = Math.log(value / axis[at]) / Math.log(axis[at + 1] / axis[at]);
  return { part: middle(at + within), beyond: false };
}

/** Powers of two along an axis, where they lie between its values too; no two nearer than a part of the axis. */
function ticks(place, axis, format, side, apart) {
  const shown = [];
  for (let value = 2 ** Math.floor(Math.log2(axis[axis.length - 1])); value >= axis[0]; value /= 2) {
    const { part } = along(axis, value);
    if (!shown.length || shown[0].part - part >= apart) shown.unshift({ value, part });
  }
  if (!shown.length) shown.push({ value: axis[axis.length - 1], part: along(axis, axis[axis.length - 1]).part });
  place.replaceChildren(
    ...shown.map(({ value, part }) => {
      const tick = make("span", {}, format(value));
      tick.style.setProperty(side, `${(part * 100).toFixed(2)}%`);
      return tick;
    }),
  );
}

function legend() {
  const swatch = (kind, words) => make("span", {}, make("i", { class: `swatch ${kind}` }), words);
  byId("legend").replaceChildren(
    ...[20, 40, 60, 80, 100].map((most, at) => swatch(`level${at}`, `to ${most}%`)),
    swatch("hatched", "does not fit"),
    swatch("crossed", "cannot be"),
    swatch("edge", "the boundary"),
    swatch("ring", "this deployment"),
  );
}
