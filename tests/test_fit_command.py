"""`pondera fit`: what is printed, exit codes, and errors in one line."""

import json

import pytest

import pondera
from pondera._fit_view import fit_view, memory_bar
from pondera._text import Screen, display_width
from test_fit import COMPONENTS, CONFIG, PARAMETERS, ROUNDING


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG))
    return path


def asked(target, *more):
    return ("fit", target, "--gpu", "1GiB", "--engine", "transformers", "--context", "1k", *more)


def test_what_fits_is_code_0_and_shows_verdict_bar_and_components(run, config):
    code, out, err = run(*asked(config, "--concurrency", 2))
    assert (code, err) == (0, "")
    assert "fits: " in out
    assert "to spare" in out
    assert "transformers==" in out
    assert "2 requests of 1k tokens" in out
    assert "weights" in out
    assert "(see --explain)" in out


def test_what_does_not_fit_is_code_1_and_names_what_would(run):
    code, out, err = run(
        "fit", "llama-3.1-8b", "--gpu", "16GiB", "--engine", "transformers", "--context", "64k"
    )
    assert (code, err) == (1, "")
    assert "does not fit" in out
    assert "too much" in out
    assert "it would fit with one of these changes" in out
    assert "tokens" in out


def test_json_is_the_estimate(run, config):
    code, out, err = run(*asked(config, "--json"))
    assert (code, err) == (0, "")
    shown = json.loads(out)
    one = pondera.fit(config, gpu="1GiB", engine="transformers", context="1k")
    assert shown == {**shown, **one.to_dict()}
    assert shown["schema"] == "pondera.fit/1"
    assert shown["alternatives"] == []


def test_alternatives_in_json_fit_when_they_are_asked_for():
    one = pondera.fit("llama-3.1-8b", gpu="16GiB", engine="transformers", context="64k")
    alternatives = one.alternatives()
    assert alternatives
    kinds = {
        *("parallel", "gpu_memory_utilization", "context", "concurrency", "gpus", "weights", "cache", "gpu"),
    }
    for change in alternatives:
        assert change["change"] in kinds
        assert change["headroom"] >= 0
        if change["change"] in ("context", "weights", "cache", "gpu"):
            keywords = {"gpu": "16GiB", "context": "64k", change["change"]: change["value"]}
            again = pondera.fit("llama-3.1-8b", engine="transformers", **keywords)
            assert (again.fits, again.total) == (True, change["total"])


def test_another_share_of_the_memory_and_as_many_bigger_gpus_are_named(run):
    arguments = ("fit", "llama-3.1-8b", "--engine", "vllm==0.19.0", "--context", "32k")
    code, out, _ = run(*arguments, "--gpu", "h100", "--gpu-memory-utilization", "0.2")
    assert code == 1
    share = json.loads(run(*arguments, "--gpu", "h100", "--gpu-memory-utilization", "0.2", "--json")[1])
    named = {one["change"]: one["value"] for one in share["alternatives"]}["gpu_memory_utilization"]
    assert f"gpu_memory_utilization {named:g}: " in out
    assert run(*arguments, "--gpu", "h100", "--gpu-memory-utilization", named)[0] == 0
    assert run(*arguments, "--gpu", "h100", "--gpu-memory-utilization", round(named - 0.01, 2))[0] == 1
    code, out, _ = run("fit", "llama-3.1-70b", "--gpu", "l4", "--tp", 4, "--engine", "vllm==0.19.0")
    assert code == 1
    assert "other GPUs: 4 x " in out


def test_what_fits_has_no_alternatives():
    assert pondera.fit("llama-3.1-8b", gpu="h100", engine="vllm==0.19.0", context="8k").alternatives() == []


def test_requests_of_all_replicas_are_told(run):
    arguments = ("fit", "deepseek-v2-lite", "--gpu", "h100", "--engine", "vllm==0.19.0", "--context", "1k")
    _, out, _ = run(*arguments, "--dp", 4, "--concurrency", 64)
    assert "64 requests of 1k tokens, 16 on each of 4 replicas" in out
    _, out, _ = run(*arguments, "--dp", 4, "--concurrency", 63)
    assert "63 requests of 1k tokens, at most 16 on each of 4 replicas" in out


