"""How the page of `pondera ui` looks and reads, on narrow pages and wide ones, to the keyboard, and with hostile names."""

import json
import random

import pytest

import refresh_inks
from pondera import _numbers
from pondera._heat import FITS
from pondera._picture.inks import PICTURE_INKS
from pondera._text import printable
from ui_page import ASKED, HOSTILE
from ui_server import served


def test_numbers_and_names_read_as_those_of_the_commands(open_ui):
    page = open_ui().page
    chosen = random.Random(5)
    counts = [0, 1, 999, 1000, 1023, 1024, 999_999, 1_048_575, 999_995_000, 2**40 - 1]
    counts += [chosen.randrange(1 << chosen.randrange(1, 53)) for _ in range(400)]
    shown = page.evaluate(
        """async counts => { const numbers = await import('/static/numbers.js');
        return counts.map(one => [numbers.binaryBytes(one), numbers.signedBytes(-one), numbers.shortCount(one),
                                  numbers.tokens(one), numbers.exactCount(one), numbers.plural(one, 'request')]); }""",
        counts,
    )
    for count, texts in zip(counts, shown, strict=True):
        assert texts == [
            _numbers.binary_bytes(count),
            _numbers.signed_bytes(-count),
            _numbers.short_count(count),
            _numbers.tokens(count),
            _numbers.exact_count(count),
            _numbers.plural(count, "request"),
        ]
    shares = [0, 0.125, 0.25, 0.375, 1.625, 880.625, 12.875, 7, 1e6 + 0.125]
    shares += [chosen.random() * 100 for _ in range(100)]
    shown = page.evaluate(
        "async shares => shares.map((await import('/static/numbers.js')).hundredths)", shares
    )
    assert shown == [f"{one:.2f}" for one in shares]
    for text in HOSTILE:
        read = page.evaluate("async text => (await import('/static/numbers.js')).printable(text)", text)
        assert read == printable(text)


def test_the_inks_are_those_of_the_pictures(open_ui):
    assert refresh_inks.SHEET.read_text(encoding="utf-8") == refresh_inks.sheet(), (
        f"run {refresh_inks.COMMAND}"
    )
    for dark in (False, True):
        page = open_ui(dark=dark).page
        code = "names => names.map(name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim())"
        found = page.evaluate(code, list(PICTURE_INKS))
        assert found == [(ink.dark if dark else ink.light).lower() for ink in PICTURE_INKS.values()]


def test_the_cells_are_drawn_in_the_inks_of_their_levels(open_ui):
    page = open_ui().page
    # The middle of each cell of the large map, and what the server says of it.
    found = page.evaluate(
        """async asked => {
        const { levels } = await import('/static/ask.js');
        const query = new URLSearchParams({ ...asked, concurrency_max: 256 });
        for (const name of ['context', 'concurrency']) query.delete(name);
        const heat = await levels(await fetch('/api/heat?' + query));
        const canvas = document.getElementById('heat-canvas');
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const [columns, rows] = [heat.context.length, heat.concurrency.length];
        const cells = [];
        for (let column = 0; column < columns; column += 1) for (let row = 0; row < rows; row += 1) {
            const x = Math.floor((column + 0.5) * canvas.width / columns);
            const y = Math.floor((rows - row - 0.5) * canvas.height / rows);
            const at = 4 * (y * canvas.width + x);
            cells.push([heat.levels[column * rows + row], ...pixels.data.slice(at, at + 3)]);
        }
        return cells; }""",
        ASKED,
    )
    assert len(found) == 64 * 64
    drawn = {level: set() for level, *_ in found}
    for level, *color in found:
        drawn[level].add("#" + "".join(f"{part:02x}" for part in color))
    assert min(drawn) <= FITS < max(drawn)
    light = {name: ink.light.lower() for name, ink in PICTURE_INKS.items()}
    for level, colors in drawn.items():
        # A cell that fits is of one ink, but for the boundary; others are hatched.
        allowed = (
            {light[f"level{max(-(-level // 20), 1) - 1}"]}
            if level <= FITS
            else {light["pale"], light["paper"]}
        )
        assert colors <= allowed | {light["ink"]}
        assert colors & allowed


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_page(open_ui, width):
    page = open_ui({**ASKED, "set.num_key_value_heads": "4"}, width=width).page
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = page.evaluate(
        """width => [...document.querySelectorAll('body *')].filter(one => {
            const box = one.getBoundingClientRect();
            return box.width && box.right > width + 1 && !one.closest('.scroll, .unseen, .skip, canvas');
        }).map(one => one.outerHTML.slice(0, 120))""",
        width,
    )
    assert wide == []


