"""Models side by side: true to what show and fit say, whole whatever a target is, and safe in text and pages."""

import json
import pickle

import pytest

import pondera
import writer
from pondera._compare.cells import exact, shown, titles
from pondera._text import Screen, display_width
from pondera.cli import main
from pondera.commands.compare import minds
from test_model import CONFIG, make, weights  # noqa: F401 - a fixture
from test_report import EVIL, Tags

PAIR = ("llama-2-7b", "llama-3.1-8b")
ASKED = {"gpu": ["h100", "l4"], "engine": "vllm==0.19.0", "context": "4k"}
STEERING = "\u202e\u2066\u200f\x1b\x00"


@pytest.fixture(scope="module")
def pair():
    return pondera.compare(*PAIR, **ASKED)


def test_values_are_those_of_the_published_configs(pair):
    assert pair.models == PAIR
    assert pair.row("kv_heads")["values"] == [32, 8]
    # Keys and values of 2 bytes: 2 x 32 layers x 32 heads x 128 numbers x 2 bytes, and a fourth of that.
    assert pair.row("cache_per_token")["values"] == [524288, 131072]
    assert pair.row("cache_at.4096")["values"] == [524288 * 4096, 131072 * 4096]
    assert pair.row("feed_forward")["values"] == [11008, 14336]
    assert pair.row("context")["values"] == [4096, 131072]
    assert pair.row("layers")["same"]
    assert not pair.row("kv_heads")["same"]
    meaning = pair.row("kv_heads")["meaning"]
    assert meaning[0] is None
    # 2 x 4096 x (32 - 8) x 128 weights less in each of 32 layers, in 2 bytes each.
    assert 2 * 4096 * 24 * 128 * 32 * 2 == 3 * 2**29
    assert meaning[1].startswith("8 KV heads against 32: on its own cache one fourth, weights 1.50 GiB less")


def test_rows_are_what_the_architectures_say(pair):
    minds = [pondera.Architecture.from_config(name) for name in PAIR]
    assert pair.row("parameters")["values"] == [one.parameters for one in minds]
    assert pair.row("active")["values"] == [one.active_parameters for one in minds]
    assert pair.row("flops")["values"] == [one.flops_per_token() for one in minds]
    for role, count in minds[0].roles.items():
        assert pair.row(f"role.{role}")["values"][0] == count.parameters
    assert pair.row("cache_at.131072")["values"] == [None, minds[1].cache_bytes(131072)]
    assert pair.row("cache_at.131072")["why"] == ["its context ends at 4,096 tokens", None]


def test_what_fits_is_what_fit_says(pair):
    for gpu in ("H100-SXM-80GB", "L4"):
        for at, name in enumerate(PAIR):
            fit = pondera.fit(name, **{**ASKED, "gpu": gpu})
            told = {row["key"]: row["values"][at] for row in pair.rows if row["group"] == gpu}
            assert told[f"fit.{gpu}.fits"] == ("fits" if fit.fits else "does not fit")
            assert told[f"fit.{gpu}.headroom"] == fit.headroom
            assert told[f"fit.{gpu}.total"] == fit.total
            most = pondera.max_concurrency(fit).value
            assert told[f"fit.{gpu}.requests"] == (most or 0)
    assert pair.row("fit_context")["values"] == [4096, 4096]


def test_a_model_does_not_differ_from_itself():
    same = pondera.compare("gemma-4-26b-a4b", "gemma-4-26b-a4b", gpu="h100")
    assert same.differences == []
    assert "≠" not in same.text


def test_a_gpu_is_marked_where_any_of_its_numbers_differs(pair):
    # Both fit on an H100, and neither has as many bytes to spare as the other.
    assert pair.row("fit.H100-SXM-80GB.fits")["same"]
    assert not pair.row("fit.H100-SXM-80GB.headroom")["same"]
    (line,) = [line for line in pair.text.splitlines() if " H100-SXM-80GB " in line]
    assert line.startswith("≠")
    assert "all the same" not in pair.html.rpartition("Where they fit")[2]


def test_a_gpu_that_runs_none_of_them_is_not_passed_over():
    both = pondera.compare(*PAIR, gpu=["h100", "mi300x"], engine="tensorrt-llm", context="4k")
    row = both.row("fit.MI300X.fits")
    assert row["values"] == [None, None]
    assert all(row["why"])
    assert row["why"][0] in " ".join(both.text.split())
    assert "MI300X" in both.html


