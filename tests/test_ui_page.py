"""The page of `pondera ui` in a real browser: it shows what `fit` says, and what is asked stays in its address."""

import ast
import json
import random
import re
import shutil
import subprocess
import sys
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

import pondera
import refresh_inks
from pondera import _numbers
from pondera._heat import FITS
from pondera._picture.inks import PICTURE_INKS
from pondera._text import printable
from ui_server import served

MODELS = ("llama-3.1-8b", "qwen3-8b", "deepseek-v3")
ASKED = {"gpu": "H100-SXM-80GB", "engine": "vllm==0.19.0", "context": "32768", "concurrency": "8"}
PATIENCE = 15_000
"""Milliseconds until what should be shown is missed."""


@pytest.fixture(scope="module")
def address():
    with served(*MODELS) as address:
        yield address


@pytest.fixture
def open_ui(open_page, address):
    """Opens the page, and waits until it has answers."""

    def opened(asked=ASKED, **options):
        found = open_page(f"{address}/?{urlencode(asked)}", **options)
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


@pytest.mark.parametrize("dark", [False, True])
def test_it_opens_and_complains_of_nothing(open_ui, address, dark):
    opened = open_ui(dark=dark)
    shows(opened.page, asked_of(opened.page))
    assert opened.errors == []
    assert all(one.startswith((address, "data:")) for one in opened.requests)
    assert opened.page.title() == "llama-3.1-8b · Pondera"


def test_a_bare_address_asks_for_something_that_it_says(open_ui):
    page = open_ui({}).page
    assert {"gpu", "context", "concurrency"} <= set(in_address(page))
    shows(page, asked_of(page))


def test_the_bar_the_reasons_and_the_assumptions_are_those_of_fit(open_ui):
    page = open_ui().page
    fit = asked_of(page).to_dict()
    assert f"{_numbers.binary_bytes(fit['weights'])}" in page.locator("#bar svg").text_content()
    rows = page.locator("#reasons tbody tr:not(.component)")
    page.wait_for_function(
        "count => document.querySelectorAll('#reasons tbody tr:not(.component)').length === count",
        arg=len(fit["reasons"]),
    )
    for row, reason in zip(rows.all(), fit["reasons"], strict=True):
        cells = row.locator("th, td").all_text_contents()
        assert cells[:3] == [reason["name"], _numbers.binary_bytes(reason["bytes"]), reason["formula"]]
        assert cells[3] == f"{reason['origin']} {reason['source']}"
    assumed = [f"{one['field']} = {one['value']}" for one in fit["assumptions"]]
    assert page.locator("#assumptions dt").all_text_contents() == assumed


@pytest.mark.parametrize(
    ("slider", "part", "name"),
    [
        ("asked-context-range", 0.35, "context"),
        ("asked-concurrency-range", 0.9, "concurrency"),
        ("asked-gpus-range", 0.5, "gpus"),
        ("asked-gpu_memory_utilization-range", 0.4, "gpu_memory_utilization"),
        ("asked-set-num_hidden_layers-range", 0.9, "set.num_hidden_layers"),
    ],
)
def test_a_slider_that_is_dragged_changes_the_numbers_to_what_fit_says(open_ui, slider, part, name):
    opened = open_ui()
    page = opened.page
    before = in_address(page)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    drag(page, slider, part)
    page.wait_for_function("before => location.search !== before", arg=f"?{urlencode(before)}")
    page.wait_for_timeout(300)
    assert in_address(page).get(name) != before.get(name)
    shows(page, asked_of(page))
    assert opened.errors == []


def test_the_keyboard_moves_sliders_and_texts_may_be_typed(open_ui):
    page = open_ui().page
    page.locator("#asked-context-range").focus()
    page.keyboard.press("ArrowRight")
    address_has(page, context="36864")
    shows(page, asked_of(page))
    page.keyboard.press("End")
    address_has(page, context="131072")
    shows(page, asked_of(page))
    page.locator("#asked-concurrency").fill("3")
    page.keyboard.press("Enter")
    address_has(page, concurrency="3")
    shows(page, asked_of(page))
    page.locator("#asked-context").fill("20k")
    page.keyboard.press("Tab")
    address_has(page, context="20k")
    shows(page, asked_of(page))


