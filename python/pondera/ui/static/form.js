// The form: what may be asked, as the server lists it, each with a row to ask it with.

import { byId, write } from "./elements.js";
import { Choice, doublings, Slider, Typed } from "./controls.js";
import { offers } from "./gpus.js";
import { counted, exactCount, printable, shortCount, tokens } from "./numbers.js";

const LONGEST = 1 << 17;
const SHORTEST = 256;
/** What a heatmap begins with, if the server is not told. */
const USUAL_FIRST = 1024;
const REQUESTS = 256;
const MOST_REQUESTS = 1 << 20;
const RANKS = 64;
const SHARES = Array.from({ length: 51 }, (_, at) => (50 + at) / 100);
const OWN = "the engine's own";
const LABELS = { target: "Model", gpu: "GPU", gpus: "GPUs", concurrency: "Requests at one time" };

/** What an option is called: its name in words, if it has no better one. */
function labelOf(name) {
  const words = LABELS[name] ?? name.replace(/_/g, " ");
  return words[0].toUpperCase() + words.slice(1);
}

export class Form {
  /**
   * @param {object} choices what may be chosen
   * @param {Array<object>} targets the models
   * @param {State} state what is asked
   */
  constructor(choices, targets, state) {
    this.choices = choices;
    this.targets = targets;
    this.state = state;
    this.rows = new Map();
    this.learnt = {};
    this._what();
    this._spread();
    this._tuning();
  }

  /** One of several words. */
  _choice(place, name, groups, take = (value) => this.state.set({ [name]: value || null })) {
    this._add(place, new Choice(name, labelOf(name), this._help(name), groups, take));
  }

  /** A number. */
  _slider(place, name, about, take = (value, settled) => this.state.set({ [name]: value }, settled)) {
    this._add(place, new Slider(name, labelOf(name), this._help(name), about, take));
  }

  /** A text. */
  _typed(place, name, take = (value) => this.state.set({ [name]: value || null }), mode = "numeric") {
    this._add(place, new Typed(name, labelOf(name), this._help(name), take, mode));
  }

  _add(place, row) {
    this.rows.set(row.name, row);
    byId(place).append(row.element);
  }

  _help(name) {
    return this.choices.options.find((one) => one.name === name)?.help ?? "";
  }

  _what() {
    const { choices, targets, state } = this;
    const named = (some) => some.map((one) => [one.name, one.name]);
    const models = targets.map((one, at) => [
      String(at),
      `${printable(one.name, 60)}${one.parameters == null ? "" : ` · ${shortCount(one.parameters)}`}`,
    ]);
    this._choice("what", "target", [{ options: models }], (value) => this._newTarget(Number(value)));
    this._choice("what", "gpu", offers(choices.gpus));
    // How many there are says how they share, unless a layout does: each of the two takes the other back.
    this._slider("what", "gpus", { values: doublings(1, RANKS, 1), words: exactCount }, (value, settled) => {
      const layout = this._parallel().map((one) => [one.name, null]);
      state.set({ gpus: value, ...Object.fromEntries(layout) }, settled);
    });
    this._choice("what", "engine", [{ options: named(choices.engines) }]);
    this._typed("what", "version", (value) => {
      const [name] = this._engine();
      state.set({ engine: value ? `${name}==${value.replace(/^=+/, "")}` : name });
    }, "text");
    this._choice("what", "weights", [{ options: [["", "as stored"], ...named(choices.weights)] }]);
    this._choice("what", "cache", [{ options: [["", OWN], ...named(choices.cache)] }]);
    this._slider("what", "context", { values: doublings(SHORTEST, LONGEST), words: tokens, unit: " tokens" });
    this._slider("what", "concurrency", { values: doublings(1, REQUESTS), words: exactCount, unit: " requests" });
  }

  _parallel() {
    return this.choices.options.filter((one) => one.name.endsWith("_parallel"));
  }

  _spread() {
    for (const { name } of this._parallel()) {
      // Stages need not divide anything.
      const values = doublings(1, RANKS, name === "pipeline_parallel" ? 8 : 1);
      this._slider("spread", name, { values, words: exactCount }, (value, settled) => {
        this.state.set({ gpus: null, [name]: value === "1" ? null : value }, settled);
      });
    }
  }