def test_differences_are_marked_and_the_same_is_folded(pair):
    lines = pair.lines(Screen(width=100))
    marked = [line for line in lines if line.startswith("≠  ")]
    assert any("KV heads" in line and " 32 " in line and line.endswith(" 8") for line in marked)
    assert not any(line.startswith("=  layers ") for line in lines)
    folded = " ".join(line.strip() for line in lines)
    assert "= the same:" in folded
    assert "layers 32, width 4,096, heads 32" in folded
    unfolded = pair.lines(Screen(width=100), all_rows=True)
    assert any(line.startswith("=  width") for line in unfolded)
    assert not any("the same:" in line for line in unfolded)


def test_text_is_plain_where_the_screen_is(pair):
    text = "\n".join(pair.lines(Screen(width=80, unicode=False)))
    assert text.isascii()
    assert "\x1b" not in text
    assert "!  KV heads" in text


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_number_is_cut_and_no_line_is_longer_than_the_screen(width):
    models = ["llama-3.1-8b", "gemma-4-26b-a4b", "deepseek-v3", "mixtral-8x7b"]
    made = pondera.compare(*models, gpu=["h100", "l4"])
    lines = made.lines(Screen(width=width), all_rows=True)
    assert max(map(display_width, lines)) <= width
    assert "…" not in "".join(lines)
    text = "\n".join(lines)
    for row in made.rows:
        if row["group"] is None:
            assert all(shown(row, at) in text for at in range(4)), row["key"]


def test_many_models_have_letters():
    many = pondera.compare(*["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b"], gpu="l4")
    text = many.text
    assert "E  qwen3-14b" in text
    assert "B: " in text
    assert many.map is None
    assert Tags(many.html).text.count("qwen3-14b") > 1


def test_another_mind_says_field_by_field_whether_weights_can_wear_it(make):  # noqa: F811
    model = make(weights(CONFIG))
    both = pondera.compare(
        model, set=[{"max_position_embeddings": 64, "rope_theta": 5e5}, {"num_key_value_heads": 2}], gpu="l4"
    )
    base, worn, torn = both.to_dict()["models"]
    assert base["variant"] is None
    assert base["source"] == worn["source"] == "checkpoint"
    assert worn["variant"]["same_body"]
    assert [one["class"] for one in worn["variant"]["changes"]] == ["runtime", "runtime"]
    # Other weights are needed: those there are do not count.
    assert not torn["variant"]["same_body"]
    assert torn["source"] == "config"
    assert torn["name"].endswith(" with num_key_value_heads=2")
    # Projections to keys and values of one head more, 4 numbers of 8 wide, twice in 3 layers.
    parameters = both.row("parameters")["values"]
    assert parameters[1] == parameters[0]
    assert parameters[2] == parameters[0] + 3 * 2 * 4 * 8
    assert "the same weights can wear it" in both.text
    assert "the same weights cannot wear it" in both.text
    assert "✗ In sum the same weights cannot wear it" in Tags(both.html).text


def test_a_body_without_a_mind_is_compared_still(tmp_path):
    writer.write(tmp_path / "model.safetensors", weights(CONFIG))
    both = pondera.compare(tmp_path, "llama-3.2-1b", gpu="l4")
    assert both.row("parameters")["values"][0] == pondera.scan(tmp_path).parameters
    layers = both.row("layers")
    assert layers["values"] == [None, 16]
    assert "config.json" in layers["why"][0]
    assert layers["meaning"] == [None, None]
    assert both.row("active")["values"][0] is None
    assert "config.json" in both.text


def test_a_bad_target_does_not_lose_the_others(tmp_path, capsys):
    both = pondera.compare("no-such-model", *PAIR, gpu="l4")
    assert both.models == PAIR
    assert list(both.failures) == ["no-such-model"]
    assert both.to_dict()["failures"][0]["target"] == "no-such-model"
    assert main(["compare", *PAIR, "no-such-model", "--gpu", "l4", "--json"]) == 1
    out, err = capsys.readouterr()
    assert [one["target"] for one in json.loads(out)["failures"]] == ["no-such-model"]
    assert err.count("\n") == 1
    assert "no-such-model" in err


