// The fields of a mind: sliders over what people build models with, and what each change does.

import { byId, make, tell, write } from "./elements.js";
import { Choice, Slider } from "./controls.js";
import { exactCount, printable, shortCount, signedBytes } from "./numbers.js";

const FIRST = 8;

export class Mind {
  /** @param {(values: Record<string, string | null>, settled: boolean) => void} set sets values of the state */
  constructor(set) {
    this.set = set;
    this.place = byId("mind");
    this.rows = new Map();
    this.target = null;
    byId("mind-reset").addEventListener("click", () => {
      this.set(Object.fromEntries([...this.rows.keys()].map((name) => [`set.${name}`, null])), true);
      byId("mind").querySelector("input, select")?.focus();
    });
  }

  /** Builds the fields of a model. */
  build(target) {
    this.target = target;
    this.rows = new Map();
    const made = target.fields.map((field) => this._row(field));
    const few = made.slice(0, FIRST);
    const rest = made.slice(FIRST);
    this.place.replaceChildren(...few);
    if (rest.length) {
      this.more = make("details", { class: "more" }, make("summary", {}, `${rest.length} more`), ...rest);
      this.place.append(this.more);
    }
    if (!made.length) this.place.append(make("p", { class: "hint" }, printable(target.unknown ?? "No field is known.", 600)));
  }

  /** Shows the values that are asked for. */
  show(state) {
    const changed = new Map(state.fields);
    byId("mind-reset").disabled = changed.size === 0;
    for (const [name, { row, field, reset }] of this.rows) {
      const text = changed.get(name);
      row.show(field.kind === "boolean" ? (text ?? String(field.value)) : text === undefined ? field.value : numbered(text));
      row.element.classList.toggle("changed", text !== undefined);
      reset.hidden = text === undefined;
      if (text !== undefined && this.more?.contains(row.element) && !this.more.open) this.more.open = true;
    }
    // A field that has no slider here stays in the address and is told.
    const other = [...changed.keys()].filter((name) => !this.rows.has(name));
    this.other = other;
    if (!changed.size) {
      for (const { did } of this.rows.values()) tell(did, "");
      write(byId("body-said"), "");
    }
  }

  /** Says what the changes do. */
  tell(mind) {
    const changes = new Map((mind?.changes ?? []).map((one) => [one.field, one]));
    for (const [name, { did }] of this.rows) {
      const change = changes.get(name);
      tell(did, change ? consequences(change) : "");
    }
    const same = mind?.same_body;
    const other = this.other?.length ? ` Also changed: ${this.other.map((one) => printable(one, 80)).join(", ")}.` : "";
    write(
      byId("body-said"),
      !mind || !changes.size
        ? ""
        : `${same ? "✓ The same weights can wear this mind." : "✗ This mind needs new weights."}${other}`,
    );
    byId("body-said").dataset.same = String(Boolean(same));
  }

  /** The row of a field. */
  row(name) {
    return this.rows.get(name)?.row ?? null;
  }

  _row(field) {
    const key = `set.${field.name}`;
    const label = printable(field.name, 60);
    const help = field.text ?? "";
    const kind = field.class === "runtime" ? "runtime" : "structural";
    const chip = make("span", { class: `chip ${kind}` }, kind === "runtime" ? "same weights" : "new weights");
    const resets = { type: "button", class: "reset", title: "Reset", "aria-label": `Reset ${label}`, hidden: true };
    const reset = make("button", resets, "↺");
    const did = make("p", { class: "did", hidden: true });
    const taken = (value) => (value === String(field.value) ? null : value);
    let row;
    if (field.kind === "boolean") {
      row = new Choice(key, label, help, [{ options: [["true", "true"], ["false", "false"]] }], (value) =>
        this.set({ [key]: taken(value) }, true),
      );
    } else {
      const words = (value) => (Number.isInteger(value) && Math.abs(value) < 1e15 ? exactCount(value) : String(value));
      const values = field.values?.length ? field.values : [field.value];
      row = new Slider(key, label, help, { values, words, note: chip }, (value, settled) => {
        const plain = /^-?[\d,_ ]+$/.test(value) ? value.replace(/[,_ ]/g, "") : value;
        this.set({ [key]: plain === "" ? null : taken(plain) }, settled);
      });
    }
    if (field.kind === "boolean") row.label.after(chip);
    row.element.classList.add("field");
    chip.after(reset);
    row.error.before(did);
    reset.addEventListener("click", () => {
      this.set({ [key]: null }, true);
      (row.range ?? row.select).focus();
    });
    this.rows.set(field.name, { row, field, reset, did });
    return row.element;
  }
}

const numbered = (text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text);

/** What a change does, in a line. */
function consequences(change) {
  const said = [];
  const parameters = change.parameters ?? 0;
  if (parameters) said.push(`${parameters > 0 ? "+" : "-"}${shortCount(Math.abs(parameters))} parameters`);
  const cache = change.bytes_per_token ?? 0;
  if (cache) said.push(`cache ${cache > 0 ? "+" : ""}${signedBytes(cache)} a token`);
  const flops = change.flops_per_token ?? 0;
  if (flops) said.push(`${flops > 0 ? "+" : "-"}${shortCount(Math.abs(flops))} FLOP a token`);
  if (change.note) said.push(printable(change.note, 400));
  return said.join(", ") || "the same weights and cache";
}
