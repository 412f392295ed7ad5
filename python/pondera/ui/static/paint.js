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

/** In place of a pixel: what is hatched, and what has crosses. Pixels are opaque, so none is as small. */
const HATCHED = 0;
const CROSSED = 1;

/** A canvas that shows levels. */
export class Levels {
  /** @param {HTMLCanvasElement} canvas where @param {number} line width of the boundary in pixels of the page */
  constructor(canvas, line) {
    this.canvas = canvas;
    // Kept in memory: dozens of canvases that are written whole are no work for a GPU.
    this.context = canvas.getContext("2d", { willReadFrequently: true });
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
    this.columns = this.rows = 0;
    return true;
  }

  /** Finds where columns and rows lie. */
  _divide(columns, rows) {
    if (this.columns === columns && this.rows === rows) return;
    const { width, height } = this.image;
    this.columns = columns;
    this.rows = rows;
    this.columnOf = Uint16Array.from({ length: width }, (_, x) => Math.floor((x * columns) / width));
    this.left = edges(columns, width);
    this.top = edges(rows, height);
    this.inks = new Uint32Array(columns);
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
    this._divide(columns, rows);
    const { flat, mark, line } = palette();
    const { pixels, columnOf, inks } = this;
    const { width } = this.image;
    const period = Math.round(6 * this.scale);
    const thick = Math.max(1, Math.round(1.3 * this.scale));
    const arm = Math.round(2 * this.scale);
    const centre = period >> 1;
    const pale = flat[MOST];
    for (let band = 0; band < rows; band += 1) {
      let plain = true;
      for (let column = 0, at = from + rows - 1 - band; column < columns; column += 1, at += rows) {
        const level = levels[at];
        inks[column] = level <= FITS ? flat[level] : level === CANNOT_BE ? CROSSED : HATCHED;
        plain &&= level <= FITS;
      }
      const end = this.top[band + 1];
      for (let y = this.top[band]; y < end; y += 1) {
        const begin = y * width;
        if (plain && y > this.top[band]) {
          pixels.copyWithin(begin, begin - width, begin);
          continue;
        }
        const down = Math.abs((y % period) - centre);
        let slant = y % period;
        for (let x = 0; x < width; x += 1) {
          const ink = inks[columnOf[x]];
          if (ink > CROSSED) {
            pixels[begin + x] = ink;
          } else if (ink === HATCHED) {
            pixels[begin + x] = slant < thick ? mark : pale;
          } else {
            const over = Math.abs((x % period) - centre);
            pixels[begin + x] = over <= arm && Math.abs(over - down) < thick ? mark : pale;
          }
          slant += 1;
          if (slant === period) slant = 0;
        }
      }
    }
    this._boundary(levels, from, line);
    this.context.putImageData(this.image, 0, 0);
  }

  /** Draws a line wherever what fits meets what does not. */
  _boundary(levels, from, ink) {
    const { columns, rows, left, top } = this;
    const thick = Math.max(1, Math.round(this.line * this.scale));
    const half = thick >> 1;
    for (let column = 0; column < columns; column += 1) {
      for (let row = 0, at = from + column * rows; row < rows; row += 1, at += 1) {
        const fits = levels[at] <= FITS;
        const band = rows - 1 - row;
        if (row + 1 < rows && levels[at + 1] <= FITS !== fits) {
          this._fill(left[column], top[band] - half, left[column + 1] + half, top[band] - half + thick, ink);
        }
        if (column + 1 < columns && levels[at + rows] <= FITS !== fits) {
          const x = left[column + 1] - half;
          this._fill(x, top[band], x + thick, top[band + 1], ink);
        }
      }
    }
  }

  _fill(left, top, right, bottom, ink) {
    const { width, height } = this.image;
    const begin = Math.max(left, 0);
    const end = Math.min(right, width);
    for (let y = Math.max(top, 0); y < Math.min(bottom, height); y += 1) {
      for (let x = begin; x < end; x += 1) this.pixels[y * width + x] = ink;
    }
  }
}

/** Where so many equal parts of a length begin, and the last one ends: the pixels whose place lies in a part are its. */
const edges = (count, length) => Uint16Array.from({ length: count + 1 }, (_, at) => Math.ceil((at * length) / count));
