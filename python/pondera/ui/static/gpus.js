// Which GPUs are offered, and which are shown beside the one that is asked for.

import { byId, make } from "./elements.js";
import { binaryBytes } from "./numbers.js";

const SIZES = [8, 12, 16, 24, 32, 48, 64, 80, 96, 128, 192];

const bySize = (gpus) => [...gpus].sort((one, two) => one.usable_bytes - two.usable_bytes);

/** Groups of GPUs to choose from: the common ones, those of each vendor, and plain sizes. */
export function offers(gpus) {
  const vendors = [...new Set(gpus.map((one) => one.vendor))];
  const options = (some) => some.map((one) => [one.name, `${one.name} · ${binaryBytes(one.usable_bytes)}`]);
  return [
    { label: "common", options: options(bySize(gpus.filter((one) => one.common))) },
    ...vendors.map((vendor) => ({ label: vendor, options: options(gpus.filter((one) => one.vendor === vendor)) })),
    { label: "any GPU with so much to use", options: SIZES.map((size) => [`${size}GiB`, `${size} GiB`]) },
  ];
}

/** The GPUs that are shown in small. */
export class Shown {
  /**
   * @param {Array<object>} gpus all that are known
   * @param {number} most how many can be shown
   * @param {(names: string | null) => void} take takes names between commas; null for the common ones
   */
  constructor(gpus, most, take) {
    this.select = byId("shown");
    this.common = bySize(gpus.filter((one) => one.common)).map((one) => one.name).slice(0, most);
    this.presets = new Map();
    for (const vendor of new Set(gpus.map((one) => one.vendor))) {
      const all = bySize(gpus.filter((one) => one.vendor === vendor));
      const names = all.slice(-most).map((one) => one.name);
      const words = all.length > most ? `${vendor}: the ${most} largest of ${all.length}` : `${vendor}: all ${all.length}`;
      this.presets.set(names.join(","), words);
    }
    this.select.replaceChildren(
      make("option", { value: "" }, "the common ones"),
      ...[...this.presets].map(([value, words]) => make("option", { value }, words)),
    );
    this.select.addEventListener("change", () => take(this.select.value || null));
  }

  /** The names to show, as the address has them. */
  names(text) {
    const value = text ?? "";
    if (this.select.value !== value) {
      this.select.value = value;
      if (this.select.value !== value) {
        this.select.append(make("option", { value }, "those of the link"));
        this.select.value = value;
      }
    }
    return value ? value.split(",") : this.common;
  }
}
