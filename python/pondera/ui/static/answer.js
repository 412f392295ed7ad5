// What the server says of the deployment: the verdict, the bar, facts, reasons and assumptions.

import { atRest, byId, make, picture, tell, write } from "./elements.js";
import { binaryBytes, exactCount, hundredths, plural, printable, shortCount, tokens } from "./numbers.js";

const later = atRest();

/** Shows an estimate. */
export function showAnswer({ fit, mind, picture: bar }) {
  const verdict = byId("verdict");
  verdict.dataset.state = fit.fits ? "fits" : "not";
  document.body.classList.remove("refused");
  write(byId("sign"), fit.fits ? "✓" : "✗");
  const each = fit.gpus > 1 ? " on each GPU" : "";
  const by = binaryBytes(Math.abs(fit.headroom));
  write(byId("words"), fit.fits ? `Fits: ${by} to spare${each}` : `Does not fit: ${by} too much${each}`);
  write(byId("asked"), asked(fit));
  if (bar) picture(byId("bar"), bar);
  showFacts(fit, mind);
  list(byId("warnings"), fit.warnings.map((one) => `Warning: ${printable(one, 1000)}`));
  later(() => {
    showReasons(fit);
    showAssumptions(fit);
  });
}

/** Says why there is no answer, and dims the last one. */
export function refuseAnswer(message) {
  byId("verdict").dataset.state = "cannot";
  document.body.classList.add("refused");
  write(byId("sign"), "!");
  write(byId("words"), "Cannot be");
  write(byId("asked"), printable(message, 1000));
}

function asked(fit) {
  const { settings } = fit;
  const where = fit.gpus > 1 ? `${fit.gpus} × ${printable(fit.gpu.name, 60)}` : printable(fit.gpu.name, 60);
  const layout = Object.entries(fit.parallel)
    .filter(([, degree]) => degree > 1)
    .map(([name, degree]) => `${name}_parallel ${degree}`);
  return [
    `${printable(fit.model, 80)} on ${where}`,
    ...layout,
    fit.engine,
    `weights ${printable(fit.storage, 60)}`,
    `cache ${settings.cache}`,
    `${plural(fit.concurrency, "request")} of ${tokens(settings.context)} tokens`,
  ].join(" · ");
}

function showFacts(fit, mind) {
  const facts = [];
  const add = (name, value, hint) => facts.push([name, value, hint ?? ""]);
  const usable = `${exactCount(fit.usable)} usable (${fit.gpu.usable_is})`;
  add("taken", binaryBytes(fit.total), `${exactCount(fit.total)} bytes of ${usable}`);
  add("usable", binaryBytes(fit.usable), fit.gpu.usable_from ?? "");
  add("cache pool", fit.cache_pool ? binaryBytes(fit.cache_pool) : "none", `${exactCount(fit.cache_pool)} bytes`);
  add("tokens in it", fit.cache_tokens ? exactCount(fit.cache_tokens) : "none", "as the engine would print it");
  add(
    "full requests",
    fit.max_concurrency == null ? "—" : hundredths(fit.max_concurrency),
    `requests of ${tokens(fit.settings.context)} tokens that the pool holds`,
  );
  if (mind) {
    add("parameters", shortCount(mind.parameters), exactCount(mind.parameters));
    if (mind.active_parameters != null && mind.active_parameters !== mind.parameters) {
      add("active", shortCount(mind.active_parameters), `${exactCount(mind.active_parameters)} that one token goes through`);
    }
  }
  const rate = fit.roofline?.decode?.tokens_per_second;
  const bound = "written by the whole deployment: a roofline, an upper bound";
  if (rate != null) add("tokens/s at most", exactCount(Math.floor(rate)), bound);
  if (fit.limit) add("limit", printable(fit.limit, 200));
  const place = byId("facts");
  // The same facts keep their places: their numbers alone are written.
  const names = facts.map(([name]) => name).join("|");
  if (place.dataset.names !== names) {
    place.dataset.names = names;
    const kind = (name) => ({ class: name === "limit" ? "long" : null });
    place.replaceChildren(...facts.map(([name]) => make("div", kind(name), make("dt", {}, name), make("dd", {}))));
  }
  facts.forEach(([, value, hint], at) => {
    const shown = place.children[at].lastChild;
    write(shown, value);
    if (shown.title !== hint) shown.title = hint;
  });
}

function list(place, texts) {
  const key = texts.join("\n");
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  place.replaceChildren(...texts.map((text) => make("li", {}, text)));
}

/** What would fit, where this does not: a press takes it, where it is something that can be asked. */
export function showOffers(alternatives, take) {
  const place = byId("alternatives");
  place.hidden = alternatives.length === 0;
  place.replaceChildren();
  if (!alternatives.length) return;
  place.append(
    make("h3", {}, "It would fit with one of these changes"),
    make(
      "ul",
      {},
      ...alternatives.map((one) => {
        const text = `${printable(one.words, 300)}: ${binaryBytes(one.headroom)} to spare`;
        const button = make("button", { type: "button", class: "offer" }, text);
        button.addEventListener("click", () => take(one));
        return make("li", {}, button);
      }),
    ),
  );
}

/** Rows have their roles said, since a narrow page lays them out as blocks. */
function showReasons(fit) {
  const groups = new Map();
  for (const one of fit.reasons) groups.set(one.component, [...(groups.get(one.component) ?? []), one]);
  const bodies = [...groups].map(([component, reasons]) =>
    make(
      "tbody",
      { role: "rowgroup" },
      make(
        "tr",
        { class: "component", role: "row" },
        make("th", { scope: "rowgroup", role: "rowheader" }, component.replace(/_/g, " ")),
        number(fit[component] ?? 0),
        make("td", { colspan: 2, role: "cell", class: "formula" }, band(fit.band[component])),
      ),
      ...reasons.map((one) =>
        make(
          "tr",
          { role: "row" },
          make("th", { scope: "row", role: "rowheader" }, printable(one.name, 200)),
          number(one.bytes),
          make("td", { class: "formula", role: "cell" }, printable(one.formula, 1000)),
          make(
            "td",
            { class: "source", role: "cell" },
            make("span", { class: "chip" }, one.origin),
            ` ${printable(one.source, 1000)}`,
          ),
        ),
      ),
    ),
  );
  const table = byId("reasons");
  for (const body of [...table.tBodies]) body.remove();
  table.append(...bodies);
}

const number = (bytes) => make("td", { class: "number", role: "cell", title: `${exactCount(bytes)} bytes` }, binaryBytes(bytes));

/** How sure a number is. */
function band(found) {
  if (!found) return "estimated";
  const [low, high] = found;
  return low === high ? "exact" : `± ${binaryBytes(Math.floor((high - low) / 2))}`;
}

function showAssumptions(fit) {
  byId("assumptions").replaceChildren(
    ...fit.assumptions.map((one) =>
      make(
        "div",
        {},
        make("dt", {}, `${printable(one.field, 120)} = ${printable(one.value, 200)}`),
        make("dd", {}, printable(one.reason, 1000)),
      ),
    ),
  );
}

/** Says that the server does not answer, or that it does again. */
export function showServer(gone) {
  const notice = byId("notice");
  notice.classList.toggle("bad", gone);
  const sentence = "The server does not answer: start `pondera ui` again at this port. Until then this is the last view.";
  tell(notice, gone ? sentence : "");
  document.body.classList.toggle("gone", gone);
}