@pytest.mark.parametrize(
    ("targets", "options", "words"),
    [
        (["llama-2-7b"], {}, "at least two"),
        ([], {}, "at least two"),
        (["llama-2-7b"] * 17, {}, "at most 16"),
        (["llama-2-7b", "no-such-model"], {}, "no-such-model"),
        (PAIR, {"gpu": "no-such-gpu"}, "no-such-gpu"),
        (PAIR, {"engine": "no-such-engine"}, "no-such-engine"),
        (["llama-2-7b"], {"set": {"num_attention_heads": "many"}}, "num_attention_heads"),
        (["llama-2-7b"], {"set": {}}, "no field"),
    ],
)
def test_what_cannot_be_compared_says_why(targets, options, words):
    with pytest.raises((pondera.PonderaError, FileNotFoundError), match=words):
        pondera.compare(*targets, **{"gpu": "l4", **options})


def test_a_keyword_that_is_none_is_a_type_error():
    with pytest.raises(TypeError, match="contxt"):
        pondera.compare(*PAIR, contxt=3)


@pytest.mark.parametrize(
    "argv",
    [
        ["llama-2-7b"],
        ["llama-2-7b", "--set", "num_key_value_heads"],
        [*PAIR, "--gpu", "no-such-gpu"],
        [*PAIR, "-o", "file.pdf"],
        ["no-such-model", "--set", "num_key_value_heads=4"],
    ],
)
def test_bad_arguments_are_one_line_and_exit_code_2(argv, capsys):
    assert main(["compare", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pondera: error: ")
    assert err.count("\n") == 1


def test_fields_that_are_given_again_begin_another_mind():
    assert minds([]) == []
    assert minds([("a", 1), ("b", 2), ("a", 3)]) == [{"a": 1, "b": 2}, {"a": 3}]


def test_the_command_writes_what_the_ending_says(tmp_path, capsys, pair):
    for ending in ("html", "txt", "json"):
        path = tmp_path / f"two.{ending}"
        argv = [
            "compare",
            *PAIR,
            "--gpu",
            "h100",
            "--gpu",
            "l4",
            "--engine",
            "vllm==0.19.0",
            "--context",
            "4k",
        ]
        assert main([*argv, "-o", str(path)]) == 0
        assert capsys.readouterr().out == ""
        expected = {"html": pair.html, "txt": f"{pair.text}\n", "json": json.dumps(pair.to_dict()) + "\n"}
        assert path.read_text(encoding="utf-8") == expected[ending]


def test_weights_that_disagree_with_their_config_are_exit_code_1(make, capsys):  # noqa: F811
    tensors = weights(CONFIG)
    del tensors["lm_head.weight"]
    model = make(tensors)
    assert main(["compare", model.name, "llama-3.2-1b", "--gpu", "l4"]) == 1
    assert "disagree" in capsys.readouterr().out


def test_pages_have_every_number_and_load_nothing(pair):
    page = Tags(pair.html)
    for row in pair.rows:
        if row["group"] is None and row["key"] != "fit_context":
            assert row["label"] in page.text, row["key"]
            for at in range(2):
                assert shown(row, at) in page.text
        for text in row["meaning"]:
            assert text is None or row["group"] or text in page.text
    for tag, attributes in page.tags:
        assert "src" not in attributes, tag
        assert attributes.get("href", "#").startswith(("#", "data:")), tag
    headings = [tag for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert headings[:2] == ["h1", "h2"]


def test_a_notebook_shows_it(pair):
    part = Tags(pair._repr_html_())
    assert "KV heads" in part.text
    assert any(tag == "svg" for tag, _ in part.tags)
    assert not any(tag == "script" for tag, _ in part.tags)
    assert not any("id" in attributes and not tag.startswith("pattern") for tag, attributes in part.tags)


@pytest.mark.parametrize("name", [EVIL, STEERING, "x" * 10_000], ids=["script", "steering", "long"])
def test_names_of_others_neither_run_nor_steer(name):
    config = {**CONFIG, "rope_scaling": {"rope_type": name, "factor": 2.0}}
    unknown = {**CONFIG, "architectures": [name]}
    fields = {name.replace(".", "_"): name}
    both = pondera.compare(config, {**CONFIG, "hidden_act": name}, unknown, set=fields, gpu="l4")
    assert len(both.failures) == 1
    for text in (both.text, both.html, both._repr_html_()):
        assert not set(text) & set(STEERING)
    tags = Tags(both.html)
    assert [tag for tag, _ in tags.tags if tag in ("img", "iframe", "object")] == []
    assert sum(tag == "script" for tag, _ in tags.tags) == 1
    assert all("onerror" not in attributes for _, attributes in tags.tags)
    assert max(map(len, both.text.splitlines())) < 2000


def test_values_are_told_in_short_and_exactly():
    row = {
        "unit": "bytes",
        "values": [1536, None, None, "none of it"],
        "why": [None, None, "not known", None],
    }
    assert [shown(row, at) for at in range(4)] == ["1.50 KiB", "-", "?", "none of it"]
    assert [exact(row, at) for at in range(4)] == ["1,536 bytes", "it has none", "not known", "none of it"]


def test_titles_are_short_where_they_still_tell_models_apart():
    def of(*names):
        return titles([{"name": name, "variant": None} for name in names])

    assert of("/a/b/one", "two") == ["one", "two"]
    assert of("/a/one", "/b/one") == ["/a/one", "/b/one"]
    both = pondera.compare("llama-3.1-8b", set={"num_key_value_heads": 4}, gpu="l4")
    assert "B with num_key_value_heads 4" in both.text
    assert "llama-3.1-8b with another mind" in Tags(both.html).text


def test_comparisons_can_be_pickled(pair):
    again = pickle.loads(pickle.dumps(pair))
    assert again.to_dict() == pair.to_dict()
    assert again.text == pair.text
    assert again.map.svg == pair.map.svg


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_browser_shows_the_page_without_a_complaint(open_page, tmp_path, pair, width, dark):
    path = tmp_path / "two.html"
    pair.save(path)
    opened = open_page(path.as_uri(), width=width, dark=dark)
    assert opened.errors == []
    assert opened.requests == [path.as_uri()]
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    row = opened.page.get_by_role("row", name="KV heads")
    assert row.first.is_visible()
    assert row.first.get_by_role("cell").all_inner_texts()[:2] == ["32", "8"]
    opened.page.locator("#compare-mind summary").click()
    assert opened.page.get_by_role("row", name="width 4,096 4,096").is_visible()


def test_all_that_cannot_be_opened_are_named():
    with pytest.raises(pondera.PonderaError) as told:
        pondera.compare("nowhere", "llama-3.1-8b", "nor-here")
    assert "nowhere: no such file" in str(told.value)
    assert "nor-here: no such file" in str(told.value)


def test_a_question_mark_stands_before_what_is_not_known():
    silent = pondera.compare("llama-2-7b", "llama-3.1-8b", **ASKED)
    lines = silent.text.splitlines()
    assert [line[:7] for line in lines if line.startswith(("?  rope", "≠  rope"))] == ["?  rope"]
    assert "?" in silent.html


def test_values_below_a_row_are_told_from_meanings():
    several = pondera.compare("llama-2-7b", "gemma-4-26b-a4b", "deepseek-v3", **ASKED)
    lines = several.text.splitlines()
    told = [line for line in lines if line.startswith("     ") and line[5:6] in "ABC→"]
    means = {text for row in several.rows for text in row["meaning"] if text}
    for line in told:
        words = line.strip()
        is_meaning = any(text.startswith(words.partition(": ")[2][:40]) for text in means)
        assert is_meaning == words.startswith("→"), line


def test_a_slip_of_the_pen_is_told(capsys):
    for command in (["show"], ["map"], ["compare"], ["fit", "--gpu", "h100"]):
        main([*command, "llama-3.1-8b", "--set", "num_key_value_head=4"])
        captured = capsys.readouterr()
        assert "did you mean num_key_value_heads?" in captured.err
    main(["show", "llama-3.1-8b", "--set", "num_key_value_heads=4"])
    assert "did you mean" not in capsys.readouterr().err


def test_a_model_of_an_unknown_type_without_weights_is_not_empty(tmp_path, capsys):
    (tmp_path / "config.json").write_text('{"model_type": "of tomorrow"}')
    main(["map", str(tmp_path)])
    shown = " ".join(capsys.readouterr().out.split())
    assert "? parameters" in shown
    assert "0 B" not in shown
    assert "--assume TYPE" in shown
    drawn = pondera.draw(str(tmp_path))
    assert "0 parameters" not in drawn.svg


def test_heads_of_all_kinds_of_layers_are_shown(capsys):
    # google/gemma-4-26B-A4B: num_key_value_heads 8, num_global_key_value_heads 2, head_dim 256, global_head_dim 512, and
    # full attention in each sixth of 30 layers.
    main(["show", "gemma-4-26b-a4b"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "25 layers with 16 for queries, 8 for keys and values, 256 wide" in shown
    assert "5 layers with 16 for queries, 2 for keys and values, 512 wide" in shown
