// Small heatmaps, one for each GPU, with the most requests that fit beside its name.

import { byId, make, write } from "./elements.js";
import { exactCount, printable, tokens } from "./numbers.js";
import { CANNOT_BE, Levels } from "./paint.js";

export class Multiples {
  /** @param {(gpu: string) => void} take takes a GPU */
  constructor(take) {
    this.take = take;
    this.place = byId("multiples");
    this.parts = [];
    this.shown = null;
    this.context = null;
    this.gpu = null;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    this.sizes = new ResizeObserver((entries) => {
      // All of them are equally large: the first tells.
      const { width, height } = entries[0].contentRect;
      let changed = false;
      for (const part of this.parts) changed = part.levels.resize(width, height) || changed;
      if (changed) this.redraw();
    });
  }

  /** Shows levels of several GPUs. */
  show(heat) {
    this.shown = heat;
    if (heat.gpu.join("\n") !== this.names) this._build(heat.gpu);
    this.redraw();
    this.label();
  }

  redraw() {
    const { shown } = this;
    if (!shown) return;
    const [columns, rows] = [shown.context.length, shown.concurrency.length];
    this.parts.forEach((part, at) => part.levels.paint(shown.levels, at * columns * rows, columns, rows));
  }

  /** Says how many requests fit at this context, and which GPU is the one that is asked for. */
  label(context = this.context, gpu = this.gpu) {
    this.context = context;
    this.gpu = gpu;
    const { shown } = this;
    if (!shown || context == null) return;
    const axis = shown.context;
    // The first context of the map that is not shorter: what fits with it fits with this one too.
    let column = axis.findIndex((value) => value >= context);
    if (column < 0) column = axis.length - 1;
    write(byId("others-context"), `${tokens(axis[column])} tokens`);
    const top = shown.concurrency[shown.concurrency.length - 1];
    this.parts.forEach((part, at) => {
      const most = shown.frontier[at][column];
      const fewest = shown.levels[(at * axis.length + column) * shown.concurrency.length];
      const none = fewest === CANNOT_BE ? "- cannot be" : "✗ none";
      write(part.most, most ? `✓ ${exactCount(most)}${most === top ? " or more" : ""}` : none);
      const pressed = shown.gpu[at] === gpu ? "true" : "false";
      if (part.button.getAttribute("aria-pressed") !== pressed) part.button.setAttribute("aria-pressed", pressed);
    });
  }

  _build(names) {
    this.names = names.join("\n");
    this.sizes.disconnect();
    this.parts = names.map((name) => {
      const canvas = make("canvas", { "aria-hidden": "true" });
      const most = make("span", { class: "most" });
      const button = make(
        "button",
        { type: "button", class: "multiple", "aria-pressed": "false", title: printable(name) },
        canvas,
        make("span", { class: "name" }, printable(name, 60)),
        most,
      );
      button.addEventListener("click", () => this.take(name));
      return { button, most, canvas, levels: new Levels(canvas, 1) };
    });
    this.place.replaceChildren(...this.parts.map((part) => make("li", {}, part.button)));
    const { clientWidth, clientHeight } = this.parts[0]?.canvas ?? {};
    for (const part of this.parts) part.levels.resize(clientWidth, clientHeight);
    if (this.parts.length) this.sizes.observe(this.parts[0].canvas);
  }
}
