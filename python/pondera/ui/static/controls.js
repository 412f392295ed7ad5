// Rows of the form: a label, something to choose with, and room for what the server says against it.

import { make, tell } from "./elements.js";
import { counted, printable } from "./numbers.js";

/** Counts that are even steps within each doubling: 1 to 8, 9, 10 ... 16, 18, 20 ... up to a largest one. */
export function doublings(first, last, steps = 8) {
  const values = new Set();
  for (let scale = 1; scale <= last; scale *= 2) {
    for (let step = 0; step < steps; step += 1) {
      const value = (scale * (steps + step)) / steps;
      if (Number.isInteger(value) && value >= first && value <= last) values.add(value);
    }
  }
  if (last >= first) values.add(last);
  return [...values].sort((one, two) => one - two);
}

/** A row of the form. */
export class Row {
  constructor(name, label, help) {
    this.name = name;
    this.id = `asked-${name.replace(/[^\w-]/g, "-")}`;
    this.error = make("p", { class: "error", id: `${this.id}-error`, hidden: true, role: "status" });
    this.label = make("label", { for: this.id, title: help || null }, label);
    this.element = make("div", { class: "control" });
  }

  /** Shows a sentence against what is asked here, or takes it away. */
  refuse(text) {
    tell(this.error, text);
    this.element.classList.toggle("refused", Boolean(text));
    for (const one of this.element.querySelectorAll("input, select")) {
      if (text) one.setAttribute("aria-describedby", this.error.id);
      else one.removeAttribute("aria-describedby");
      one.setAttribute("aria-invalid", text ? "true" : "false");
    }
  }
}

/** One of several words. */
export class Choice extends Row {
  /**
   * @param {string} name of the parameter
   * @param {string} label
   * @param {string} help
   * @param {Array<{label: string, options: Array<[string, string]>}>} groups value and words of each; a group
   *   without a label stands by itself
   * @param {(value: string) => void} take
   */
  constructor(name, label, help, groups, take) {
    super(name, label, help);
    this.select = make("select", { id: this.id });
    this.fill(groups);
    this.select.addEventListener("change", () => take(this.select.value));
    this.element.append(make("div", { class: "line" }, this.label, this.select), this.error);
  }

  fill(groups) {
    this.select.replaceChildren(
      ...groups.flatMap(({ label, options }) => {
        const made = options.map(([value, words]) => make("option", { value }, words));
        return label ? [make("optgroup", { label }, ...made)] : made;
      }),
    );
  }

  /** Shows a value; one that is not among them is added, so that it is not lost. */
  show(value) {
    const text = value ?? "";
    if (this.select.value === text) return;
    this.select.value = text;
    if (this.select.value !== text) {
      this.select.append(make("option", { value: text }, printable(text, 80)));
      this.select.value = text;
    }
  }
}

/** A text that is typed. */
export class Typed extends Row {
  constructor(name, label, help, take, mode = "text") {
    super(name, label, help);
    this.input = make("input", { id: this.id, type: "text", inputmode: mode, spellcheck: "false" });
    listen(this.input, take);
    this.element.append(make("div", { class: "line" }, this.label, this.input), this.error);
  }

  show(value, placeholder) {
    if (!this.input.typed) this.input.value = value ?? "";
    if (placeholder !== undefined) this.input.placeholder = placeholder ?? "";
  }
}

/** A number: a slider over values, and a field for any other one. */
export class Slider extends Row {
  /**
   * @param {string} name of the parameter
   * @param {string} label
   * @param {string} help
   * @param {{values: number[], words: (value: any) => string, unit?: string, note?: Element}} about values that the slider
   *   goes through, and how one of them is said
   * @param {(value: string, settled: boolean) => void} take
   */
  constructor(name, label, help, about, take) {
    super(name, label, help);
    this.words = about.words;
    this.value = null;
    this.range = make("input", { id: `${this.id}-range`, type: "range", min: 0, step: 1, value: 0, "aria-label": label });
    this.input = make("input", { id: this.id, type: "text", inputmode: "numeric", spellcheck: "false", size: 8 });
    this.setValues(about.values);
    let moved = false;
    this.range.addEventListener("input", () => {
      moved = true;
      const value = this.values[Number(this.range.value)];
      this.input.value = this.words(value);
      this.range.setAttribute("aria-valuetext", `${this.words(value)}${about.unit ?? ""}`);
      this.value = value;
      take(String(value), false);
    });
    const settle = () => {
      moved = false;
      take(String(this.values[Number(this.range.value)]), true);
    };
    this.range.addEventListener("change", settle);
    // A drag away and back ends without a change.
    this.range.addEventListener("pointerup", () => moved && settle());
    listen(this.input, (value) => take(value, true));
    this.unit = about.unit ?? "";
    this.element.append(
      make("div", { class: "line" }, this.label, ...(about.note ? [about.note] : []), this.input),
      this.range,
      this.error,
    );
  }

  setValues(values) {
    if (this.values && values.length === this.values.length && values.every((one, at) => one === this.values[at])) return;
    this.values = values;
    this.range.max = Math.max(values.length - 1, 0);
    this.range.disabled = values.length < 2;
    if (this.value !== null) this.show(this.value);
  }

  /** Shows a value: the number or text that is asked for. */
  show(value) {
    const number = typeof value === "number" ? value : (counted(value ?? "") ?? (value ? Number(value) : NaN));
    this.value = value;
    if (!this.input.typed) {
      const shown = Number.isFinite(number) ? this.words(number) : String(value ?? "");
      if (this.input.value !== shown) this.input.value = shown;
    }
    if (!Number.isFinite(number)) return;
    let at = 0;
    for (let one = 1; one < this.values.length; one += 1) {
      if (distance(this.values[one], number) < distance(this.values[at], number)) at = one;
    }
    if (this.range.value !== String(at)) this.range.value = String(at);
    this.range.setAttribute("aria-valuetext", `${this.words(number)}${this.unit}`);
  }
}

/** Takes what is typed into a field once it is whole; until then nothing is written over it. */
function listen(input, take) {
  input.addEventListener("input", () => (input.typed = true));
  for (const name of ["change", "blur"]) input.addEventListener(name, () => (input.typed = false));
  input.addEventListener("change", () => take(input.value.trim()));
}

/** How far two numbers are apart: by their ratio, where they have one. */
const distance = (one, two) => (one > 0 && two > 0 ? Math.abs(Math.log(one / two)) : Math.abs(one - two));