def test_pickers_change_the_numbers_to_what_fit_says(open_ui):
    page = open_ui().page
    for name, value in (
        ("gpu", "L40S"),
        ("weights", "fp8"),
        ("cache", "fp8"),
        ("engine", "sglang"),
        ("target", "1"),
        ("gpu", "24GiB"),
    ):
        page.locator(f"#asked-{name}").select_option(value)
        address_has(page, **{name: value})
        shows(page, asked_of(page))


def test_how_many_gpus_and_a_layout_take_each_other_back(open_ui):
    page = open_ui().page
    page.locator("#asked-tensor_parallel").fill("4")
    page.keyboard.press("Enter")
    address_has(page, tensor_parallel="4")
    shows(page, asked_of(page))
    page.wait_for_function("() => document.getElementById('asked-gpus').value === '4'")
    page.locator("#asked-gpus").fill("2")
    page.keyboard.press("Enter")
    address_has(page, gpus="2")
    assert "tensor_parallel" not in in_address(page)
    shows(page, asked_of(page))


def test_a_mind_says_whether_the_same_weights_can_wear_it(open_ui):
    page = open_ui().page
    page.locator("#asked-set-rope_theta-range").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "() => document.getElementById('body-said').textContent.includes('The same weights can')"
    )
    shows(page, asked_of(page))
    page.locator("#asked-set-num_key_value_heads").fill("4")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "() => document.getElementById('body-said').textContent.includes('needs new weights')"
    )
    shows(page, asked_of(page))
    answer = pondera.Architecture.from_config(MODELS[0]).what_if(num_key_value_heads=4)
    said = page.locator(".field.changed", has_text="num_key_value_heads").locator(".did").inner_text()
    lost = _numbers.short_count(-answer.changes[0]["parameters"])
    assert f"-{lost} parameters" in said
    assert f"cache -{_numbers.binary_bytes(-answer.changes[0]['bytes_per_token'])} a token" in said
    assert page.locator(".field.changed").count() == 2
    page.locator("#mind-reset").click()
    shows(page, asked_of(page))
    assert not any(name.startswith("set.") for name in in_address(page))
    assert page.locator(".field.changed").count() == 0
    assert page.locator("#body-said").inner_text() == ""


