"""Derived architectures against tensor lists that others made: transformers' own, published headers and indexes.

The lists lie in the corpus beside the project. A difference counts as explained only if it is exactly of the kind that its
explanation says.
"""

import gzip
import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pondera

SHARED = Path(__file__).resolve().parents[2] / "shared"
CORPUS = SHARED / "corpus"
TINY = SHARED / "tiny"


@dataclass(frozen=True)
class Case:
    """A config, and the tensors that its model has by somebody else's account.

    Attributes:
        source: `truth`, `index`, `header` or `tiny`.
        name: The model.
        config: Its config.
        shapes: Names, with shapes where these are known.
        names_reliable: Whether the names are those of the published file.
        buffers: Elements among them that the model's class keeps as buffers.
        case: The whole record of a tiny model.
    """

    source: str
    name: str
    config: dict[str, Any]
    shapes: dict[str, tuple[int, ...] | None]
    names_reliable: bool = True
    case: dict[str, Any] | None = None

    @property
    def id(self) -> str:
        return f"{self.source}/{self.config.get('model_type')}/{self.name}"


def config_of(name: str) -> dict[str, Any] | None:
    for folder in ("configs", "configs_derived"):
        path = CORPUS / folder / name / "config.json"
        if path.exists():
            return json.loads(path.read_text())
    return None


def corpus_cases() -> list[Case]:
    """Every model of the corpus with a config and a list of tensors."""
    cases = []
    for path in sorted(CORPUS.glob("truth/*.json.gz")):
        name = path.name.removesuffix(".json.gz")
        config = config_of(name)
        if config is not None:
            listed = json.loads(gzip.decompress(path.read_bytes()))
            shapes = {tensor: tuple(shape) for tensor, _, shape in listed["tensors"]}
            cases.append(Case("truth", name, config, shapes, listed.get("names_reliable", True) is not False))
    for path in sorted(CORPUS.glob("index/*/*.index.json")):
        name = path.parent.name
        config = config_of(name)
        if config is not None:
            cases.append(
                Case("index", name, config, dict.fromkeys(json.loads(path.read_text())["weight_map"]))
            )
    for path in sorted(CORPUS.glob("real_headers/*.json.gz")):
        name = path.name.removesuffix(".json.gz")
        config = config_of(name)
        if config is not None:
            listed = json.loads(gzip.decompress(path.read_bytes()))
            cases.append(Case("header", name, config, {tensor: None for tensor, _, _ in listed["tensors"]}))
    return cases


def tiny_cases() -> list[Case]:
    """Every small model that was run for real."""
    cases = []
    for path in sorted(TINY.glob("*.json")):
        case = json.loads(path.read_text())
        shapes = {tensor: tuple(shape) for tensor, _, shape in case["tensors"]}
        cases.append(Case("tiny", path.stem, case["config"], shapes, True, case))
    return cases


def without_packing(names: set[str]) -> set[str]:
    """The names that quantized weights have without quantization, by the conventions of the schemes in the corpus."""
    sides = (
        "_scale_inv", ".weight_scale", ".weight_scale_2", ".input_scale", ".qzeros", ".scales", ".g_idx", "_scales",
        ".weight_shape", ".weight_zero_point", ".k_scale", ".v_scale", ".absmax", ".quant_map", ".nested_absmax",
        ".nested_quant_map", ".quant_state.bitsandbytes__nf4", ".biases",
    )  # fmt: skip
    plain = set()
    for name in names:
        if name.endswith(sides):
            continue
        for packed, whole in ((".qweight", ".weight"), (".weight_packed", ".weight"), ("_blocks", "")):
            if name.endswith(packed):
                name = name.removesuffix(packed) + whole
        plain.add(name)
    return plain


OLD_BUFFERS = (
    "rotary_emb.inv_freq",
    "position_ids",
    "attn.bias",
    "masked_bias",
    "attention.bias",
    "rope.freqs",
)


def sizes(listed: dict[str, tuple[int, ...] | None]) -> Counter[int]:
    """How many tensors there are of each number of elements."""
    return Counter(math.prod(shape or ()) for shape in listed.values())


def difference(case: Case, architecture: pondera.Architecture) -> str:
    """What differs, in words; empty if names, and shapes where they are known, are the same."""
    table = architecture.tensors()
    derived = dict(zip(table["name"], table["shape"], strict=True))
    if len(derived) != len(table):
        return "a name is derived twice"
    roles = dict(zip(table["name"], table["role"], strict=True))
    expected = case.shapes
    if case.source in ("index", "header"):
        plain = without_packing(set(expected))
        expected = {name: expected.get(name) for name in plain if not name.endswith(OLD_BUFFERS)}
        derived = {name: shape for name, shape in derived.items() if not name.endswith(OLD_BUFFERS)}
    missing = set(expected) - set(derived)
    extra = set(derived) - set(expected)
    shapes = [
        name for name, shape in expected.items() if shape is not None and derived.get(name, shape) != shape
    ]
    if not case.names_reliable:
        return "" if sizes(case.shapes) == sizes(derived) else "the sizes of tensors differ"
    if shapes:
        return f"another shape: {shapes[0]} {derived[shapes[0]]}, not {expected[shapes[0]]}"
    if not missing and extra and all(roles[name] == "mtp" for name in extra):
        return "MTP"
    if missing == {"lm_head.weight"} and not extra:
        return "HEAD"
    if missing:
        return f"not derived: {len(missing)}, as {min(missing)}"
    return f"derived besides: {len(extra)}, as {min(extra)}" if extra else ""


WORDS = {
    "": "exact",
    "MTP": "exact, and the multi-token-prediction layers that this list leaves out",
    "HEAD": "exact, but for a copy of the tied head that the published file stores",
}
"""What explained differences mean."""


ANEW = "a tower that transformers 5.6 or later makes anew lacks a level of names that published files have"

EXPLAINED = {
    "tiny/glm4_moe/glm4_moe": (
        "MTP",
        "published files of the type hold a prediction layer; the class saves none",
    ),
    "truth/deepseek_v4/deepseek-ai__DeepSeek-V4-Flash": (
        "sizes",
        "the published file has the names of its publisher's own code, the list those of the class",
    ),
    "truth/deepseek_v4/nvidia__DeepSeek-V4-Flash-NVFP4": ("sizes", "likewise"),
    "truth/step3p7/stepfun-ai__Step-3.7-Flash": (
        "another",
        "the config is flat, so the class that made the list took its own defaults instead",
    ),
    "tiny/lfm2_vl/lfm2_vl": ("sizes", ANEW),
    "tiny/llava/llava": ("sizes", ANEW),
    "tiny/paligemma/paligemma": ("sizes", ANEW),
    "tiny/pi0/pi0": ("sizes", ANEW),
    "tiny/shieldgemma2/shieldgemma2": ("sizes", ANEW),
    "truth/qwen3_5_moe/nvidia__Qwen3.5-397B-A17B-NVFP4": (
        "totals",
        "quantized files hold the experts one by one, the list holds them as one tensor",
    ),
    "index/qwen/Qwen__Qwen-VL-Chat-Int4": ("biases", "GPTQ adds a bias to every layer it packs"),
}
"""Lists that cannot be equal: what must be equal all the same, and why."""


def outcome(case: Case) -> tuple[str, str]:
    """`exact`, `unknown` or `differs`, and what to say of it."""
    try:
        architecture = pondera.Architecture.from_config(case.config)
    except pondera.PonderaError as error:
        return "unknown", str(error)
    found = difference(case, architecture)
    return ("exact", WORDS[found]) if found in WORDS else ("differs", found)
