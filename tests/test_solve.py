"""What fits at most, at least, best and cheapest: each answer fits, and the next one does not."""

import itertools
from fractions import Fraction

import pytest

import pondera
from pondera import _native
from test_fit import CONFIG

# Engines, each with a GPU on which its defaults leave room, but not for all of the model's context.
ENGINES = (("transformers", "L4"), ("vllm==0.19.0", "L4"), ("llama.cpp", "L4"), ("sglang", "RTX-5090"))


@pytest.mark.parametrize(("engine", "gpu"), ENGINES)
def test_the_longest_context_fits_and_one_token_more_does_not(engine, gpu):
    asked = {"gpu": gpu, "engine": engine}
    answer = pondera.max_context("llama-3.1-8b", **asked)
    assert 0 < answer.value < 131072
    assert answer.fit.fits
    assert answer.fit.settings["context"] == answer.value
    assert pondera.fit("llama-3.1-8b", context=answer.value, **asked).fits
    assert not pondera.fit("llama-3.1-8b", context=answer.value + 1, **asked).fits
    assert answer.limit


def test_the_context_ends_where_the_models_does():
    answer = pondera.max_context(CONFIG, gpu="h100", engine="transformers")
    assert (answer.value, answer.binds) == (4096, "model_context")


@pytest.mark.parametrize("engine", ["transformers", "vllm==0.19.0"])
def test_the_most_requests_fit_and_one_more_does_not(engine):
    asked = {"gpu": "L4", "engine": engine, "context": "4k"}
    answer = pondera.max_concurrency("llama-3.1-8b", **asked)
    assert pondera.fit("llama-3.1-8b", concurrency=answer.value, **asked).fits
    assert not pondera.fit("llama-3.1-8b", concurrency=answer.value + 1, **asked).fits


def test_a_search_does_not_ask_what_it_does_not_look_at():
    asked = {"gpu": "h200", "engine": "vllm==0.19.0", "context": "4k"}
    answer = pondera.min_gpus("deepseek-v3", context_parallel=8, **asked)
    assert answer.found
    assert answer.fit.to_dict()["parallel"]["context"] == 8
    # More requests than are run at one time, and a layout that the model does not allow, are what is searched.
    assert pondera.max_concurrency("llama-3.1-8b", concurrency=2**30, **asked).found
    assert pondera.min_gpus("llama-3.1-8b", tensor_parallel=3, **asked).value == 1


def layouts(gpus):
    """Every layout of so many GPUs."""
    for tensor, pipeline in itertools.product(range(1, gpus + 1), repeat=2):
        data, rest = divmod(gpus, tensor * pipeline)
        if rest == 0 and data > 0:
            for expert in {1, tensor * data}:
                yield {
                    "tensor_parallel": tensor,
                    "pipeline_parallel": pipeline,
                    "data_parallel": data,
                    "expert_parallel": expert,
                }


def does_fit(model, **asked):
    """Whether it fits; what is refused does not."""
    try:
        return pondera.fit(model, **asked).fits
    except pondera.PonderaError:
        return False


@pytest.mark.parametrize(
    ("model", "gpu", "context", "concurrency"),
    [
        ("llama-3.1-70b", "h100", "8k", 1),
        ("minicpm3-4b", "T4", 100, 64),
        ("qwen3-30b-a3b", "L4", "8k", 16),
    ],
)
def test_no_fewer_gpus_fit_in_any_layout(model, gpu, context, concurrency):
    asked = {"gpu": gpu, "engine": "vllm==0.19.0", "context": context, "concurrency": concurrency}
    answer = pondera.min_gpus(model, **asked)
    found = {f"{name}_parallel": degree for name, degree in answer.fit.to_dict()["parallel"].items()}
    again = pondera.fit(model, **found, **asked)
    assert (again.fits, again.gpus) == (True, answer.value)
    for gpus in range(1, answer.value):
        assert not any(does_fit(model, **layout, **asked) for layout in layouts(gpus))
    if answer.value > 1:
        assert not pondera.min_gpus(model, most=answer.value - 1, **asked).found


