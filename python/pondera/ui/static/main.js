// The page of `pondera ui`: what is asked is in the address, what is answered is drawn. Nothing is computed here.

import { Line, json, levels, object, server, text } from "./ask.js";
import { refuseAnswer, showAnswer, showOffers, showServer } from "./answer.js";
import { listenToCopies, showCommands } from "./command.js";
import { atRest, byId, picture, tell, write } from "./elements.js";
import { Form } from "./form.js";
import { Shown } from "./gpus.js";
import { Heat } from "./heat.js";
import { Mind } from "./mind.js";
import { Multiples } from "./multiples.js";
import { counted, printable } from "./numbers.js";
import { State } from "./state.js";

const FIRST = { gpu: "H100-SXM-80GB", context: 32768, concurrency: 8 };
const MAP_MS = 120;
const LONG_MS = 90;
const HOLD_MS = 40;

server.watch = () => showServer(server.gone);
const [{ targets }, choices] = await Promise.all([json("/api/targets"), json("/api/choices")]);
const state = new State(choices.options.map((one) => one.name), changed);
const form = new Form(choices, targets, state);
const shown = new Shown(choices.gpus, choices.most_gpus, (names) => state.set({ gpus_shown: names }));
const mind = new Mind((values, settled) => state.set(values, settled));
const heat = new Heat((context, concurrency, settled) => state.set({ context, concurrency }, settled));
const multiples = new Multiples((gpu) => state.set({ gpu }));
const later = atRest();
let last = new Set();
let barWidth = byId("bar").clientWidth;
let mapWaits = 0;
/** Where the GPU that is asked for is among those shown, if the large map is a part of their answer; else -1. */
let place = -1;
/** An estimate that waits for the maps which are asked for with it. */
let held = null;
/** Whether what is asked has come to rest, so that what would fit is looked for. */
let rests = true;

const lines = {
  fit: new Line("/api/fit", object, answered, refused),
  offers: new Line("/api/fit", object, drawOffers, (error, query) => drawn("offers", query)),
  heat: new Line("/api/heat", levels, drawHeat, (error, query) => dim("heat", error, query)),
  others: new Line("/api/heat", levels, drawOthers, (error, query) => dim("others", error, query)),
  map: new Line("/api/map", text, drawMap, (error, query) => dim("map", error, query)),
};

byId("by").addEventListener("change", (event) => state.set({ by: event.target.value || null }));
listenToCopies();
byId("controls").addEventListener("submit", (event) => event.preventDefault());
if (matchMedia("(max-width: 899px)").matches) {
  // The answer comes sooner on a small screen.
  byId("open-spread").open = false;
  byId("open-mind").open = state.fields.length > 0;
}
begin();

function begin() {
  if (state.get("gpu") === null) {
    const own = targets[state.target]?.context;
    const { context, ...first } = FIRST;
    const known = choices.gpus.some((one) => one.name === first.gpu) ? first.gpu : choices.gpus[0].name;
    const values = { ...first, gpu: known, context: own ? Math.min(own, context) : context };
    for (const [name, value] of Object.entries(values)) if (state.get(name) === null) state.values.set(name, String(value));
  }
  state.keep();
  state.written = location.search;
  if (state.left.length) {
    tell(byId("notice"), `Left out of the link, as unknown, empty or given twice: ${printable(state.left.join(", "), 200)}.`);
  }
  changed({ names: new Set(["target"]), settled: true });
}

/** The bar is drawn as wide as its place; asking for the width while dragging would lay the page out twice. */
new ResizeObserver(([entry]) => {
  const width = Math.round(entry.contentRect.width);
  if (width === barWidth) return;
  barWidth = width;
  ask("fit", state.forFit(barWidth));
}).observe(byId("bar"));

/** Whatever was changed: shows it, and asks. */
function changed({ names, settled }) {
  document.body.classList.toggle("dragging", !settled);
  const target = targets[state.target] ?? targets[0];
  if (names.has("target") || mind.target !== target) {
    mind.build(target);
    document.title = `${printable(target.name, 80)} · Pondera`;
  }
  if (names.size) last = names;
  // Asked first, so that it is answered while the rest is shown.
  const ends = form.ends(target);
  const others = shown.names(state.get("gpus_shown"));
  rests = settled;
  if (!ask("fit", state.forFit(barWidth)) && settled && !lines.fit.busy) askOffers();
  // The GPU that is asked for is mostly among those shown: then one answer serves both, unless it takes long.
  place = lines.others.took < LONG_MS ? others.indexOf(state.get("gpu")) : -1;
  if (place < 0) ask("heat", state.forHeat(null, ends));
  else lines.heat.last = null;
  ask("others", state.forHeat(others, ends));
  askMap(settled);
  form.show(target);
  mind.show(state);
  byId("by").value = state.get("by") ?? "";
  const context = counted(state.get("context"));
  if (context) {
    heat.place(context, counted(state.get("concurrency")) ?? 1);
    multiples.label(context);
  }
  later(() => showCommands(state, target, choices.options));
}

function ask(kind, query) {
  const text = query.toString();
  const asks = lines[kind].ask(text, text);
  if (asks) signal("asked", { kind, query: text });
  return asks;
}

/** Looks for what would fit, where the last answer is that this does not. */
function askOffers() {
  if (byId("verdict").dataset.state === "not") ask("offers", state.forOffers());
}

