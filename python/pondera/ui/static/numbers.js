// Numbers and names as people read them, in the words of `_numbers.py` and `_text.py`; a test compares the two.

const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];
const THOUSANDS = ["", "K", "M", "B", "T", "Q"];
const ESCAPES = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** Bytes in powers of 1024, as `641.29 GiB`. */
export const binaryBytes = (count) => scaled(count, 1024n, BYTES);

/** Bytes that may be below 0, as `-1.29 GiB`. */
export const signedBytes = (count) => (count < 0 ? `-${binaryBytes(-count)}` : binaryBytes(count));

/** A count in thousands, millions or billions, as `8.03 B`. */
export const shortCount = (count) => scaled(count, 1000n, THOUSANDS);

/** A count with all its digits, as `8,030,261,248`. */
export const exactCount = (count) => whole.format(count);

/** A number of tokens, whole thousands of 1024 as `32k`. */
export const tokens = (count) => (count && count % 1024 === 0 ? `${count / 1024}k` : exactCount(count));

/** A count with its noun, as `1 request` or `8 requests`. */
export const plural = (count, noun) => `${exactCount(count)} ${noun}${count === 1 ? "" : "s"}`;

/** A number with two digits behind the point; what lies in the middle goes to the even one, as engines print it. */
export function hundredths(value) {
  // Eighths alone lie in the middle, and are exact.
  if (!Number.isInteger(8 * value)) return value.toFixed(2);
  const below = Math.floor(100 * value);
  const up = 100 * value - below > 0.5 || (100 * value - below === 0.5 && below % 2 !== 0);
  return ((below + (up ? 1 : 0)) / 100).toFixed(2);
}

/** The whole number that a text such as 32768, 32,768 or 32k stands for; null if it is none. */
export function counted(text) {
  const found = /^(\d{1,15})\s*([km]?)$/i.exec(String(text ?? "").replace(/[,_ ]/g, ""));
  if (!found) return null;
  const scale = { "": 1, k: 1024, m: 1048576 }[found[2].toLowerCase()];
  const value = Number(found[1]) * scale;
  return Number.isSafeInteger(value) ? value : null;
}

/** A text with what steers, hides or turns it around written out, cut where it is long. */
export function printable(text, most = 300) {
  const shown = String(text)
    .slice(0, most + 1)
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu, (char) => {
      const code = char.codePointAt(0);
      if (ESCAPES[char]) return ESCAPES[char];
      if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
      return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
    });
  return shown.length > most ? `${shown.slice(0, most - 1)}…` : shown;
}

function scaled(count, step, units) {
  const value = BigInt(Math.round(count));
  if (value < step) return `${value} ${units[0]}`.trimEnd();
  let scale = 1n;
  for (let at = 1; at < units.length; at += 1) {
    scale *= step;
    const hundredths = (200n * value + scale) / (2n * scale);
    if (hundredths < 100n * step || at === units.length - 1) {
      return `${hundredths / 100n}.${String(hundredths % 100n).padStart(2, "0")} ${units[at]}`;
    }
  }
  return "";
}
