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


def test_weights_are_within_a_quarter_of_a_percent(held: list[Difference]) -> None:
    for engine in ("vllm", "transformers"):
        assert mean(one.relative for one in of(held, engine, "weights")) < 0.0025


def test_tokens_of_a_given_pool_are_within_five_hundredths_of_a_percent(held: list[Difference]) -> None:
    rows = of(held, "vllm", "tokens_of_pool")
    assert len(rows) > 30
    assert [one for one in rows if one.relative > 0.0005] == []


# GiB that components may be off, in the mean and at worst: at most about twice what they are, so that a worse rule shows.
LIMITS = {
    ("transformers", "activations"): (0.04, 0.6),
    ("transformers", "weights"): (0.008, 0.06),
    ("vllm", "activations"): (0.008, 0.014),
    ("vllm", "cache_pool"): (0.02, 0.11),
    ("vllm", "cuda_context"): (0.005, 0.1),
    ("vllm", "cuda_graphs"): (0.15, 0.7),
    ("vllm", "overhead"): (0.014, 0.1),
    ("vllm", "weights"): (0.008, 0.05),
}


def test_every_component_in_bytes_has_a_limit(held: list[Difference]) -> None:
    counted = {"cache_tokens", "tokens_of_pool"}
    assert set(LIMITS) == {(one.engine, one.component) for one in held if one.component not in counted}


@pytest.mark.parametrize(("engine", "component"), LIMITS)
def test_components_are_close_in_the_mean_and_at_worst(
    held: list[Difference], engine: str, component: str
) -> None:
    usual, worst = LIMITS[engine, component]
    off = [one.absolute / GIB for one in of(held, engine, component)]
    assert mean(off) < usual
    assert max(off) < worst


def test_tokens_are_close_end_to_end(held: list[Difference]) -> None:
    off = [one.relative for one in of(held, "vllm", "cache_tokens")]
    assert mean(off) < 0.0005
    assert max(off) < 0.0025


def test_the_page_and_the_bands_are_those_of_these_estimates(held: list[Difference]) -> None:
    assert page(held) in PAGE.read_text(), "run `make accuracy`"
    assert bands(held) == BANDS.read_text(), "run `make accuracy`"
