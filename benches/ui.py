"""From the input to the paint: how long the page of `pondera ui` takes, measured in a real browser.

    python benches/ui.py [--drags N] [--only NAME ...] [--target TARGET] [--address URL] [--markdown FILE]

Needs a release build of pondera (`make build`), the group `test`, and a Chromium. Sliders are dragged with the mouse, step
by step, while the page shows a map of 64 contexts x 64 numbers of requests on 32 GPUs. A step begins with the time that the
browser gives its input event, which is up to a frame before the page hears of it, and is painted when the first frame after
everything that it changes is drawn has been made: both the answers of the server and the browser's own work are in it.
Beside that stands the time from when the page hears of it until the frame after that one begins. The distributions are
printed as JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from scan import machine, put_table

import pondera

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from browser import executable

GPUS = 32
CELLS = 64
TARGET_MS = 50
SLIDERS = {
    "a field of the mind": "asked-set-num_hidden_layers-range",
    "the number of GPUs": "asked-gpus-range",
    "the context": "asked-context-range",
    "the requests": "asked-concurrency-range",
}
"""What is dragged, by the id of its slider. The first two change every cell, the others where the deployment is."""

WATCH = """
() => {
  const times = (window.dragTimes = []);
  window.dragInputs = 0;
  let begun = null;
  let handled = 0;
  let asked = new Map();
  document.addEventListener("input", (event) => {
    begun = event.timeStamp;
    handled = performance.now();
    asked = new Map();
    window.dragInputs += 1;
  }, true);
  document.addEventListener("asked", (event) => asked.set(event.detail.kind, event.detail.query));
  document.addEventListener("drawn", (event) => {
    const { kind, query } = event.detail;
    if (begun === null || asked.get(kind) !== query) return;
    asked.delete(kind);
    if ([...asked.keys()].some((one) => one !== "map")) return;
    const since = begun;
    const from = handled;
    begun = null;
    requestAnimationFrame(() => {
      let painted = 0;
      const paint = () => { painted ||= performance.now() - since; };
      const after = new MessageChannel();
      after.port1.onmessage = paint;
      after.port2.postMessage(null);
      requestAnimationFrame(() => {
        // By now the frame before is painted, whichever of the two comes first.
        paint();
        times.push([painted, performance.now() - from]);
        window.dragDone?.();
      });
    });
  });
}
"""


PAUSE = 0.2
"""Seconds from one step to the next: all that the one brings about, such as a new map, is over by then."""

DONE = """
count => new Promise((done) => {
  window.dragDone = () => window.dragTimes.length > count && done();
  window.dragDone();
})
"""
"""Waits for the step of a number."""


def gpus(target: str) -> list[str]:
    """GPUs that all have cells that can be."""
    names = [gpu.name for gpu in pondera.gpus() if gpu.vendor == "nvidia"]
    tally = pondera.sweep(target, gpu=names, context=[4096, 8192], concurrency=[1, 2]).tally("gpu")
    return [str(name) for name in tally["gpu"][tally["possible"] == tally["points"]][:GPUS]]


@contextmanager
def served(target: str) -> Iterator[str]:
    """The address of a server of its own."""
    command = [sys.executable, "-m", "pondera", "ui", target, "--port", "0", "--no-open", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            yield json.loads(server.stdout.readline())["url"]
        finally:
            server.terminate()


def drag(page, slider: str, drags: int) -> list[list[float]]:
    """Milliseconds of each step of a slider that is dragged to and fro."""
    thumb = page.locator(f"#{slider}")
    thumb.scroll_into_view_if_needed()
    box = thumb.bounding_box()
    last = int(thumb.evaluate("one => one.max"))
    y = box["y"] + box["height"] / 2

    def place(value: int) -> float:
        # The middle of the thumb goes from half its width to half its width before the end.
        return box["x"] + 8 + (box["width"] - 16) * value / last

    at = int(thumb.evaluate("one => one.value"))
    page.mouse.move(place(at), y)
    page.mouse.down()
    page.evaluate("() => { window.dragTimes.length = 0; window.dragInputs = 0; }")
    forward = 1
    for number in range(drags):
        if not 0 <= at + forward <= last:
            forward = -forward
        at += forward
        x = place(at)
        page.mouse.move(x, y)
        # Nothing is asked of the browser meanwhile: that would be work of its own, beside the page's.
        time.sleep(PAUSE)
        # Steps that are narrow are found a pixel at a time.
        while page.evaluate("() => window.dragInputs") == number:
            x += forward
            page.mouse.move(x, y)
            time.sleep(PAUSE)
        at = int(thumb.evaluate("one => one.value"))
        page.evaluate(DONE, number)
    page.mouse.up()
    page.wait_for_timeout(400)
    return page.evaluate("() => window.dragTimes")


def distribution(times: list[list[float]]) -> dict[str, object]:
    found: dict[str, object] = {"drags": len(times)}
    for name, one in zip(("painted_ms", "next_frame_ms"), zip(*times, strict=True), strict=True):
        cuts = statistics.quantiles(one, n=100, method="inclusive")
        numbers = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(one)}
        found[name] = {key: round(value, 1) for key, value in numbers.items()}
    return found


def measure(address: str, target: str, drags: int, chosen: list[str]) -> dict[str, object]:
    from playwright.sync_api import sync_playwright

    path = executable()
    if path is None:
        raise SystemExit("there is no browser: put chromium on PATH, or name one in CHROMIUM")
    context = pondera.Architecture.from_config(target).context if Path(target).exists() is False else None
    asked = {
        "gpu": "H100-SXM-80GB",
        "context": min(context or 32768, 32768),
        "concurrency": 8,
        "concurrency_max": 1024,
        "gpus_shown": ",".join(gpus(target)),
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{address}?{urlencode(asked)}")
        page.wait_for_selector("#map-picture svg")
        page.wait_for_timeout(500)
        page.evaluate(WATCH)
        found = {
            "browser": browser.version,
            "gpus": page.locator("#multiples li").count(),
            "idle_frames_ms": frames(page),
            **{name: distribution(drag(page, SLIDERS[name], drags)) for name in chosen},
        }
        browser.close()
    return found


def frames(page) -> float:
    """What two frames take that have nothing to do: the least that a step can take by this measure."""
    code = """async () => {
        const times = [];
        for (let at = 0; at < 40; at += 1) {
            await new Promise((done) => setTimeout(done, 7));
            const begun = performance.now();
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            times.push(performance.now() - begun);
        }
        return times;
    }"""
    return round(statistics.median(page.evaluate(code)), 1)


def markdown(found: dict, drags: int) -> str:
    lines = [
        "| dragged | painted: median, 95 of 100, longest | the frame after it | target |",
        "|---|---|---|---|",
    ]
    for name in SLIDERS:
        if name in found:
            cells = [
                ", ".join(f"{found[name][what][key]} ms" for key in ("p50", "p95", "max"))
                for what in ("painted_ms", "next_frame_ms")
            ]
            lines.append(f"| {name} | {cells[0]} | {cells[1]} | below {TARGET_MS} ms |")
    about = f"Chromium {found['browser']}, {drags} steps each, {found['gpus']} GPUs; two empty frames take {found['idle_frames_ms']} ms"
    return f"{machine()}\n{about}\n\n" + "\n".join(lines) + "\n"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--drags", type=int, default=100)
    arguments.add_argument("--only", nargs="+", choices=SLIDERS, default=list(SLIDERS))
    arguments.add_argument("--target", default="llama-3.1-8b")
    arguments.add_argument("--address", help="of a server that runs already, of the same target")
    arguments.add_argument("--markdown", type=Path)
    chosen = arguments.parse_args()
    if chosen.address:
        found = measure(chosen.address, chosen.target, chosen.drags, chosen.only)
    else:
        with served(chosen.target) as address:
            found = measure(address, chosen.target, chosen.drags, chosen.only)
    print(json.dumps(found, indent=1))
    if chosen.markdown:
        put_table(chosen.markdown, "ui", markdown(found, chosen.drags))


if __name__ == "__main__":
    main()
