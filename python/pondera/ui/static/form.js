// The form: what may be asked, as the server lists it, each with a row to ask it with.

import { byId, write } from "./elements.js";
import { Choice, doublings, Slider, Typed } from "./controls.js";
import { offers } from "./gpus.js";
import { counted, exactCount, printable, shortCount, tokens } from "./numbers.js";

const LONGEST = 1 << 17;
const SHORTEST = 256;
const REQUESTS = 256;
const MOST_REQUESTS = 1 << 20;
const RANKS = 64;
const WORDS = {
  gpu: "GPU",
  gpus: "GPUs",
  context: "Context",
  concurrency: "Requests at one time",
  weights: "Weights",
  cache: "Cache",
};

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
    const set = (values, settled = true) => state.set(values, settled);
    this._what(set);
    this._spread(set);
    this._tuning(set);
  }

  option(name) {
    return this.choices.options.find((one) => one.name === name) ?? { name, help: "", title: name };
  }

  _add(place, row) {
    this.rows.set(row.name, row);
    byId(place).append(row.element);
  }

  _what(set) {
    const help = (name) => this.option(name).help;
    const models = this.targets.map((one, at) => {
      const size = one.parameters == null ? "" : ` · ${shortCount(one.parameters)}`;
      return [String(at), `${printable(one.name, 60)}${size}`];
    });
    this._add("what", new Choice("target", "Model", "", [{ options: models }], (value) => this._newTarget(Number(value))));
    this._add("what", new Choice("gpu", WORDS.gpu, help("gpu"), offers(this.choices.gpus), (value) => set({ gpu: value })));
    const ranks = { values: doublings(1, RANKS, 1), words: exactCount };
    // How many there are says how they share, unless a layout does: each of the two takes the other back.
    this._add("what", new Slider("gpus", WORDS.gpus, help("gpus"), ranks, (value, settled) => {
      set({ gpus: value, ...Object.fromEntries(this._parallel().map((one) => [one.name, null])) }, settled);
    }));
    const engines = this.choices.engines.map((one) => [one.name, one.name]);
    this._add("what", new Choice("engine", "Engine", help("engine"), [{ options: engines }], (value) => set({ engine: value })));
    this._add("what", new Typed("version", "Version", "the newest that is described, if not given", (value) => {
      const [name] = this._engine();
      set({ engine: value ? `${name}==${value.replace(/^=+/, "")}` : name });
    }));
    const schemes = this.choices.weights.map((one) => [one.name, one.name]);
    this._add("what", new Choice("weights", WORDS.weights, help("weights"), [{ options: [["", "as stored"], ...schemes] }], (value) => set({ weights: value || null })));
    const formats = this.choices.cache.map((one) => [one.name, one.name]);
    this._add("what", new Choice("cache", WORDS.cache, help("cache"), [{ options: [["", "the engine's own"], ...formats] }], (value) => set({ cache: value || null })));
    this._add("what", new Slider("context", WORDS.context, help("context"), { values: doublings(SHORTEST, LONGEST), words: tokens, unit: " tokens" }, (value, settled) => set({ context: value }, settled)));
    this._add("what", new Slider("concurrency", WORDS.concurrency, help("concurrency"), { values: doublings(1, REQUESTS), words: exactCount, unit: " requests" }, (value, settled) => set({ concurrency: value }, settled)));
  }

  _parallel() {
    return this.choices.options.filter((one) => one.group === "spread" && one.name !== "gpus");
  }

  _spread(set) {
    for (const one of this._parallel()) {
      if (!one.name.endsWith("_parallel")) continue;
      const label = `${one.name.split("_")[0]} parallel`;
      // Stages need not divide anything.
      const about = { values: doublings(1, RANKS, one.name.startsWith("pipeline") ? 8 : 1), words: exactCount };
      this._add("spread", new Slider(one.name, label[0].toUpperCase() + label.slice(1), one.help, about, (value, settled) => {
        set({ gpus: null, [one.name]: value === "1" ? null : value }, settled);
      }));
    }
  }

  _tuning(set) {
    for (const one of this.choices.options.filter((found) => found.group === "tuning")) {
      const words = one.name.replace(/_/g, " ");
      const label = words[0].toUpperCase() + words.slice(1);
      if (one.kind === "flag") {
        const options = [["", "the engine's own"], ["true", "yes"], ["false", "no"]];
        this._add("tuning", new Choice(one.name, label, one.help, [{ options }], (value) => set({ [one.name]: value || null })));
      } else if (one.kind === "share") {
        const values = Array.from({ length: 51 }, (_, at) => (50 + at) / 100);
        this._add("tuning", new Slider(one.name, label, one.help, { values, words: String }, (value, settled) => set({ [one.name]: value }, settled)));
      } else {
        this._add("tuning", new Typed(one.name, label, one.help, (value) => set({ [one.name]: value || null }), "numeric"));
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
    rows.get("version").label.title = engine ? `${engine.oldest} to ${engine.newest} are described: ${engine.summary}` : "";
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
    const changed = Number(new Map(this.state.fields).get("max_position_embeddings"));
    return Math.max(changed || target.context || LONGEST, SHORTEST, counted(this.state.get("context")) ?? 0);
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
    rows.get("context").show(settings.context);
    rows.get("concurrency").show(fit.concurrency);
    rows.get("gpus").show(fit.gpus);
    for (const one of this.choices.options) {
      if (one.group !== "tuning" || state.get(one.name) !== null) continue;
      const row = rows.get(one.name);
      const value = settings[one.name];
      if (row instanceof Slider) row.show(value ?? "");
      else if (row instanceof Typed) row.show("", value == null ? "" : String(value));
      else write(row.select.options[0], value == null ? "the engine's own" : `the engine's own (${value ? "yes" : "no"})`);
    }
    write(rows.get("cache").select.options[0], `the engine's own (${settings.cache})`);
    write(rows.get("weights").select.options[0], state.get("weights") ? "as stored" : `as stored (${printable(fit.storage, 60)})`);
  }

  /** Takes all sentences away. */
  clear() {
    for (const row of this.rows.values()) row.refuse("");
  }
}
