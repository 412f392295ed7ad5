"""What is asked of the page of `pondera ui` is in its address, and can be said elsewhere; what cannot be is told."""

import ast
import json
import shlex
import shutil
import subprocess
import sys
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

import pondera
from ui_page import ASKED, HOSTILE, MODELS, address_has, asked_of, drag, in_address, shows, words_of
from ui_server import served


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


def test_dragging_away_and_back_leaves_everything_as_it_was(open_ui):
    page = open_ui({**ASKED, "gpu": "L4", "context": "131072"}).page
    page.wait_for_selector(".offer")
    offers = page.locator(".offer").all_inner_texts()
    before, length = page.url, page.evaluate("history.length")
    thumb = page.locator("#asked-concurrency-range")
    thumb.scroll_into_view_if_needed()
    box = thumb.bounding_box()
    x = box["x"] + 8 + (box["width"] - 16) * int(thumb.input_value()) / int(thumb.get_attribute("max"))
    y = box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=5)
    page.wait_for_function("before => location.href !== before", arg=before)
    page.mouse.move(x, y, steps=5)
    page.mouse.up()
    page.wait_for_function("before => location.href === before", arg=before)
    page.wait_for_function("count => document.querySelectorAll('.offer').length === count", arg=len(offers))
    assert page.locator(".offer").all_inner_texts() == offers
    assert page.evaluate("history.length") == length
    shows(page, asked_of(page))


def test_an_answer_that_comes_late_moves_no_slider(open_ui):
    page = open_ui().page
    held = []
    page.route("**/api/fit?*", lambda route: held.append(route))
    slider = page.locator("#asked-concurrency-range")
    slider.focus()
    for count in ("9", "10"):
        page.keyboard.press("ArrowRight")
        address_has(page, concurrency=count)
    page.wait_for_timeout(100)
    value = slider.input_value()
    assert len(held) == 1
    words = page.locator("#asked").inner_text()
    held[0].continue_()
    page.wait_for_function("words => document.getElementById('asked').textContent !== words", arg=words)
    assert "9 requests" in page.locator("#asked").inner_text()
    assert slider.input_value() == value
    assert page.locator("#asked-concurrency").input_value() == "10"
    page.unroute("**/api/fit?*")
    shows(page, asked_of(page))


def test_the_verdict_does_not_wait_for_what_would_fit(open_ui):
    page = open_ui().page
    held = []
    page.route("**/api/fit?*alternatives=true*", lambda route: held.append(route))
    page.locator("#asked-gpu").select_option("L4")
    page.locator("#asked-context").fill("131072")
    page.keyboard.press("Enter")
    address_has(page, gpu="L4", context="131072")
    fit = asked_of(page)
    shows(page, fit)
    page.wait_for_timeout(300)
    assert page.locator(".offer").count() == 0
    page.route("**/api/fit?*alternatives=true*", lambda route: route.continue_())
    for route in held:
        route.continue_()
    page.wait_for_selector(".offer")
    assert page.locator(".offer").count() == len(fit.alternatives())


def test_offers_of_an_earlier_question_are_not_shown(open_ui):
    page = open_ui().page
    held = []
    page.route("**/api/fit?*alternatives=true*", lambda route: held.append(route))
    page.locator("#asked-context").fill("131072")
    page.locator("#asked-gpu").select_option("L4")
    page.wait_for_selector("#verdict[data-state=not]")
    page.wait_for_timeout(300)
    page.locator("#asked-gpu").select_option("B200")
    page.wait_for_selector("#verdict[data-state=fits]")
    assert held
    for route in held:
        route.continue_()
    page.wait_for_timeout(500)
    assert page.locator(".offer").count() == 0


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


def test_the_command_and_the_python_have_the_type_that_is_assumed(open_page, tmp_path):
    config = {**pondera.Architecture.from_config(MODELS[0]).config, "model_type": "llama-of-ours"}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    with served(path, "--assume", "llama") as address:
        for changes in ({}, {"set.num_hidden_layers": "40"}):
            page = open_page(f"{address}/?{urlencode({**ASKED, **changes})}").page
            page.wait_for_function(
                "() => document.getElementById('command').textContent.startsWith('pondera')"
            )
            command = page.locator("#command").text_content()
            assert "--assume llama" in command
            done = subprocess.run(
                [sys.executable, "-m", *shlex.split(command.replace("\\\n", " ")), "--json"],
                capture_output=True,
                text=True,
                check=False,
            )
            names = {}
            exec(page.locator("#python").text_content(), names)
            assert json.loads(done.stdout)["headroom"] == names["fit"].headroom, done.stderr


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
