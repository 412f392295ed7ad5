"""Estimates against measurements nobody here wrote: the errors that are promised, and the page that tells them."""

import pytest

from accuracy import BANDS, PAGE, Difference, bands, differences, mean, page

GIB = 1 << 30


@pytest.fixture(scope="module")
def held() -> list[Difference]:
    """Every number beside its measurement."""
    return differences()


def of(held: list[Difference], engine: str, component: str, *versions: str) -> list[Difference]:
    """The differences of one component, at these minor versions or at all."""
    return [
        one
        for one in held
        if one.engine == engine
        and one.component == component
        and (not versions or one.version.startswith(versions))
    ]


def test_weights_are_within_half_a_percent(held: list[Difference]) -> None:
    for engine in ("vllm", "transformers"):
        assert mean(one.relative for one in of(held, engine, "weights")) < 0.005


def test_tokens_of_a_given_pool_are_within_five_hundredths_of_a_percent(held: list[Difference]) -> None:
    rows = of(held, "vllm", "tokens_of_pool")
    assert len(rows) > 30
    assert [one for one in rows if one.relative > 0.0005] == []


def test_what_vllm_takes_beside_weights_is_close(held: list[Difference]) -> None:
    newer = ("0.17", "0.18", "0.19")
    assert mean(one.absolute for one in of(held, "vllm", "activations", *newer)) < 0.15 * GIB
    assert mean(one.absolute for one in of(held, "vllm", "overhead")) < 0.1 * GIB


def test_the_pool_and_its_tokens_are_close_end_to_end(held: list[Difference]) -> None:
    assert mean(one.relative for one in of(held, "vllm", "cache_pool")) < 0.015
    assert mean(one.relative for one in of(held, "vllm", "cache_tokens")) < 0.02


def test_a_prompt_of_transformers_peaks_as_measured(held: list[Difference]) -> None:
    rows = of(held, "transformers", "activations")
    assert len(rows) > 20
    assert mean(one.relative for one in rows) < 0.05


def test_the_page_and_the_bands_are_those_of_these_estimates(held: list[Difference]) -> None:
    assert page(held) in PAGE.read_text(), "run `make accuracy`"
    assert bands(held) == BANDS.read_text(), "run `make accuracy`"
