// The same question for a terminal and for Python.

import { byId, write } from "./elements.js";

const BARE = /^[\w@%+=:,./-]+$/;

/** A text as one word of a shell. */
export function shellWord(text) {
  if (BARE.test(text) && !text.startsWith("-")) return text;
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)) {
    // What steers or turns a line around is written out.
    const inside = [...new TextEncoder().encode(text)]
      .map((byte) => {
        const char = String.fromCharCode(byte);
        if (char === "'" || char === "\\") return `\\${char}`;
        return byte >= 32 && byte < 127 ? char : `\\x${byte.toString(16).padStart(2, "0")}`;
      })
      .join("");
    return `$'${inside}'`;
  }
  return `'${text.replace(/'/g, "'\\''")}'`;
}

/** A text as a literal of Python. */
export function pythonText(text) {
  const inside = JSON.stringify(text).slice(1, -1);
  return `"${inside.replace(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (char) => {
    const code = char.codePointAt(0);
    return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
  })}"`;
}

/** A value of a field as Python has it: what is JSON as a literal, all else as a text. */
function pythonValue(text) {
  try {
    return literal(JSON.parse(text), text);
  } catch {
    return pythonText(text);
  }
}

function literal(value, text) {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (typeof value === "string") return pythonText(value);
  if (Array.isArray(value)) return `[${value.map((one) => literal(one)).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([name, one]) => `${pythonText(name)}: ${literal(one)}`).join(", ")}}`;
  }
  // As it was written: a number may have more digits than this language keeps.
  return text ?? String(value);
}

/**
 * Writes both.
 *
 * @param {State} state what is asked
 * @param {object} target the model
 * @param {Array<object>} options what may be asked of a deployment, in order
 */
export function showCommands(state, target, options) {
  const asked = options.map((one) => [one, state.get(one.name)]).filter(([, value]) => value !== null && value !== "default");
  const words = ["pondera", "fit", shellWord(target.target)];
  for (const [one, value] of asked) {
    const flag = one.name.replace(/_/g, "-");
    if (one.kind === "flag") words.push(yes(value) ? `--${flag}` : `--no-${flag}`);
    else words.push(`--${flag}`, shellWord(value));
  }
  for (const [name, value] of state.fields) words.push("--set", shellWord(`${name}=${value}`));
  if (target.assume) words.push("--assume", shellWord(target.assume));
  write(byId("command"), folded(words));

  const inner = state.fields.map(([name, value]) => `${pythonText(name)}: ${pythonValue(value)}`);
  const named = pythonText(target.target);
  const opened = `pondera.Model.open(${target.assume ? `${named}, assume=${pythonText(target.assume)}` : named})`;
  const what = inner.length ? `${opened}.what_if({${inner.join(", ")}})[0]` : target.assume ? opened : named;
  const keywords = asked.map(([one, value]) => `${one.name}=${keyword(one, value)}`);
  write(byId("python"), `import pondera\n\nfit = pondera.fit(\n    ${[what, ...keywords].join(",\n    ")},\n)`);
}

/** The value of an option as Python has it. */
function keyword(one, value) {
  if (one.kind === "flag") return yes(value) ? "True" : "False";
  return one.kind === "share" || /^[1-9]\d*$/.test(value) ? value : pythonText(value);
}

const yes = (value) => value === "true" || value === "1";

/** The words of a command, an option and its value together, over several lines where it is long. */
function folded(words) {
  const parts = [words.slice(0, 3).join(" ")];
  for (let at = 3; at < words.length; at += 1) {
    const takes = at + 1 < words.length && !words[at + 1].startsWith("--");
    parts.push(takes ? `${words[at]} ${words[at + 1]}` : words[at]);
    if (takes) at += 1;
  }
  const line = parts.join(" ");
  return line.length <= 90 ? line : parts.join(" \\\n  ");
}

/** Makes the buttons copy. */
export function listenToCopies() {
  for (const button of document.querySelectorAll("[data-copies]")) {
    button.addEventListener("click", async () => {
      const text = byId(button.dataset.copies).textContent;
      let said = "Copied.";
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        const range = document.createRange();
        range.selectNodeContents(byId(button.dataset.copies));
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        said = "The browser does not let it be copied: it is selected, press Ctrl-C.";
      }
      write(byId("copied"), said);
      const before = button.dataset.words ?? button.textContent;
      button.dataset.words = before;
      write(button, said === "Copied." ? "Copied" : "Selected");
      setTimeout(() => {
        write(button, before);
        write(byId("copied"), "");
      }, 2000);
    });
  }
}