/** The map follows now and then while dragging: it is large, and the numbers come first. */
function askMap(settled) {
  if (settled) {
    clearTimeout(mapWaits);
    mapWaits = 0;
    ask("map", state.forMap());
  } else if (!mapWaits) {
    mapWaits = setTimeout(() => {
      mapWaits = 0;
      ask("map", state.forMap());
    }, MAP_MS);
  }
}

/** An estimate is shown together with its maps, in one frame, where these do not take long. */
function answered(answer, query) {
  clearTimeout(held?.waits);
  held = null;
  if (!lines.others.busy || lines.others.took > LONG_MS) showEstimate(answer, query);
  else held = { answer, query, waits: setTimeout(release, HOLD_MS) };
}

function release() {
  if (!held) return;
  const { answer, query, waits } = held;
  clearTimeout(waits);
  held = null;
  showEstimate(answer, query);
}

function showEstimate(answer, query) {
  form.clear();
  for (const { row } of mind.rows.values()) row.refuse("");
  showAnswer(answer);
  if (answer.fit.fits || state.forOffers().toString() !== lines.offers.last) forgetOffers();
  form.settle(answer.fit);
  const target = targets[state.target] ?? targets[0];
  if (form.learn(target, answer.mind)) changed({ names: new Set(), settled: rests });
  mind.tell(answer.mind);
  const { settings, concurrency, gpu } = answer.fit;
  heat.place(settings.context, concurrency);
  title(gpu.name, answer.fit.gpus);
  multiples.label(settings.context, gpu.name);
  drawn("fit", query);
  if (rests && !lines.fit.busy) askOffers();
}

/** Takes away what would fit instead of something else: it is looked for anew when that is asked again. */
function forgetOffers() {
  showOffers([], takeOffer);
  lines.offers.last = null;
}

/** What would fit, unless something else is asked by now. */
function drawOffers({ fit }, query) {
  if (query === lines.offers.last) showOffers(fit.alternatives, takeOffer);
  drawn("offers", query);
}

function title(gpu, gpus) {
  write(byId("heat-gpu"), printable(gpus > 1 ? `${gpus} × ${gpu}` : gpu, 80));
}

/**
 * A sentence of the server beside what caused it: the parameter that it names, if that was asked for, or what was
 * changed last.
 */
function refused(error, query) {
  clearTimeout(held?.waits);
  held = null;
  form.clear();
  for (const { row } of mind.rows.values()) row.refuse("");
  refuseAnswer(error.message);
  forgetOffers();
  title(state.get("gpu") ?? "", Number(state.get("gpus")) || 1);
  const named = [error.parameter, /^([a-z_]+)\b/.exec(error.message)?.[1]].filter(Boolean);
  const asked = named.flatMap((name) => [name, `set.${name}`]).filter((name) => state.get(name) !== null);
  const rows = [...asked, ...last, ...named].map(rowOf);
  rows.find(Boolean)?.refuse(printable(error.message, 600));
  drawn("fit", query);
}

function rowOf(name) {
  return name.startsWith("set.") ? mind.row(name.slice(4)) : (form.rows.get(name) ?? mind.row(name));
}

function drawHeat(found, query) {
  // An answer that is older than one that serves both.
  if (place < 0) showHeat(found);
  drawn("heat", query);
}

function showHeat(found) {
  undim("heat");
  heat.show(found);
}

function drawOthers(found, query) {
  undim("others");
  if (place >= 0 && found.gpu[place] === state.get("gpu")) showHeat(only(found, place));
  multiples.show(found);
  drawn("others", query);
  release();
}

/** The part of a heatmap that is of one GPU. */
function only(found, at) {
  const cells = found.context.length * found.concurrency.length;
  const part = (plane) => plane?.subarray(at * cells, (at + 1) * cells);
  return {
    ...found,
    gpu: [found.gpu[at]],
    levels: part(found.levels),
    reason: part(found.reason),
    frontier: [found.frontier[at]],
  };
}

function drawMap(svg, query) {
  undim("map");
  picture(byId("map-picture"), svg);
  drawn("map", query);
}

/** Dims the last picture of a part, and says why there is no newer one. */
function dim(part, error, query) {
  for (const one of part === "others" && place >= 0 ? ["others", "heat"] : [part]) {
    byId(one).classList.add("stale");
    tell(byId(`${one}-error`), printable(error.message, 600));
  }
  drawn(part, query);
  if (part === "others") release();
}

function undim(part) {
  byId(part).classList.remove("stale");
  tell(byId(`${part}-error`), "");
}

/** Takes what would fit: its change, and the layout that goes with it. */
function takeOffer({ change, value, parallel, gpus }) {
  const degrees = Object.entries(parallel).map(([name, degree]) => [`${name}_parallel`, degree > 1 ? degree : null]);
  const values = { ...Object.fromEntries(degrees), gpus: null };
  if (change !== "gpus" && form.rows.has(change)) values[change] = value;
  if (gpus > 1 && degrees.every(([, degree]) => degree === null)) values.gpus = gpus;
  state.set(values);
}

/** Tells that an answer is drawn. */
function drawn(kind, query) {
  signal("drawn", { kind, query });
}

/** Tells whoever listens, such as the bench, what is asked and what is drawn. */
function signal(name, detail) {
  document.dispatchEvent(new CustomEvent(name, { detail }));
}