def test_everything_that_is_operated_has_a_name_and_is_reached_by_the_keyboard(open_ui):
    page = open_ui({**ASKED, "set.num_hidden_layers": "30"}).page
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    nameless = page.evaluate(
        """[...document.querySelectorAll('input, select, button, summary, [tabindex="0"]')].filter(one => {
            const label = one.labels?.[0]?.textContent || one.getAttribute('aria-label') || one.textContent.trim()
                || document.getElementById(one.getAttribute('aria-labelledby'))?.textContent;
            return !label?.trim();
        }).map(one => one.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(400):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
        if "plot" in reached and "copy" in reached:
            break
    assert {
        "asked-target",
        "asked-context-range",
        "asked-context",
        "mind-reset",
        "plot",
        "multiple",
        "map-picture",
        "copy",
    } <= reached
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_hostile_names_are_inert(tmp_path, open_page):
    name = "<script>alert(1)<&>\u202egnp.\u2066\u200f'\""
    folder = tmp_path / name
    folder.mkdir()
    config = {
        "model_type": "llama",
        "architectures": ["<img src=x onerror=alert(2)>" + "A" * 10_000],
        "hidden_size": 64,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "intermediate_size": 128,
        "vocab_size": 100,
        "max_position_embeddings": 4096,
        "torch_dtype": "bfloat16",
        "rope_scaling": {"rope_type": "</style><script>alert(3)</script>", "factor": 1.0},
    }
    (folder / "config.json").write_text(json.dumps(config))
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "config.json").write_text(
        json.dumps({**config, "model_type": "<script>\u202e" + "x" * 10_000})
    )
    with served(folder, strange) as address:
        for width in (390, 1280):
            opened = open_page(f"{address}/?gpu=L4&context=1024&concurrency=1", width=width)
            dialogs = []
            opened.page.on(
                "dialog", lambda dialog, seen=dialogs: (seen.append(dialog.message), dialog.dismiss())
            )
            opened.page.wait_for_selector("#verdict:not([data-state=wait])")
            opened.page.wait_for_timeout(500)
            for target in ("1", "0"):
                opened.page.locator("#asked-target").select_option(target)
                opened.page.wait_for_timeout(700)
                assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
                assert opened.page.evaluate("document.scripts.length") == 1
                assert opened.page.locator("img").count() == 0
                text = opened.page.locator("body").inner_text()
                assert not set(text) & set("\u202e\u2066\u200f")
            assert dialogs == []
            refusals = [one for one in opened.errors if "422" not in one]
            assert refusals == []


def test_a_picture_of_the_server_cannot_run(open_ui):
    page = open_ui().page
    page.evaluate(
        """async () => {
        window.ran = 0;
        const { picture } = await import('/static/elements.js');
        picture(document.getElementById('bar'), `<svg xmlns="http://www.w3.org/2000/svg"><script>window.ran = 1</script>
            <style>rect { fill: red }</style><rect width="5" height="5" onclick="window.ran = 2"/></svg>`);
        document.querySelector('#bar rect').dispatchEvent(new MouseEvent('click'));
        }"""
    )
    assert page.evaluate("window.ran") == 0
    assert page.locator("#bar script").count() == 0
