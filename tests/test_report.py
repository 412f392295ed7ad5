"""Reports: one page with every number, that loads nothing, for eyes, keyboards, paper and programs alike."""

import json
import os
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

import pondera
from pondera._text import shortened

EVIL = "<script>document.title='run'</script>\"'><img src=x onerror=alert(1)>\u202egpj"
ASKED = {"gpu": ["h100", "l4"], "engine": "vllm==0.19.0", "context": "8k", "concurrency": 4}

PAPER = 688
"""How wide the text is on A4 between the margins, in CSS pixels."""

CUT = """() => [...document.querySelectorAll(".scroll")].filter(one => one.checkVisibility()
    && one.scrollWidth > one.clientWidth + 1).map(one => one.getAttribute("aria-label"))"""
"""Frames whose content goes beyond them."""


class Tags(HTMLParser):
    """Reads a page: its tags with their attributes, and its text; fails on tags that do not match."""

    VOID = frozenset({"meta", "link", "br", "img"})

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        """Begins a tag."""
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        """A tag without an end."""
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        """Ends what was begun last."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Adds to the text that is read."""
        if not {"style", "script"} & set(self.open):
            self.text += data


@pytest.fixture(scope="module")
def made():
    """A report on two models."""
    return pondera.report("llama-3.1-8b", "gemma-4-26b-a4b", **ASKED)