def test_a_bandwidth_alone_tells_nothing_of_reading(run):
    unknown = next(one for one in pondera.gpus() if one.bandwidth and not any(one.flops.values()))
    arguments = ("fit", "llama-3.2-1b", "--gpu", unknown.name, "--engine", "transformers", "--context", "8k")
    _, out, _ = run(*arguments)
    assert "tokens/s written" in out
    assert "tokens/s read" not in out
    speed = json.loads(run(*arguments, "--json")[1])["roofline"]
    assert speed["prefill"]["tokens_per_second"] is None
    assert any("operations per second" in why for why in speed["unknown"])


def test_the_version_that_is_reckoned_with_is_in_the_heading(run):
    newest = next(one for one in pondera.engines() if one["name"] == "vllm")["newest"]
    _, out, _ = run("fit", "llama-3.1-8b", "--gpu", "h100", "--engine", "vllm==99.9", "--context", "8k")
    heading = out.splitlines()[1]
    assert f"vllm=={newest}" in heading
    assert "vllm==99.9" not in heading
    assert "warning: vllm==99.9 is newer" in out


def test_explain_lists_formulas_and_assumptions(run, config):
    code, out, _ = run(*asked(config, "--explain"))
    assert code == 0
    assert "3 layers x 1024 entries x 16 bytes x 1 requests" in out
    assert "assumed: engine = transformers==" in out


def test_without_a_gpu_the_common_ones_are_compared(run, config):
    arguments = ("fit", config, "--engine", "transformers", "--context", "1k")
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert "H100-SXM-80GB" in out
    assert "RTX-4090" in out
    code, out, _ = run(*arguments, "--json")
    shown = json.loads(out)
    assert code == 0
    assert shown["schema"] == "pondera.fits/1"
    # The memory of an Apple is not counted in steps.
    assert {one["weights"] for one in shown["fits"]} == {2 * PARAMETERS, 2 * PARAMETERS + ROUNDING}
    assert {one["gpu"]["name"] for one in shown["fits"]} == {gpu.name for gpu in pondera.gpus() if gpu.common}


def test_rows_of_a_comparison_add_up_and_what_would_fit_is_named(run):
    _, out, _ = run("fit", "llama-3.1-8b", "--engine", "vllm==0.19.0", "--context", "8k")
    assert "the rest" in out
    assert "it would fit on" not in out
    code, out, _ = run("fit", "llama-3.1-405b", "--engine", "vllm==0.19.0", "--context", "8k")
    assert code == 1
    assert "it would fit on" in out


def test_lists_of_gpus_and_models_that_are_empty_say_so(run):
    for command in ("gpus", "models"):
        code, out, err = run(command, "nosuch")
        assert (code, out) == (1, "")
        assert err.count("\n") == 1
        assert f"`pondera {command}` lists all" in err


def test_a_page_in_a_pipe_has_no_endless_lines_and_cuts_whole_parts():
    one = pondera.fit("deepseek-v3", gpu="h200", gpus=8, engine="vllm==0.19.0", context="8k")
    for width in (80, 120):
        lines = fit_view(Screen(width, terminal=False), one)
        assert max(map(display_width, lines)) <= width
        assert lines[-1].startswith("    ") or lines[-1].startswith("  assumed: ")
        row = next(line for line in lines if "  weights" in line)
        assert "…" not in row.removesuffix(", …")


def test_several_gpus_are_compared_and_one_that_fits_is_enough(run):
    arguments = ("fit", "llama-3.1-8b", "--engine", "transformers", "--context", "8k")
    assert run(*arguments, "--gpu", "8GiB", "--gpu", "h100")[0] == 0
    assert run(*arguments, "--gpu", "8GiB", "--gpu", "10GiB")[0] == 1


def test_a_changed_field_changes_the_estimate(run, config):
    _, out, _ = run(*asked(config, "--json", "--set", "num_hidden_layers=6"))
    changed = pondera.fit({**CONFIG, "num_hidden_layers": 6}, gpu="1GiB", engine="transformers", context="1k")
    assert json.loads(out)["weights"] == changed.weights


