"""The page of `pondera ui` shows what `fit` says, however it is asked: by sliders, pickers, cells, mouse and keyboard."""

import random
import re
from urllib.parse import urlencode

import pytest

import pondera
from pondera import _numbers
from pondera._heat import FITS
from ui_page import ASKED, MODELS, address_has, asked_of, drag, in_address, shows


@pytest.mark.parametrize("dark", [False, True])
def test_it_opens_and_complains_of_nothing(open_ui, ui_address, dark):
    opened = open_ui(dark=dark)
    shows(opened.page, asked_of(opened.page))
    assert opened.errors == []
    assert all(one.startswith((ui_address, "data:")) for one in opened.requests)
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
    # Dragged over the map and let go beside it.
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.8, steps=8)
    page.mouse.move(box["x"] - 30, box["y"] + box["height"] * 0.9, steps=4)
    page.mouse.up()
    address_has(page, context="1024")
    shows(page, asked_of(page))
    assert page.evaluate("document.body.className") == ""
    page.locator("#frontier-open summary").click()
    page.wait_for_selector("#frontier tbody tr")
    rows = [row.split("\t") for row in page.locator("#frontier tbody tr").all_inner_texts()]
    assert len(rows) == 64
    for context, most in random.Random(7).sample(rows, 5):
        asked = {**ASKED, "context": context.replace(",", "")}
        fit = pondera.fit(MODELS[0], **{**asked, "concurrency": most.replace(",", "").replace("none", "1")})
        assert fit.fits == (most != "none")


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