  _tuning() {
    for (const { name, kind, group } of this.choices.options) {
      if (group !== "tuning") continue;
      if (kind === "flag") {
        this._choice("tuning", name, [{ options: [["", OWN], ["true", "yes"], ["false", "no"]] }]);
      } else if (kind === "share") {
        this._slider("tuning", name, { values: SHARES, words: String });
      } else {
        this._typed("tuning", name);
      }
    }
  }

  _newTarget(at) {
    const target = this.targets[at];
    const values = Object.fromEntries(this.state.fields.map(([name]) => [`set.${name}`, null]));
    const context = Number(this.state.get("context"));
    if (target.context && context > target.context) values.context = target.context;
    this.state.set({ ...values, target: at || null, context_max: null });
  }

  _engine() {
    const [name, version] = (this.state.get("engine") ?? "vllm").split("==");
    return [name, version ?? ""];
  }

  /** Shows what the address asks for. */
  show(target) {
    const { rows, state } = this;
    rows.get("target").show(String(state.target));
    const [name, version] = this._engine();
    rows.get("engine").show(name);
    const engine = this.choices.engines.find((one) => one.name === name);
    rows.get("version").show(version, engine?.newest ?? "");
    const described = engine ? `${engine.oldest} to ${engine.newest} are described: ${engine.summary}` : "";
    rows.get("version").label.title = described;
    rows.get("context").setValues(doublings(SHORTEST, this.mostContext(target)));
    rows.get("concurrency").setValues(doublings(1, this.mostRequests()));
    for (const one of this.choices.options) {
      const row = rows.get(one.name);
      if (!row || one.name === "engine") continue;
      const value = state.get(one.name);
      if (row instanceof Slider) {
        if (value !== null) row.show(value);
        else if (one.group === "spread" && one.name !== "gpus") row.show(1);
      } else {
        row.show(value ?? "");
      }
    }
  }

  /** The longest context of the slider and the map: the model's, or what is asked where that is longer. */
  mostContext(target) {
    const own = this.learnt.target === target ? this.learnt.context : target.context;
    return Math.max(own ?? LONGEST, SHORTEST, counted(this.state.get("context")) ?? 0);
  }

  /** Keeps the context that the mind allows as it is changed now; says whether that is another one. */
  learn(target, mind) {
    const before = this.mostContext(target);
    this.learnt = { target, context: mind?.context ?? null };
    return this.mostContext(target) !== before;
  }

  /** The ends of the axes of the heatmaps, where the address does not say them. */
  ends(target) {
    const shortest = counted(this.state.get("context")) ?? USUAL_FIRST;
    const short = shortest < USUAL_FIRST && this.mostContext(target) > USUAL_FIRST;
    const first = short ? { context_min: 2 ** Math.floor(Math.log2(Math.max(shortest, 1))) } : {};
    return { ...first, context_max: this.mostContext(target), concurrency_max: this.mostRequests() };
  }

  /** The most requests of the slider and the map. */
  mostRequests() {
    let most = REQUESTS;
    while (most < (counted(this.state.get("concurrency")) ?? 1) && most < MOST_REQUESTS) most *= 2;
    return most;
  }

  /** Shows what was settled for what was left open. */
  settle(fit) {
    const { rows, state } = this;
    const { settings } = fit;
    // What is asked stays as it is: by the time of an answer a slider may be further on.
    const settled = { context: settings.context, concurrency: fit.concurrency, gpus: fit.gpus };
    for (const [name, value] of Object.entries(settled)) if (state.get(name) === null) rows.get(name).show(value);
    for (const one of this.choices.options) {
      if (one.group !== "tuning" || state.get(one.name) !== null) continue;
      const row = rows.get(one.name);
      const value = settings[one.name];
      if (row instanceof Slider) row.show(value ?? "");
      else if (row instanceof Typed) row.show("", value == null ? "" : String(value));
      else write(row.select.options[0], value == null ? OWN : `${OWN} (${value ? "yes" : "no"})`);
    }
    write(rows.get("cache").select.options[0], `${OWN} (${settings.cache})`);
    const stored = state.get("weights") ? "" : ` (${printable(fit.storage, 60)})`;
    write(rows.get("weights").select.options[0], `as stored${stored}`);
  }

  /** Takes all sentences away. */
  clear() {
    for (const row of this.rows.values()) row.refuse("");
  }
}
