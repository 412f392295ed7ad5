"""Facts of well-known models, and a slow oracle for caches, through Python."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pondera

FACTS = json.loads((Path(__file__).parent / "golden" / "architectures.json").read_text())
NAMES = [model["name"] for model in pondera.built_in_models()]
BYTES = {"fp32": 4, "bf16": 2, "fp8": 1}


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact["model"])
def test_facts(fact):
    architecture = pondera.Architecture.from_config(fact["model"])
    if "parameters" in fact:
        ahead = architecture.roles["mtp"].parameters if "mtp" in architecture.roles else 0
        assert architecture.parameters - ahead == fact["parameters"]
    if "cache" in fact:
        assert architecture.cache_bytes(fact["cache"]["tokens"]) == fact["cache"]["bytes"]


def slow_cache_bytes(architecture, tokens, sequences, dtype):
    """Token by token: what is kept is counted by keeping it."""
    total = 0
    table = architecture.cache_layers().to_dict()
    for row in zip(*table.values(), strict=True):
        layer = dict(zip(table, row, strict=True))
        window = None if layer["window"] < 0 else int(layer["window"])
        kept = []
        whole = 0
        for token in range(tokens if layer["kind"] != "cross" else 0):
            if layer["kind"] == "compressed":
                # A window of single entries, and one entry for each whole group before and in it.
                kept = [*kept, token][-window:]
                whole = (token + 1) // int(layer["ratio"]) if layer["ratio"] else 0
            elif layer["kind"] == "indexer":
                whole = (token + 1) // int(layer["ratio"])
            elif layer["per_token"]:
                kept = [*kept, token] if window is None else [*kept, token][-window:]
        entries = len(kept) + whole
        total += entries * int(layer["per_token"]) * BYTES[dtype]
        total += int(layer["state"]) * BYTES[dtype] + int(layer["float32"]) * 4
    return total * sequences


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([name for name in NAMES if "whisper" not in name and "vision" not in name]),
    st.integers(0, 300),
    st.integers(1, 9),
    st.sampled_from(sorted(BYTES)),
)
def test_caches_are_what_keeping_token_by_token_gives(name, tokens, sequences, dtype):
    architecture = pondera.Architecture.from_config(name)
    assert architecture.cache_bytes(tokens, sequences, dtype) == slow_cache_bytes(
        architecture, tokens, sequences, dtype
    )
