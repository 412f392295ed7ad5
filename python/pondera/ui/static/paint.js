// Levels as pixels: one painter for the large heatmap and for the small ones.
//
// A level is the share of the usable memory that is taken, in per cent; `_heat.py` says what the ends of its
// scale mean. They are drawn as `_picture/heat.py` draws them: what fits in one of five shades, what does not is
// hatched, what cannot be has crosses, and a line runs where the one ends: no colour has to be told apart.

export const FITS = 100;
export const MOST = 200;
export const CANNOT_BE = 255;

const FIFTHS = 5;

let inks = null;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  inks = null;
});

/** Which fifth of the memory a level that fits ends in. */
const fifth = (level) => Math.max(Math.ceil(level / (FITS / FIFTHS)), 1) - 1;

/** The inks of the page as it is now, as pixels. */
function palette() {
  if (inks) return inks;
  const style = getComputedStyle(document.documentElement);
  const ink = (name) => packed(style.getPropertyValue(name).trim());
  const fits = Array.from({ length: FIFTHS }, (_, at) => ink(`--level${at}`));
  inks = {
    flat: Uint32Array.from({ length: 256 }, (_, level) => (level <= FITS ? fits[fifth(level)] : ink("--pale"))),
    mark: ink("--paper"),
    line: ink("--ink"),
  };
  return inks;
}

/** A colour such as #0072b2 as a pixel. */
function packed(hex) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return (255 << 24) | (blue << 16) | (green << 8) | red;
}

/** A canvas that shows levels. */
export class Levels {
  /** @param {HTMLCanvasElement} canvas where @param {number} line width of the boundary in pixels of the page */
  constructor(canvas, line) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.line = line;
    this.image = null;
  }

  /** Makes room for so many pixels of the page; says whether that changed anything. */
  resize(width, height) {
    const scale = Math.min(window.devicePixelRatio || 1, 2);
    const [wide, high] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
    if (this.image && this.canvas.width === wide && this.canvas.height === high) return false;
    this.canvas.width = wide;
    this.canvas.height = high;
    this.image = this.context.createImageData(wide, high);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.scale = scale;
    this.columnOf = null;
    return true;
  }

  /**
   * Paints a part of levels: contexts go to the right, requests upwards.
   *
   * @param {Uint8Array} levels all of them
   * @param {number} from where the part begins
   * @param {number} columns contexts
   * @param {number} rows requests, the axis that moves fastest
   */
  paint(levels, from, columns, rows) {
    if (!this.image) return;
    const { flat, mark, line } = palette();
    const { width, height } = this.image;
    const pixels = this.pixels;
    if (this.columnOf?.columns !== columns) {
      this.columnOf = Uint32Array.from({ length: width }, (_, x) => Math.floor((x * columns) / width));
      this.columnOf.columns = columns;
    }
    const columnOf = this.columnOf;
    const period = Math.round(6 * this.scale);
    const thick = Math.max(1, Math.round(1.3 * this.scale));
    const arm = Math.round(2 * this.scale);
    const centre = period >> 1;
    for (let y = 0, at = 0; y < height; y += 1) {
      const row = from + rows - 1 - Math.floor((y * rows) / height);
      const down = (y % period) - centre;
      let slant = y % period;
      for (let x = 0, over = -centre; x < width; x += 1, at += 1) {
        const level = levels[row + columnOf[x] * rows];
        if (level <= FITS) pixels[at] = flat[level];
        else if (level !== CANNOT_BE) pixels[at] = slant < thick ? mark : flat[level];
        else pixels[at] = Math.abs(Math.abs(over) - Math.abs(down)) < thick && Math.abs(over) <= arm ? mark : flat[level];
        slant = slant + 1 === period ? 0 : slant + 1;
        over = over + 1 === period - centre ? -centre : over + 1;
      }
    }
    this._boundary(levels, from, columns, rows, line);
    this.context.putImageData(this.image, 0, 0);
  }

  _boundary(levels, from, columns, rows, ink) {
    const { width, height } = this.image;
    const thick = Math.max(1, Math.round(this.line * this.scale));
    const fits = (column, row) => levels[from + column * rows + row] <= FITS;
    const left = (column) => Math.round((column * width) / columns);
    const top = (row) => Math.round(((rows - 1 - row) * height) / rows);
    for (let column = 0; column < columns; column += 1) {
      for (let row = 0; row < rows; row += 1) {
        const one = fits(column, row);
        if (row + 1 < rows && fits(column, row + 1) !== one) {
          this._fill(left(column), top(row) - (thick >> 1), left(column + 1) + (thick >> 1), thick, ink);
        }
        if (column + 1 < columns && fits(column + 1, row) !== one) {
          const y = top(row);
          for (let at = y; at < top(row - 1); at += 1) {
            this._fill(left(column + 1) - (thick >> 1), at, left(column + 1) - (thick >> 1) + thick, 1, ink);
          }
        }
      }
    }
  }

  _fill(left, top, right, height, ink) {
    const { width, height: whole } = this.image;
    const end = Math.min(right, width);
    const begin = Math.max(left, 0);
    for (let y = Math.max(top, 0); y < Math.min(top + height, whole); y += 1) {
      if (end > begin) this.pixels.fill(ink, y * width + begin, y * width + end);
    }
  }
}
