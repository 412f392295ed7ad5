"""Heatmaps: every cell is what `fit` says of it, and shares are rounded so that the verdict stays true."""

import re
from fractions import Fraction
from math import ceil

import numpy as np
import pytest

import pondera
from pondera._heat import AXES, CANNOT_BE, FITS, MOST, Heat, heat

MODEL = "llama-3.1-8b"


@pytest.mark.parametrize("engine", [pondera.engines()[at]["name"] for at in range(len(pondera.engines()))])
def test_every_cell_is_what_fit_says(engine):
    gpus, contexts, requests = ["h100", "24GiB", "L4"], [1000, 8192, 131072], [1, 7, 64, 300]
    made = heat(MODEL, gpu=gpus, context=contexts, concurrency=requests, engine=engine)
    assert made.levels.shape == (3, 3, 4)
    assert made.levels.dtype == np.uint8
    seen = set()
    for place in np.ndindex(*made.levels.shape):
        values = dict(zip(AXES, (gpus[place[0]], contexts[place[1]], requests[place[2]]), strict=True))
        level, headroom = made.levels[place], made.headroom[place]
        try:
            fit = pondera.fit(MODEL, engine=engine, **values)
        except pondera.PonderaError as error:
            assert (level, headroom) == (CANNOT_BE, 0)
            assert made.reasons[made.reason[place]]
            with pytest.raises(pondera.PonderaError, match=re.escape(str(error))):
                made.explain(*place)
            continue
        assert made.reasons[made.reason[place]] == ""
        assert headroom == fit.headroom
        assert made.usable[place[0]] == fit.usable
        assert level == min(ceil(Fraction(100 * (fit.usable - fit.headroom), fit.usable)), MOST)
        assert (level <= FITS) == fit.fits
        assert made.explain(*place) == fit
        seen.add(fit.fits)
    assert seen == {True, False}


def test_the_frontier_is_the_most_requests_that_fit():
    made = heat(MODEL, gpu=["h100", "L4", "A10"], context="4k..128k", concurrency=[1, 3, 9, 27, 81])
    for gpu, row in zip(made.gpus, made.frontier, strict=True):
        for context, most in zip(made.contexts, row, strict=True):
            fitting = [
                requests
                for requests in made.concurrencies
                if pondera.fit(MODEL, gpu=gpu, context=context, concurrency=requests).fits
            ]
            assert most == max(fitting, default=0)
    assert made.fits == (made.levels <= FITS).sum(axis=(1, 2)).tolist()


def test_a_share_of_nearly_all_is_not_all():
    """A byte too much is too much, whatever the size of the memory."""
    from pondera._heat import _levels

    usable = np.array([10**11, 10**11, 10**11, 10**11, 2**62, 2**62, 1, 0], np.uint64)
    headroom = np.array([0, -1, 1, 10**11, 0, -1, -(2**63), 0], np.int64)
    assert _levels(usable, headroom).tolist() == [100, 101, 100, 0, 100, 101, 200, 255]


def test_fields_of_the_mind_count():
    wide = heat(MODEL, gpu="L4", context="8k", concurrency=[1, 2], mind={"num_key_value_heads": 32})
    config = pondera.Architecture.from_config(MODEL).config
    other = {**config, "num_key_value_heads": 32}
    for at, requests in enumerate([1, 2]):
        fit = pondera.fit(other, gpu="L4", context="8k", concurrency=requests)
        assert wide.headroom[0, 0, at] == fit.headroom
    bad = heat(MODEL, gpu="L4", context="8k", concurrency=1, mind={"num_attention_heads": 7})
    assert bad.reasons == ("", "model")
    assert "does not divide" in bad.why()["model"]


def test_reasons_are_told_apart():
    made = heat(MODEL, gpu="h100", context=[131072, 131073], concurrency=[1, 10_000])
    words = [[made.reasons[place] for place in row] for row in made.reason[0]]
    assert words == [["", "value"], ["context", words[1][1]]]
    assert set(made.why()) == {"context", "value"}
    assert "allows 131072" in made.why()["context"]


def test_the_dict_is_of_its_schema():
    made = heat(MODEL, gpu=["h100", "L4"], context="4k..16k", concurrency=[1, 2])
    told = made.to_dict()
    assert told["schema"] == "pondera.heat/1"
    assert told["gpu"] == ["H100-SXM-80GB", "L4"]
    assert told["context"] == [4096, 8192, 16384]
    assert told["levels"] == made.levels.tolist()
    assert not made.levels.flags.writeable


def test_a_sweep_is_a_heat_in_any_order_of_its_axes():
    kwargs = {"gpu": ["h100", "L4"], "context": [4096, 65536], "concurrency": [1, 8, 64]}
    straight = heat(MODEL, **kwargs)
    turned = Heat(pondera.sweep(MODEL, **dict(reversed(kwargs.items()))))
    assert turned.to_dict() == straight.to_dict()
    assert turned.explain(1, 0, 2) == straight.explain(1, 0, 2)
    alone = Heat(pondera.sweep(MODEL, **{**kwargs, "gpu": "L4"}))
    assert alone.gpus == ("L4",)
    assert (alone.levels[0] == straight.levels[1]).all()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"context": [2, 1]}, "context: the values of a heatmap go upwards"),
        ({"concurrency": [1, 1]}, "concurrency: the values of a heatmap go upwards"),
        ({"context": [None, 1]}, "context: a heatmap needs numbers"),
        ({"tensor_parallel": [1, 2]}, "several values of tensor_parallel"),
        ({"mind": {"num_hidden_layers": "8..16"}}, "several values of num_hidden_layers"),
        ({"gpu": []}, "gpu: an axis has at least one value"),
        ({"gpu": "nope"}, "no GPU is known as 'nope'"),
    ],
)
def test_what_cannot_be_shown_is_refused(asked, words):
    with pytest.raises(pondera.PonderaError, match=words):
        heat(MODEL, **{"gpu": "h100", "context": [1024, 2048], "concurrency": [1, 2], **asked})


def test_one_model_alone():
    with pytest.raises(pondera.PonderaError, match="one target"):
        heat([MODEL, "qwen3-8b"], gpu="h100", context=[1024], concurrency=[1])
    with pytest.raises(pondera.PonderaError, match="several values of target"):
        Heat(pondera.sweep([MODEL, "qwen3-8b"], gpu="h100", context=[1024], concurrency=[1]))
