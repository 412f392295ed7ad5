"""The wider set: derived architectures against every list of tensors that lies beside the project."""

import math

import pytest

import architecture_truth as truth
import pondera

pytestmark = pytest.mark.skipif(not truth.SHARED.is_dir(), reason="the corpus is not beside the project")

CORPUS = truth.corpus_cases()
TINY = truth.tiny_cases()


def ids(cases):
    return [pytest.param(case, id=case.id) for case in cases]


@pytest.mark.parametrize("case", ids(CORPUS + TINY))
def test_names_and_shapes(case):
    kind, words = truth.outcome(case)
    if kind == "unknown":
        # That is no wrong answer, but it must be said in one line that names the field.
        field, _, reason = words.partition(": ")
        assert field.replace("_", "").replace(".", "").isalnum()
        assert reason
        assert "\n" not in words
        return
    architecture = pondera.Architecture.from_config(case.config)
    found = truth.difference(case, architecture)
    if case.id not in truth.EXPLAINED:
        assert found in truth.WORDS, found
        return
    kind, _ = truth.EXPLAINED[case.id]
    table = architecture.tensors()
    derived = {
        name: shape
        for name, shape, role in zip(table["name"], table["shape"], table["role"], strict=True)
        if role != "mtp"
    }
    if kind == "MTP":
        assert derived == case.shapes
    elif kind == "sizes":
        assert truth.sizes(derived) == truth.sizes(case.shapes)
    elif kind == "totals":
        assert sum(map(math.prod, derived.values())) == sum(map(math.prod, case.shapes.values()))
    elif kind == "biases":
        extra = truth.without_packing(set(case.shapes)) - set(derived)
        assert extra
        assert all(name.endswith(".bias") for name in extra)
    else:
        assert case.config["vocab_size"] not in (shape[0] for shape in case.shapes.values() if shape)


def test_most_types_are_known():
    outcomes = [truth.outcome(case)[0] for case in CORPUS if case.id not in truth.EXPLAINED]
    assert outcomes.count("exact") >= 0.95 * len(outcomes)
    outcomes = [truth.outcome(case)[0] for case in TINY if case.id not in truth.EXPLAINED]
    assert outcomes.count("exact") >= 0.95 * len(outcomes)


# Models whose class keeps something else than what writing token by token needs.
KEPT_OTHERWISE = {
    "tiny/diffusion_gemma/diffusion_gemma": "the tokens of a block that is still being drawn are not kept",
}


@pytest.mark.parametrize(
    "case", ids([case for case in TINY if case.case["cache"] and case.id not in KEPT_OTHERWISE])
)
def test_needed_cache(case):
    """Layer by layer, what was measured less what is the class's habit rather than need.

    The classes of transformers keep one token less than the window, and the inputs of a convolution as wide as its
    kernel instead of one less.
    """
    try:
        architecture = pondera.Architecture.from_config(case.config)
    except pondera.PonderaError:
        return
    for measured in case.case["cache"]:
        if measured["dtype"] not in ("float32", "torch.float32"):
            continue
        tokens, batch = measured["tokens"], measured["batch"]
        table = architecture.cache_layers()
        needed: dict[int, int] = {}
        for layer, kind, window, width, ratio, state, float32 in zip(
            *(table[name] for name in ("layer", "kind", "window", "per_token", "ratio", "state", "float32")),
            strict=True,
        ):
            kept = int(tokens) if window < 0 else min(int(tokens), max(int(window) - 1, 1))
            if kind == "cross":
                kept = 20
            elif kind in ("indexer", "compressed"):
                kept = int(tokens) // max(int(ratio), 1)
            numbers = 0 if kind == "state" else int(width) * kept
            needed[int(layer)] = needed.get(int(layer), 0) + 4 * (numbers + int(state) + int(float32))
        found: dict[int, int] = {}
        for part in measured["layers"]:
            # Positions of tokens that an indexer keeps beside its keys are the class's own book-keeping.
            counted = sum(math.prod(shape) for _, dtype, shape in part["shapes"] if dtype != "I64")
            size = 4 * counted // batch
            if part["kind"] == "conv":
                kernel = part["shapes"][0][2][-1]
                size = size * (kernel - 1) // kernel
            found[part["layer"]] = found.get(part["layer"], 0) + size
        # Without an image there is nothing to keep of it.
        for layer, kind in zip(table["layer"].tolist(), table["kind"], strict=True):
            if kind == "cross" and not found.get(layer):
                needed.pop(layer)
        found = {layer: size for layer, size in found.items() if size}
        needed = {layer: size for layer, size in needed.items() if size}
        if set(needed) != set(found):
            # Two attentions in one layer are two layers to the class.
            needed, found = {0: sum(needed.values())}, {0: sum(found.values())}
        assert needed == found, f"{tokens} tokens"