@pytest.fixture(scope="module")
def address(made, tmp_path_factory):
    """Where it is saved."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    made.save(path)
    return path.as_uri()


def test_every_number_of_an_estimate_is_there_with_formula_and_source(made):
    text = Tags(made.html).text
    for name in ("h100", "l4"):
        fit = pondera.fit("llama-3.1-8b", **{**ASKED, "gpu": name})
        for reason in fit.to_dict()["reasons"]:
            assert reason["formula"] in text
            assert reason["source"] in text
        for one in fit.assumptions:
            assert one["reason"] in text
        for change in [] if fit.fits else fit.alternatives():
            assert change["words"] in text


def test_exact_bytes_are_under_the_mouse(made):
    titles = [attributes["title"] for _, attributes in Tags(made.html).tags if "title" in attributes]
    fit = pondera.fit("llama-3.1-8b", **{**ASKED, "gpu": "h100"})
    assert f"{fit.total:,} bytes" in titles
    formula = fit.to_dict()["reasons"][0]["formula"]
    assert any(formula in title for title in titles)


def test_the_facts_are_those_of_the_other_commands(made):
    facts = made.to_dict()
    assert facts["schema"] == "pondera.report/1"
    llama, gemma = facts["targets"]
    assert llama["show"] == pondera.Model.open("llama-3.1-8b").to_dict()
    assert gemma["map"] == pondera.draw("gemma-4-26b-a4b").to_dict()
    # A GPU that was looked up says what its name was taken for, as one that was named does.
    for one, name in zip(llama["fits"]["fits"], ["h100", "l4"], strict=True):
        assert one == pondera.fit("llama-3.1-8b", **{**ASKED, "gpu": name}).to_dict()
    assert json.loads(json.dumps(facts)) == facts


def test_several_are_compared(made):
    facts = made.to_dict()["comparison"]
    assert facts == pondera.compare("llama-3.1-8b", "gemma-4-26b-a4b", **ASKED).to_dict()
    text = Tags(made.html).text
    rows = [row for section in facts["sections"] for row in section["rows"] if row["group"] is None]
    meanings = [one for row in rows for one in row["meaning"] if one]
    assert len(meanings) > 3
    for one in meanings:
        assert one in text
    assert "Maps of llama-3.1-8b and gemma-4-26b-a4b" in text
    assert pondera.report("llama-3.1-8b", gpu="l4").to_dict()["comparison"] is None


def test_too_many_are_not_compared_but_reported():
    made = pondera.report(*["qwen3-8b"] * 17, gpu="l4")
    assert "too many to compare" in made.to_dict()["comparison_error"]
    assert "They could not be compared." in made.html


def test_heat_has_the_cell_that_is_asked(made):
    heat = made.to_dict()["targets"][0]["heat"]
    at = heat["gpu"].index("L4"), heat["context"].index(8192), heat["concurrency"].index(4)
    fit = pondera.fit("llama-3.1-8b", **{**ASKED, "gpu": "l4"})
    assert heat["headroom"][at[0]][at[1]][at[2]] == fit.headroom
    assert heat["context"][-1] == 131072


def test_what_fits_nowhere_is_told_where_it_would():
    made = pondera.report("llama-3.1-70b", gpu="l4", context="8k")
    target = made.to_dict()["targets"][0]
    assert not target["fits"]["fits"][0]["fits"]
    would = target["would_fit"]
    assert would["fits"]
    assert would["gpus"] > 1
    assert f"{would['gpus']} x L4" in Tags(made.html).text
    # The heatmap is of where it would fit, for there is nothing to see of the other.
    assert sum(target["heat"]["fits"]) > 0


def test_a_body_with_its_mind_is_told_with_problems_and_disagreements(tiny):
    config = {**pondera.Architecture.from_config("llama-3.1-8b").config, "num_hidden_layers": 2}
    (tiny / "config.json").write_text(json.dumps(config))
    (tiny / "half.incomplete").touch()
    made = pondera.report(tiny, gpu="l4")
    text = Tags(made.html).text
    assert "Weights and config disagree." in text
    for one in pondera.Model.open(tiny).disagreements:
        assert one.cause in text
    for problem in pondera.scan(tiny).problems:
        assert f"[{problem.code}]" in text
    assert made.to_dict()["targets"][0]["checkpoint"] == pondera.scan(tiny).to_dict()


def test_an_unknown_mind_is_told_and_its_weights_are_there(tiny):
    (tiny / "config.json").write_text('{"model_type": "never_heard_of"}')
    made = pondera.report(tiny, gpu="l4")
    text = Tags(made.html).text
    assert "Its config says no more." in text
    assert "never_heard_of" in text
    assert "2,640" in text
    assert list(made.problems) == [str(tiny)]


def test_one_bad_target_does_not_lose_the_others(run, tmp_path):
    path = tmp_path / "out.html"
    code, out, err = run("report", "llama-3.1-8b", "no-such-model", "--gpu", "l4", "-o", path)
    assert (code, out) == (1, "")
    assert err.startswith("pondera: error: no-such-model: no such file or folder")
    text = Tags(path.read_text()).text
    assert "no-such-model could not be opened" in text
    assert "llama-3.1-8b has 8.03 B parameters" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-such-model"], "no-such-model: no such file or folder"),
        (["llama-3.1-8b", "--gpu", "no-such-gpu"], "no-such-gpu"),
        ([], "required: TARGET"),
        (["llama-3.1-8b", "--gpu", "l4", "-o", "/no/such/folder/x.html"], "/no/such/folder/x.html"),
    ],
)
def test_what_cannot_be_is_one_line(run, arguments, words):
    code, out, err = run("report", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_no_gpu_at_all_is_named_so():
    with pytest.raises(pondera.PonderaError, match="gpu is empty"):
        pondera.report("qwen3-8b", gpu=[])


def test_where_it_goes(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("report", "qwen3-8b", "--gpu", "l4")
    assert (code, out) == (0, "")
    assert re.fullmatch(r"pondera: wrote report\.html, [\d.]+ kB\n", err)
    written = (tmp_path / "report.html").read_text()
    assert run("report", "qwen3-8b", "--gpu", "l4", "-o", "-") == (0, written, "")
    (tmp_path / "report.html").unlink()
    code, out, err = run("report", "qwen3-8b", "--gpu", "l4", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["schema"] == "pondera.report/1"
    assert list(tmp_path.iterdir()) == []


def test_standard_output_is_utf_8_whatever_the_terminal_speaks(program):
    plain = {**os.environ, "PYTHONIOENCODING": "ascii"}
    page = program("report", "qwen3-8b", "--gpu", "l4", "-o", "-", env=plain, encoding="utf-8").stdout
    assert page == pondera.report("qwen3-8b", gpu="l4").html
    assert "✓ fits" in page


def test_a_wrong_keyword_is_a_type_error():
    with pytest.raises(TypeError, match="'gppu'"):
        pondera.report("llama-3.1-8b", gppu="l4")
    with pytest.raises(pondera.PonderaError, match="one or more targets"):
        pondera.report()


def test_a_notebook_shows_it_in_a_frame(made):
    [(tag, attributes)] = Tags(made._repr_html_()).tags
    assert tag == "iframe"
    assert attributes["srcdoc"] == made.html
    assert "allow-same-origin" not in attributes["sandbox"]


def test_it_is_the_same_each_time(made):
    assert pondera.report("llama-3.1-8b", "gemma-4-26b-a4b", **ASKED).html == made.html


def test_hostile_names_are_inert(tmp_path, write, open_page):
    folder = tmp_path / EVIL.replace("/", "_")
    write(folder / "model.safetensors", {EVIL: ("F32", [4]), "x" * 10_000: ("F32", [4])})
    (folder / "config.json").write_text(json.dumps({"model_type": EVIL * 100, "architectures": [EVIL]}))
    known = tmp_path / f"known{'z' * 200}"
    write(known / "model.safetensors", {f"model.layers.{n}.{EVIL}": ("F32", [4]) for n in range(3)})
    config = pondera.Architecture.from_config("llama-3.1-8b").config
    (known / "config.json").write_text(json.dumps({**config, "architectures": [EVIL * 1000], EVIL: EVIL}))
    path = tmp_path / "out.html"
    made = pondera.report(folder, known, {"model_type": EVIL}, "y" * 10_000, gpu="l4", path=path)
    assert len(made.failures) == 2
    assert "\u202e" not in made.html
    page = Tags(made.html)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not any(tag == "img" for tag, _ in page.tags)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    for width in (1280, 390):
        opened = open_page(path.as_uri(), width=width)
        assert opened.errors == []
        assert opened.page.title() == shortened(f"{folder.name}, {known.name}", 200)
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_asks_for_nothing_and_complains_of_nothing(open_page, address):
    for options in ({}, {"dark": True}, {"java_script_enabled": False}):
        opened = open_page(address, **options)
        assert opened.requests == [address]
        assert opened.errors == []


def test_a_link_to_details_opens_them(open_page, address):
    page = open_page(address).page
    page.get_by_role("link", name="L4", exact=True).first.click()
    page.wait_for_function("document.querySelectorAll('details[open]').length === 1")
    assert "L4" in page.locator("details[open] summary").inner_text()


def test_the_map_in_words_keeps_its_lines(open_page, address):
    page = open_page(address).page
    text = page.locator("pre").first.text_content()
    assert text.rstrip("\n") == pondera.draw("llama-3.1-8b").text.rstrip("\n")


def test_without_scripts_it_is_whole(open_page, address):
    opened = open_page(address, java_script_enabled=False)
    assert opened.page.get_by_role("button").count() == 0
    summary = opened.page.locator("summary").first
    summary.press("Enter")
    assert opened.page.locator("details[open]").count() == 1


def test_the_keyboard_reaches_every_detail_and_everything_that_scrolls(open_page, address):
    page = open_page(address, width=390).page
    wanted = page.evaluate(
        """() => [...document.querySelectorAll("summary, nav a, button, main a")].length
        + [...document.querySelectorAll(".scroll")].filter(one => one.checkVisibility()).length"""
    )
    reached = set()
    for _ in range(2 * wanted):
        page.keyboard.press("Tab")
        place = page.evaluate(
            """() => { const one = document.activeElement;
            return one.matches("summary, nav a, button, main a, .scroll") ?
                [...document.querySelectorAll("*")].indexOf(one) : -1 }"""
        )
        reached.add(place)
    assert len(reached - {-1}) == wanted


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 768, 390])
def test_nothing_is_wider_than_the_page(open_page, address, width, dark):
    page = open_page(address, width=width, dark=dark).page
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_landmarks_headings_and_names(open_page, address):
    page = open_page(address).page
    for role in ("banner", "navigation", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(one => +one.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.evaluate(
        """[...document.querySelectorAll("svg")].every(
            one => one.getAttribute("role") === "img" && one.querySelector("title, desc")?.textContent)"""
    )
    assert page.evaluate(
        """[...document.querySelectorAll("table")].every(one => one.tHead
            && [...one.tHead.querySelectorAll("th")].every(th => th.scope === "col" && th.textContent.trim())
            && [...one.tBodies].every(body => [...body.rows].every(row => row.cells.length === 1 || row.querySelector("th[scope]"))))"""
    )
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
    links = page.evaluate("[...document.querySelectorAll('a')].map(one => one.getAttribute('href'))")
    assert {link[1:] for link in links} <= set(ids)


CONTRAST = """() => {
    const channel = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = colour => {
        const [r, g, b] = colour.map(value => channel(value / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = one => {
        for (; one; one = one.parentElement) {
            const colour = numbers(getComputedStyle(one).backgroundColor);
            if ((colour[3] ?? 1) === 1) return colour;
        }
        return [255, 255, 255];
    };
    const found = [];
    for (const one of document.querySelectorAll("body *:not(svg *)")) {
        if (![...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue;
        if (!one.checkVisibility() || one.matches("script, style")) continue;
        const [words, page] = [numbers(getComputedStyle(one).color), ground(one)];
        let opacity = words[3] ?? 1;
        for (let at = one; at; at = at.parentElement) opacity *= getComputedStyle(at).opacity;
        const seen = [0, 1, 2].map(part => words[part] * opacity + page[part] * (1 - opacity));
        const [a, b] = [light(seen), light(page)];
        found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), one.tagName, one.className, one.textContent]);
    }
    return found;
}"""


@pytest.mark.parametrize("dark", [False, True])
def test_words_stand_out_from_the_page(open_page, address, dark):
    page = open_page(address, dark=dark).page
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    found = page.evaluate(CONTRAST)
    assert len(found) > 100
    # WCAG 2.2, 1.4.3: 4.5 to 1.
    assert [one for one in found if one[0] < 4.5] == []


def test_paper_has_all_details_and_no_dark(open_page, address):
    page = open_page(address, dark=True).page
    page.emulate_media(media="print")
    # What is closed is laid out too, and no picture is wider than the sheet.
    assert page.evaluate(
        """[...document.querySelectorAll("details .inside")].every(one => one.getBoundingClientRect().height > 0)"""
    )
    grounds = "[document.documentElement, document.querySelector('svg .f-paper')]"
    colours = page.evaluate(
        f"{grounds}.map(one => [one.matches('html') ? 'color' : 'fill', one])"
        ".map(([name, one]) => getComputedStyle(one)[name])"
    )
    assert colours == ["rgb(23, 32, 42)", "rgb(255, 255, 255)"]
    pdf = page.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 5 <= pages <= 30


def test_the_heat_of_a_short_model_has_its_contexts():
    """Whisper writes 448 tokens, fewer than heatmaps begin with elsewhere."""
    made = pondera.report("whisper-tiny", gpu="L4", engine="transformers")
    contexts = made.to_dict()["targets"][0]["heat"]["context"]
    assert (contexts[0], contexts[-1]) == (1, 448)
    assert len(contexts) > 8


def pages_of(page):
    """How many sheets of paper a page takes."""
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))


def test_all_common_gpus_take_few_sheets_and_nothing_on_them_is_cut(open_page, tmp_path):
    path = tmp_path / "report.html"
    pondera.report("llama-3.1-8b", path=path)
    page = open_page(path.as_uri(), width=PAPER).page
    assert pages_of(page) <= 12
    page.emulate_media(media="print")
    assert page.evaluate(CUT) == []
    # What cannot end on a sheet and go on upon the next one is no higher than a sheet; heatmaps took two.
    assert (
        page.evaluate(
            """Math.max(...[...document.querySelectorAll("svg, pre, tr")].map(
            one => one.getBoundingClientRect().height))"""
        )
        < 1000
    )


def test_a_formula_that_holds_on_all_gpus_is_written_once():
    fits = [pondera.fit("llama-3.1-8b", gpu=name).to_dict() for name in ("h100", "l4", "a100")]
    text = Tags(pondera.report("llama-3.1-8b", gpu=["h100", "l4", "a100"]).html).text
    for one in {json.dumps(reason, sort_keys=True) for fit in fits for reason in fit["reasons"]}:
        reason = json.loads(one)
        alike = [other for fit in fits for other in fit["reasons"] if other["formula"] == reason["formula"]]
        ways = {json.dumps(other, sort_keys=True) for other in alike}
        assert text.count(f"{reason['formula']}{reason['source']}") <= len(ways)
        assert reason["formula"] in text


@pytest.mark.parametrize("count", [3, 5])
def test_compared_models_are_not_cut_on_paper(open_page, tmp_path, count):
    path = tmp_path / "compared.html"
    pondera.compare("llama-3.1-8b", "gemma-4-26b-a4b", *["deepseek-v3"] * (count - 2)).save(path)
    page = open_page(path.as_uri(), width=PAPER).page
    page.emulate_media(media="print")
    assert page.evaluate(CUT) == []


def test_sentences_of_many_compared_models_are_whole_on_a_telephone(open_page, tmp_path):
    path = tmp_path / "compared.html"
    pondera.compare("llama-3.1-8b", "gemma-4-26b-a4b", *["deepseek-v3"] * 3).save(path)
    page = open_page(path.as_uri(), width=390).page
    assert page.evaluate(CUT) == []
    # Without a head of columns each value says whose it is.
    assert page.locator("td[data-mark=E]").count() > 20


def test_what_is_not_sound_is_warned_of_first_and_fails(run, tmp_path, broken):
    config = pondera.Architecture.from_config("llama-3.1-8b").config
    (broken / "config.json").write_text(json.dumps(config))
    path = tmp_path / "out.html"
    code, _, err = run("report", broken, "--gpu", "h100", "-o", path)
    problem = next(one for one in pondera.scan(broken).problems if one.severity == "error")
    assert code == 1
    assert str(problem)[:60] in err
    text = Tags(path.read_text()).text
    assert "⚠ Warning: its files are not whole and sound" in text
    assert text.index("⚠ Warning:") < text.rindex("What it is made of")


def test_only_html_is_written(run, tmp_path):
    code, out, err = run("report", "llama-3.1-8b", "--gpu", "l4", "-o", tmp_path / "x.pdf")
    assert (code, out) == (2, "")
    assert "a report is written to .html or .htm" in err
    assert list(tmp_path.iterdir()) == []


def test_the_summary_says_what_was_taken_and_who_is_left_out():
    fit = pondera.fit("llama-3.1-8b", gpu="h100")
    text = Tags(pondera.report("llama-3.1-8b", gpu=["h100", "l4", "m4-max-128gb"]).html).text
    assert "As asked" not in text
    assert f"With {fit.engine}, one request of 128k tokens fits on 1 of 2 GPUs" in text
    assert "M4-Max-128GB is left out: vllm is described for" in text
    text = Tags(pondera.report("llama-3.1-8b", **{**ASKED, "gpu": "h100"}).html).text
    assert "With vllm==0.19.0, 4 requests of 8k tokens fit on H100-SXM-80GB." in text


def test_bytes_are_in_binary_units_outside_the_map():
    page = pondera.report("llama-3.1-8b", gpu="h100").html
    page = re.sub(r"(?s)<svg.*?</svg>|<pre.*?</pre>", "", page)
    assert re.findall(r"\d (?:kB|MB|GB|TB)\b", Tags(page).text) == []


def test_only_pictures_are_wider_than_a_telephone_and_say_so(open_page, address):
    page = open_page(address, width=390).page
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    wide = page.evaluate(CUT)
    assert [label for label in wide if not label.startswith(("Map", "The most requests"))] == []
    hints = page.evaluate(
        """[...document.querySelectorAll(".picture.wide")].map(
            one => getComputedStyle(one, "::before").content)"""
    )
    assert hints
    assert all("moves sideways" in hint for hint in hints)


def test_another_mind_is_one_more_model(run, tmp_path):
    path = tmp_path / "minds.html"
    arguments = ["report", "llama-3.1-8b", "--set", "num_key_value_heads=4", "--gpu", "l4", "--context", "8k"]
    code, out, _ = run(*arguments, "-o", path, "--json")
    assert code == 0
    base, other = json.loads(out)["targets"]
    assert (base["set"], other["set"]) == (None, {"num_key_value_heads": 4})
    # Half as many heads keep half of the cache.
    assert base["show"]["cache"]["bytes_per_token"] == 2 * other["show"]["cache"]["bytes_per_token"]
    [base_fit], [other_fit] = base["fits"]["fits"], other["fits"]["fits"]
    assert other_fit["cache"] < base_fit["cache"]
    assert json.loads(out)["comparison"]["models"][1]["variant"]["changes"][0]["to"] == 4
    assert "num_key_value_heads 8 → 4" in Tags(path.read_text()).text
    code, out, err = run("report", "llama-3.1-8b", "--set", "no_such_thing", "--gpu", "l4")
    assert (code, out) == (2, "")
    assert "FIELD=VALUE" in err
