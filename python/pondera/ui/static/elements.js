// Elements of the page. Whatever comes from files or from the server is text here, never markup.

/** The element of an id. */
export const byId = (id) => document.getElementById(id);

/** A new element with attributes and children; children that are no elements are text. */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** Writes a text where it is another one than there is: what stays the same is not laid out again. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows a sentence in an element, or hides it where there is none. */
export function tell(element, text) {
  write(element, text ?? "");
  element.hidden = !text;
}

/**
 * Puts a picture of the server in place of the last one.
 *
 * It is parsed as a document of its own, its rules are set by a style sheet object, and nothing in it can run:
 * scripts are refused by the policy of the page, and left out here too.
 */
export function picture(place, text) {
  if (place.pictureText === text) return;
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  if (parsed.localName !== "svg") throw new Error("the picture is no SVG");
  for (const one of parsed.querySelectorAll("script, foreignObject")) one.remove();
  let rules = "";
  for (const style of parsed.querySelectorAll("style")) {
    rules += style.textContent;
    style.remove();
  }
  for (const one of [parsed, ...parsed.querySelectorAll("[style]")]) one.removeAttribute("style");
  place.pictureText = text;
  place.pictureSheet ??= new CSSStyleSheet();
  if (!document.adoptedStyleSheets.includes(place.pictureSheet)) {
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, place.pictureSheet];
  }
  place.pictureSheet.replaceSync(rules);
  place.replaceChildren(document.importNode(parsed, true));
}

const REST_MS = 150;
const LONGEST_REST_MS = 600;

/**
 * Runs the newest of what it is given once nothing new has come for a while, and now and then where it comes on and
 * on: for what nobody looks at while dragging, so that it does not stand in the way of what they do look at.
 */
export function atRest() {
  let newest = null;
  let waits = 0;
  let since = 0;
  const run = () => {
    const task = newest;
    newest = null;
    task();
  };
  return (task) => {
    clearTimeout(waits);
    if (newest === null) since = performance.now();
    newest = task;
    waits = setTimeout(run, Math.max(Math.min(REST_MS, since + LONGEST_REST_MS - performance.now()), 0));
  };
}
