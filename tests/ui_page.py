"""The page of `pondera ui`, opened in a browser: what it asks, what it shows, and what `fit` says to that."""

import json
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

import pondera
from pondera import _numbers
from ui_server import served

MODELS = ("llama-3.1-8b", "qwen3-8b", "deepseek-v3")
ASKED = {"gpu": "H100-SXM-80GB", "engine": "vllm==0.19.0", "context": "32768", "concurrency": "8"}
PATIENCE = 15_000
"""Milliseconds until what should be shown is missed."""


@pytest.fixture(scope="session")
def ui_address():
    with served(*MODELS) as address:
        yield address


@pytest.fixture
def open_ui(open_page, ui_address):
    """Opens the page, and waits until it has answers."""

    def opened(asked=ASKED, **options):
        found = open_page(f"{ui_address}/?{urlencode(asked)}", **options)
        found.page.set_default_timeout(PATIENCE)
        found.page.wait_for_selector("#map-picture svg")
        found.page.wait_for_selector("#multiples li")
        found.page.wait_for_selector("#verdict:not([data-state=wait])")
        return found

    return opened


def in_address(page):
    """What the address of a page asks."""
    return dict(parse_qsl(urlsplit(page.url).query, keep_blank_values=True))


def asked_of(page):
    """What `fit` says to what the address of a page asks."""
    asked = in_address(page)
    model = pondera.Model.open(MODELS[int(asked.pop("target", 0))])
    fields = {name[4:]: json.loads(asked.pop(name)) for name in list(asked) if name.startswith("set.")}
    if fields:
        model = model.what_if(fields)[0]
    keywords = {
        name: value for name, value in asked.items() if name not in ("gpus_shown", "by", "concurrency_max")
    }
    if "gpu_memory_utilization" in keywords:
        keywords["gpu_memory_utilization"] = float(keywords["gpu_memory_utilization"])
    if "eager" in keywords:
        keywords["eager"] = keywords["eager"] == "true"
    return pondera.fit(model, **keywords)


def words_of(fit):
    """What the page says of an estimate first."""
    each = " on each GPU" if fit.gpus > 1 else ""
    by = _numbers.binary_bytes(abs(fit.headroom))
    return f"Fits: {by} to spare{each}" if fit.fits else f"Does not fit: {by} too much{each}"


def shows(page, fit):
    """Waits until the page says what an estimate says, and compares its facts."""
    expected = words_of(fit)
    page.wait_for_function("words => document.getElementById('words').textContent === words", arg=expected)
    facts = dict(
        zip(
            page.locator("#facts dt").all_inner_texts(),
            page.locator("#facts dd").all_inner_texts(),
            strict=True,
        )
    )
    assert facts["taken"] == _numbers.binary_bytes(fit.total)
    assert facts["usable"] == _numbers.binary_bytes(fit.usable)
    assert facts["tokens in it"] == (f"{fit.cache_tokens:,}" if fit.cache_tokens else "none")
    assert page.locator("#verdict").get_attribute("data-state") == ("fits" if fit.fits else "not")
    assert page.locator("#sign").inner_text() == ("✓" if fit.fits else "✗")


def address_has(page, **values):
    """Waits until the address asks for these."""
    want = {name.replace("set__", "set."): value for name, value in values.items()}
    page.wait_for_function(
        """want => { const has = new URLSearchParams(location.search);
                     return Object.entries(want).every(([name, value]) => has.get(name) === value); }""",
        arg=want,
    )


def drag(page, slider, part):
    """Drags a slider with the mouse to a part of its length, over places between."""
    thumb = page.locator(f"#{slider}")
    thumb.scroll_into_view_if_needed()
    box = thumb.bounding_box()
    share = int(thumb.input_value()) / int(thumb.get_attribute("max"))
    x, y = (box["x"] + 8 + (box["width"] - 16) * share, box["y"] + box["height"] / 2)
    end = box["x"] + 8 + (box["width"] - 16) * part
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(end, y, steps=12)
    page.mouse.up()


HOSTILE = [
    "plain",
    "it's",
    "-x",
    "a b;rm -rf $HOME`id`",
    "new\nline\ttab",
    "\u202eturned\u2066",
    'quote"back\\slash',
    "\U0001f600 emoji",
    "é ünïcödé",
    "\x7f\x1b[31m",
]
"""Texts that names of files and fields may have."""