def test_cells_that_are_read_and_taken_are_what_fit_says(open_ui):
    page = open_ui().page
    page.locator("#plot").focus()
    page.keyboard.press("Home")
    moves = random.Random(6)
    seen = set()
    for _ in range(12):
        for _ in range(moves.randrange(1, 7)):
            page.keyboard.press(moves.choice(["ArrowRight", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp"]))
        read = page.locator("#heat-read").inner_text()
        page.keyboard.press("Enter")
        context, requests, what = re.fullmatch(r"([\d,k]+) tokens, ([\d,]+) requests?: (.+)", read).groups()
        count = int(context[:-1]) * 1024 if context.endswith("k") else int(context.replace(",", ""))
        address_has(page, context=str(count), concurrency=requests.replace(",", ""))
        fit = asked_of(page)
        shows(page, fit)
        level = min(-(-100 * (fit.usable - fit.headroom) // fit.usable), 200)
        assert (level <= FITS) == fit.fits
        if fit.fits:
            assert what == f"fits, {level}% of the memory taken"
        else:
            assert what == (
                "does not fit, twice the memory or more"
                if level == 200
                else f"does not fit, {level}% of the memory"
            )
        seen.add(fit.fits)
    assert seen == {True, False}


def test_the_mouse_takes_a_cell_and_the_boundary_is_a_table_too(open_ui):
    page = open_ui().page
    plot = page.locator("#plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    plot.click(position={"x": box["width"] * 0.2, "y": box["height"] * 0.5})
    page.wait_for_function("() => !new URLSearchParams(location.search).get('context').startsWith('32768')")
    shows(page, asked_of(page))
    page.locator("#frontier-open summary").click()
    rows = [row.split("\t") for row in page.locator("#frontier tbody tr").all_inner_texts()]
    assert len(rows) == 64
    for context, most in random.Random(7).sample(rows, 5):
        asked = {**ASKED, "context": context.replace(",", "")}
        if most != "none":
            assert pondera.fit(MODELS[0], **{**asked, "concurrency": most.replace(",", "")}).fits


def test_other_gpus_say_what_fits_on_them_and_a_press_takes_one(open_ui):
    page = open_ui().page
    names = page.locator("#multiples .name").all_inner_texts()
    assert {gpu.name for gpu in pondera.gpus() if gpu.common} == set(names)
    for name, most in zip(names, page.locator("#multiples .most").all_inner_texts(), strict=True):
        count = re.sub(r"\D", "", most)
        if count:
            assert pondera.fit(MODELS[0], **{**ASKED, "gpu": name, "concurrency": count}).fits
        elif most == "✗ none":
            assert not pondera.fit(MODELS[0], **{**ASKED, "gpu": name, "concurrency": "1"}).fits
        else:
            assert most == "- cannot be"
            with pytest.raises(pondera.PonderaError):
                pondera.fit(MODELS[0], **{**ASKED, "gpu": name, "concurrency": "1"})
    page.locator("#multiples button", has_text="L40S").click()
    address_has(page, gpu="L40S")
    shows(page, asked_of(page))
    assert page.locator("#multiples button[aria-pressed=true]").inner_text().startswith("L40S")


def test_the_address_is_the_view_and_the_history_goes_back(open_ui):
    link = {
        **ASKED,
        "target": "2",
        "gpu": "H200-SXM-141GB",
        "engine": "vllm==0.19.0",
        "tensor_parallel": "8",
        "weights": "fp8",
        "set.num_experts_per_tok": "4",
        "eager": "true",
        "by": "bytes",
        "gpus_shown": "H200-SXM-141GB,B200",
    }
    first = open_ui(link).page
    shows(first, asked_of(first))
    assert in_address(first) == link
    assert first.locator("#asked-target").input_value() == "2"
    assert first.locator("#asked-engine").input_value() == "vllm"
    assert first.locator("#asked-version").input_value() == "0.19.0"
    assert first.locator("#asked-set-num_experts_per_tok").input_value() == "4"
    assert first.locator("#by").input_value() == "bytes"
    assert first.locator("#multiples .name").all_inner_texts() == ["H200-SXM-141GB", "B200"]
    again = open_ui(dict(parse_qsl(urlsplit(first.url).query))).page
    for part in ("#words", "#asked", "#facts", "#command", "#python"):
        assert again.locator(part).inner_text() == first.locator(part).inner_text()
    assert again.locator("#map-picture").inner_html() == first.locator("#map-picture").inner_html()

    before = words_of(asked_of(first))
    first.locator("#asked-concurrency").fill("64")
    first.keyboard.press("Enter")
    address_has(first, concurrency="64")
    shows(first, asked_of(first))
    after = words_of(asked_of(first))
    assert after != before
    first.go_back()
    address_has(first, concurrency="8")
    first.wait_for_function("words => document.getElementById('words').textContent === words", arg=before)
    assert first.locator("#asked-concurrency").input_value() == "8"
    first.go_forward()
    first.wait_for_function("words => document.getElementById('words').textContent === words", arg=after)


def test_dragging_makes_one_entry_of_the_history(open_ui):
    page = open_ui().page
    length = page.evaluate("history.length")
    drag(page, "asked-context-range", 0.3)
    page.wait_for_function("() => new URLSearchParams(location.search).get('context') !== '32768'")
    page.wait_for_timeout(400)
    assert page.evaluate("history.length") == length + 1
    page.go_back()
    address_has(page, context="32768")
    shows(page, asked_of(page))


def test_what_cannot_be_is_said_beside_its_cause_and_the_last_picture_stays(open_ui):
    page = open_ui().page
    bar = page.locator("#bar").inner_html()
    page.locator("#asked-tensor_parallel").fill("3")
    page.keyboard.press("Enter")
    with pytest.raises(pondera.PonderaError) as error:
        pondera.fit(MODELS[0], **ASKED, tensor_parallel=3)
    page.wait_for_selector("#verdict[data-state=cannot]")
    assert page.locator("#asked").inner_text() == str(error.value)
    assert page.locator("#asked-tensor_parallel-error").inner_text() == str(error.value)
    assert page.locator("#asked-tensor_parallel").get_attribute("aria-invalid") == "true"
    assert page.locator("#bar").inner_html() == bar
    page.wait_for_function("() => Number(getComputedStyle(document.getElementById('memory')).opacity) < 0.6")
    page.locator("#asked-tensor_parallel").fill("2")
    page.keyboard.press("Enter")
    shows(page, asked_of(page))
    assert not page.locator("#asked-tensor_parallel-error").is_visible()
    page.locator("#asked-context").fill("many")
    page.keyboard.press("Enter")
    page.wait_for_selector("#verdict[data-state=cannot]")
    assert "many" in page.locator("#asked-context-error").inner_text()


def test_what_would_fit_can_be_taken(open_ui):
    page = open_ui({**ASKED, "gpu": "L4", "context": "131072"}).page
    fit = asked_of(page)
    shows(page, fit)
    offers = [one["words"] for one in fit.alternatives()]
    assert offers
    page.wait_for_selector(".offer")
    assert [text.split(": ")[0] for text in page.locator(".offer").all_inner_texts()] == [
        words.split(": ")[0] for words in offers
    ]
    page.locator(".offer").first.click()
    page.wait_for_selector("#verdict[data-state=fits]")
    shows(page, asked_of(page))


def test_a_server_that_is_gone_is_said_and_comes_back(open_ui):
    page = open_ui().page
    words = page.locator("#words").inner_text()
    page.context.set_offline(True)
    page.locator("#asked-concurrency").fill("2")
    page.keyboard.press("Enter")
    page.wait_for_selector("#notice.bad")
    assert "does not answer" in page.locator("#notice").inner_text()
    assert page.locator("#words").inner_text() == words
    page.context.set_offline(False)
    page.wait_for_selector("#notice", state="hidden")
    shows(page, asked_of(page))


def test_names_that_the_page_does_not_know_are_told(open_ui):
    page = open_ui({**ASKED, "colour": "<b>red</b>"}).page
    assert "colour" in page.locator("#notice").inner_text()
    assert "colour" not in in_address(page)
    shows(page, asked_of(page))


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"set.num_key_value_heads": "4", "set.num_hidden_layers": "40"},
        {"weights": "fp8", "eager": "true", "tensor_parallel": "2"},
    ],
)
def test_the_command_and_the_python_give_the_same_answer(open_ui, asked, tmp_path):
    page = open_ui({**ASKED, **asked}).page
    fit = asked_of(page)
    shows(page, fit)
    page.wait_for_function("() => document.getElementById('command').textContent.startsWith('pondera fit')")
    command = page.locator("#command").text_content()
    shim = tmp_path / "pondera"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pondera "$@"\n')
    shim.chmod(0o755)
    done = subprocess.run(
        [shutil.which("sh"), "-c", f'PATH="{tmp_path}:$PATH"; {command} --json'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout)["headroom"] == fit.headroom, done.stderr
    names = {}
    exec(page.locator("#python").text_content(), names)
    assert names["fit"].headroom == fit.headroom
    assert names["fit"].to_dict() == fit.to_dict()


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


def test_hostile_words_are_one_word_of_the_shell_and_one_literal_of_python(open_ui):
    page = open_ui().page
    bash = shutil.which("bash")
    for text in HOSTILE:
        word, literal = page.evaluate(
            "async text => { const { shellWord, pythonText } = await import('/static/command.js'); return [shellWord(text), pythonText(text)]; }",
            text,
        )
        assert word.isprintable()
        assert literal.isprintable()
        assert ast.literal_eval(literal) == text
        if bash:
            done = subprocess.run([bash, "-c", f"printf %s {word}"], capture_output=True, check=True)
            assert done.stdout.decode() == text


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


def test_the_cells_are_drawn_in_the_inks_of_their_levels(open_ui, address):
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