@pytest.mark.parametrize(
    ("model", "gpu", "engine"),
    [
        ("llama-3.1-70b", "h100", "vllm==0.19.0"),
        ("llama-3.1-8b", "T4", "vllm==0.19.0"),
        ("qwen3-30b-a3b", "L40S", "sglang==0.5.23"),
        ("llama-3.1-70b", "RTX-4090", "llama.cpp"),
    ],
)
def test_no_more_precise_scheme_fits(model, gpu, engine):
    asked = {"gpu": gpu, "engine": engine, "context": "2k"}
    answer = pondera.best_quantization(model, **asked)
    assert not pondera.fit(model, **asked).fits
    best = pondera.fit(model, weights=answer.value, **asked)
    assert (best.fits, best.total, best.warnings) == (True, answer.fit.total, [])
    bits = {row["name"]: Fraction(row["bits"], row["weights"]) for row in _native.weight_schemes()}
    for name in bits:
        if bits[name] > bits[answer.value]:
            other = pondera.fit(model, weights=name, **asked)
            # It does not fit, or the engine is not known to load or to run it.
            assert not other.fits or other.warnings, name


def test_where_nothing_fits_the_closest_is_told():
    answer = pondera.max_context("llama-3.1-70b", gpu="8GiB", engine="transformers")
    assert (answer.value, answer.found, answer.binds) == (None, False, "weights")
    assert not answer.fit.fits
    assert answer.to_dict()["fit"]["fits"] is False


def test_an_estimate_stands_for_its_target_and_takes_no_more_keywords():
    fit = pondera.fit("llama-3.1-8b", gpu="L4", engine="transformers")
    asked = pondera.max_context("llama-3.1-8b", gpu="L4", engine="transformers")
    assert pondera.max_context(fit).value == asked.value
    with pytest.raises(TypeError, match="a Fit has its own context"):
        pondera.max_context(fit, context=3)


def test_prices_are_exact_and_sorted_and_say_why_not(tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text("H100-SXM-80GB = 2.99\nL4 = 0.1\nT4 = 9\n")
    offers = pondera.cheapest_gpu("llama-3.1-70b", prices=prices, engine="transformers", context="1k", most=3)
    assert [offer["gpu"] for offer in offers] == ["H100-SXM-80GB", "L4", "T4"]
    assert (offers[0]["gpus"], offers[0]["price"]) == (2, "5.98")
    assert [offer["gpus"] for offer in offers[1:]] == [None, None]
    assert all(offer["limit"] for offer in offers)


def test_a_loose_name_in_a_price_file_is_told(tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text("h100 = 2\nL4 = 1\n")
    offers = pondera.cheapest_gpu(CONFIG, prices=prices, engine="transformers")
    assert {offer["gpu"]: bool(offer["assumed"]) for offer in offers} == {"H100-SXM-80GB": True, "L4": False}


@pytest.mark.parametrize(
    ("text", "said"),
    [("L4 = -1\n", "L4"), ("NO-GPU = 1\n", "NO-GPU"), ("[[", "prices.toml"), ("L4 = 'much'\n", "L4")],
)
def test_bad_prices_are_one_sentence(tmp_path, text, said):
    prices = tmp_path / "prices.toml"
    prices.write_text(text)
    with pytest.raises(pondera.PonderaError, match=said):
        pondera.cheapest_gpu(CONFIG, prices=prices, engine="transformers")


def test_bad_numbers_are_refused():
    with pytest.raises(pondera.PonderaError, match="most"):
        pondera.min_gpus(CONFIG, gpu="h100", engine="transformers", most=-1)
    with pytest.raises(pondera.PonderaError, match="context"):
        pondera.max_concurrency(CONFIG, gpu="h100", engine="transformers", context=0)


def test_the_roofline_is_labelled_and_bounded_by_the_bandwidth():
    fit = pondera.fit("llama-3.1-8b", gpu="H100-SXM-80GB", engine="vllm==0.19.0", context="8k")
    speed = fit.roofline(prompt="1k")
    assert {"roofline"} <= {one["field"] for one in speed["assumptions"]}
    assert speed["prefill"]["tokens"] == 1024
    gpu = pondera.gpu("H100-SXM-80GB")
    # One request reads all weights but the table of embeddings for each token.
    read = fit.weights - fit.parts["weights"]["embedding"]
    assert 0 < speed["decode"]["tokens_per_second"] <= gpu.bandwidth / read * 1.01
    unknown = pondera.fit("llama-3.1-8b", gpu="24GiB", engine="transformers", context="1k").roofline()
    assert unknown["unknown"]
    assert unknown["decode"]["tokens_per_second"] is None