def test_prices_name_the_cheapest(run, config, tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text('L4 = 0.8\nH100-SXM-80GB = "2.99"\n')
    arguments = ("fit", config, "--engine", "transformers", "--context", "1k", "--prices", prices)
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert out.index("L4") < out.index("H100")
    assert "transformers==" in out.splitlines()[1]
    assert "1 request of 1k tokens" in out.splitlines()[1]
    assert "layout" in out
    offers = json.loads(run(*arguments, "--json")[1])["offers"]
    assert [(offer["gpu"], offer["gpus"], offer["price"]) for offer in offers] == [
        ("L4", 1, "0.80"),
        ("H100-SXM-80GB", 1, "2.99"),
    ]
    assert run(*arguments, "--gpu", "L4")[0] == 2


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--gpu", "h1000"), "'1GiB'|h1000"),
        (("--context", "0"), "context must be between 1"),
        (("--gpu", "24"), "'1GiB'|write 24GB"),
        (("--context", "-5"), "context must be between 1"),
        (("--context", "1e30"), "context must be between 1"),
        (("--context", "1" + "0" * 30), "context must be between 1"),
        (("--concurrency", "many"), "concurrency: 'many'"),
        (("--tensor-parallel", "3"), "2 heads"),
        (("--gpus", "3"), "tensor_parallel is 3.*3 GPUs without a layout.*pipeline_parallel 3"),
        (("--pipeline-parallel", "4"), "3 layers"),
        (("--gpu-memory-utilization", "nan"), "gpu_memory_utilization: must be above 0"),
        (("--gpu-memory-utilization", "1.5"), "gpu_memory_utilization: must be above 0"),
        (("--gpu-memory-utilization", "x"), "invalid float"),
        (("--engine", "vvlm"), "vvlm"),
        (("--weights", "fp5"), "fp5"),
        (("--cache", "fp5"), "fp5"),
        (("--cache-memory", "10G"), "cache_memory"),
        (("--gpu-file", "nowhere.toml"), "nowhere.toml"),
        (("--prices", "nowhere.toml"), "--prices"),
        (("--set", "hidden_size"), "FIELD=VALUE"),
        (("--weights", "q4"), "did you mean q4_0 or"),
        (("--nonsense",), "--nonsense; see pondera fit --help"),
    ],
)
def test_what_cannot_be_is_one_line_and_code_2(run, config, more, said):
    import re

    code, out, err = run(*asked(config, *more))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert re.search(said, err)


def test_weights_without_a_mind_are_code_2_and_are_told(run, tiny):
    code, out, err = run("fit", tiny, "--gpu", "h100", "--engine", "transformers")
    assert (code, out) == (2, "")
    assert "its weights alone take 5,312 bytes" in err


def test_nothing_at_the_path_is_code_2(run, tmp_path):
    code, out, err = run("fit", tmp_path / "nothing", "--gpu", "h100")
    assert (code, out) == (2, "")
    assert "nothing" in err


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("gpu", ["15GiB", "16GiB", "h100"])
def test_the_bar_is_as_wide_as_the_screen_lets_it_and_shows_every_component(gpu, width, unicode):
    one = pondera.fit("llama-3.1-8b", gpu=gpu, engine="vllm", context="8k")
    screen = Screen(width, True, False, unicode)
    shown = one.to_dict()
    bar = memory_bar(screen, shown)
    assert display_width(bar) == min(width, 100)
    marks = dict(zip(COMPONENTS, "█▓▒░▚▞" if unicode else "WCAODG", strict=True))
    beyond = shown["total"] > shown["usable"]
    assert (("┃" if unicode else "|") in bar) == beyond
    if not beyond:
        for component in COMPONENTS:
            assert (marks[component] in bar) == (shown[component] > 0)
    lines = fit_view(screen, one)
    assert all(line.isascii() or unicode for line in lines)


def test_a_bar_divides_the_width_as_the_bytes_divide_the_memory():
    shown = {**dict.fromkeys(COMPONENTS, 0), "weights": 50, "cache": 25, "total": 75, "usable": 100}
    assert memory_bar(Screen(40, False, False, False), shown) == "W" * 20 + "C" * 10 + "." * 10
    shown |= {"cache": 150, "total": 200}
    assert memory_bar(Screen(40, False, False, False), shown) == "W" * 10 + "C" * 9 + "|" + "C" * 20


def test_gpus_may_stand_between_commas(run, config):
    several = run("fit", str(config), "--gpu", "h100,l4", "--json")
    assert several == run("fit", str(config), "--gpu", "h100", "--gpu", "l4", "--json")
    assert len(json.loads(several[1])["fits"]) == 2
