// What is asked, as the address of the page has it. It is written as the server reads it, name by name.

const KEEP_MS = 250;
const AXES = ["contexts", "concurrencies", "context_min", "context_max", "concurrency_min", "concurrency_max"];
const OWN = new Set(["gpus_shown", "by", ...AXES]);

export class State {
  /**
   * @param {Iterable<string>} options names of what may be asked of a deployment
   * @param {(change: {names: Set<string>, settled: boolean}) => void} changed called after every change
   */
  constructor(options, changed) {
    this.options = new Set(options);
    this.changed = changed;
    this.values = new Map();
    this.left = [];
    this.read(location.search);
    this.written = location.search;
    this.waits = 0;
    addEventListener("popstate", () => {
      clearTimeout(this.waits);
      this.waits = 0;
      const before = this.values;
      this.read(location.search);
      this.written = location.search;
      const names = new Set([...before.keys(), ...this.values.keys()]);
      for (const name of names) if (before.get(name) === this.values.get(name)) names.delete(name);
      this.changed({ names, settled: true });
    });
  }

  /** Takes the values of a query; names that nobody knows are kept apart, to be told. */
  read(query) {
    this.values = new Map();
    this.left = [];
    for (const [name, value] of new URLSearchParams(query)) {
      const known = name === "target" || this.options.has(name) || OWN.has(name) || /^set\../.test(name);
      if (known && value !== "" && !this.values.has(name)) this.values.set(name, value);
      else this.left.push(name);
    }
  }

  get(name) {
    return this.values.get(name) ?? null;
  }

  get target() {
    const number = Number(this.get("target") ?? 0);
    return Number.isInteger(number) && number >= 0 ? number : 0;
  }

  /** Fields of the config that are changed, as [name, text]. */
  get fields() {
    return [...this.values].filter(([name]) => name.startsWith("set.")).map(([name, text]) => [name.slice(4), text]);
  }

  /**
   * Sets values; null takes one out.
   *
   * While dragging (`settled` is false) the address is written now and then, and no entry of the history is made:
   * browsers refuse more than some 200 writes in half a minute.
   */
  set(values, settled = true) {
    const names = new Set();
    for (const [name, value] of Object.entries(values)) {
      const text = value === null || value === "" ? null : String(value);
      if (this.get(name) === text) continue;
      names.add(name);
      if (text === null) this.values.delete(name);
      else this.values.set(name, text);
    }
    if (settled) this.settle();
    else if (names.size && !this.waits) this.waits = setTimeout(() => this.keep(), KEEP_MS);
    if (names.size || settled) this.changed({ names, settled });
  }

  /** The query of the page. */
  get query() {
    const query = new URLSearchParams([...this.values]).toString();
    return query ? `?${query}` : location.pathname;
  }

  /** Writes the address over the one there is. */
  keep() {
    clearTimeout(this.waits);
    this.waits = 0;
    history.replaceState(null, "", this.query);
  }

  /** Makes an entry of the history, if what is asked is not what the last one has. */
  settle() {
    clearTimeout(this.waits);
    this.waits = 0;
    const query = this.query;
    if (query === this.written) {
      // Dragged away and back: what was written on the way goes.
      if (location.search !== query) history.replaceState(null, "", query);
      return;
    }
    // What was written while dragging becomes the entry before again.
    if (location.search !== this.written) history.replaceState(null, "", this.written || location.pathname);
    history.pushState(null, "", query);
    this.written = query;
  }

  /** The query of what fits, with a bar of that width. */
  forFit(width) {
    const query = this._asked();
    query.set("picture", "true");
    query.set("framed", "false");
    query.set("width", Math.min(Math.max(Math.round(width), 280), 1600));
    query.set("alternatives", "false");
    return query;
  }

  /** The query of what would fit, which can take seconds: nothing else waits for it. */
  forOffers() {
    const query = this._asked();
    query.set("alternatives", "true");
    return query;
  }

  /**
   * The query of a heatmap.
   *
   * @param {string[] | null} gpus the GPUs; the one that is asked for, if null
   * @param {Record<string, number>} ends the ends of its axes, where the address does not say them
   */
  forHeat(gpus, ends) {
    const query = this._asked();
    for (const name of ["context", "concurrency"]) query.delete(name);
    for (const [name, value] of Object.entries(ends)) query.set(name, value);
    for (const name of AXES) if (this.values.has(name)) query.set(name, this.get(name));
    if (gpus) {
      query.delete("gpu");
      query.set("gpus_shown", gpus.join(","));
    }
    return query;
  }

  /** The query of the map. */
  forMap() {
    const query = new URLSearchParams();
    for (const [name, value] of this.values) {
      if (name === "target" || name === "by" || name.startsWith("set.")) query.set(name, value);
    }
    return query;
  }

  _asked() {
    return new URLSearchParams([...this.values].filter(([name]) => !OWN.has(name)));
  }
}
