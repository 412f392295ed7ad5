"""The inks of maps, and what stands for what: kinds of mixers and parts have an ink, a pattern and a letter.

The colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color), which colour-blind eyes tell
apart; on dark pages the blue and the purple are lighter.
"""

from dataclasses import dataclass

from pondera._svg import Ink, Pattern

INKS = {
    "paper": Ink("#ffffff", "#0f141a"),
    "ink": Ink("#17202a", "#e8edf2"),
    "soft": Ink("#566371", "#a3afbb"),
    "rule": Ink("#d5dbe1", "#303a45"),
    "panel": Ink("#f4f6f8", "#171e26"),
    "blue": Ink("#0072B2", "#3D9BD6"),
    "sky": Ink("#56B4E9", "#7CC8F2"),
    "green": Ink("#009E73", "#17B588"),
    "orange": Ink("#E69F00", "#E69F00"),
    "vermilion": Ink("#D55E00", "#E8732B"),
    # Vermilion that is dark enough for words: 4.5 to 1 against paper and panel (WCAG 2.2, 1.4.3).
    "alarm": Ink("#B84E00", "#E8732B"),
    "purple": Ink("#CC79A7", "#DB93BB"),
    "yellow": Ink("#F0E442", "#F0E442"),
    "slate": Ink("#8593A1", "#6E7C8A"),
    "deep": Ink("#4A5764", "#94A2B0"),
    "pale": Ink("#CDD5DC", "#3A4652"),
    "light": Ink("#ffffff", "#ffffff"),
    "night": Ink("#17202a", "#0f141a"),
    "lit": Ink("#7A6C00", "#F0E442"),
}

PATTERNS = {
    "hatch": Pattern(6, "M-1 7L7 -1M-1 1L1 -1M5 7L7 5", "paper", 1.3),
    "bars": Pattern(7, "M3.5 0V7", "paper", 1.6),
    "dots": Pattern(6, "M2 3H4", "paper", 2),
    "rows": Pattern(5, "M0 2.5H5", "paper", 1.2),
    "waves": Pattern(10, "M0 6Q2.5 1 5 5T10 6", "paper", 1.3),
    "crosses": Pattern(8, "M2 2L6 6M6 2L2 6", "paper", 1.2),
    "grid": Pattern(6, "M0 3H6M3 0V6", "paper", 1),
    "specks": Pattern(5, "M2 2.5H3", "soft", 1),
}


@dataclass(frozen=True, slots=True)
class Look:
    """How a kind or part looks.

    Attributes:
        letter: The letter that stands for it.
        ink: Its ink.
        pattern: The pattern over it, if it has one.
        words: What it is, in a few words.
        on: The ink of words that are written on it.
    """

    letter: str
    ink: str
    pattern: str | None
    words: str
    on: str = "light"


MIXERS = {
    "full": Look("F", "blue", None, "full: every token"),
    "sliding": Look("S", "sky", "hatch", "sliding: the last tokens only", "night"),
    "chunked": Look("C", "sky", "bars", "chunked: its own stretch only", "night"),
    "latent": Look("L", "green", "dots", "latent: every token, in short form"),
    "compressed": Look("Z", "purple", "rows", "compressed: groups of tokens as one", "night"),
    "state": Look("R", "orange", "waves", "state: a summary that fades", "night"),
    "cross": Look("X", "vermilion", "crosses", "cross: what the encoder saw"),
    "stateless": Look("N", "deep", "rows", "stateless: mixes without memory", "paper"),
    "none": Look("O", "slate", None, "none: each token by itself"),
}
"""Kinds of mixers, in the order of the key."""

PARTS = {
    "embedding": Look("E", "deep", None, "embedding: a row for each word", "paper"),
    "position": Look("P", "deep", "bars", "positions", "paper"),
    "attention": Look("A", "blue", None, "attention"),
    "state": Look("R", "orange", "waves", "state", "night"),
    "mlp": Look("M", "slate", None, "feed-forward", "light"),
    "router": Look("Q", "deep", "dots", "router", "paper"),
    "expert": Look("e", "pale", "specks", "experts", "ink"),
    "shared_expert": Look("s", "slate", None, "shared expert"),
    "norm": Look("n", "deep", None, "norms", "paper"),
    "head": Look("H", "deep", "rows", "head: a score for each word", "paper"),
    "vision": Look("V", "purple", "grid", "vision", "night"),
    "audio": Look("U", "purple", "bars", "audio", "night"),
    "projector": Look("J", "purple", None, "projector: joins them to the text", "night"),
    "mtp": Look("T", "green", "hatch", "predicts further tokens"),
    "adapter": Look("D", "vermilion", "dots", "adapter"),
    "other": Look("?", "pale", "crosses", "other", "ink"),
}
"""Roles of tensors. Those of attention are drawn as their mixer is."""

LIT = Look("*", "yellow", None, "lit: the experts a token visits", "night")
"""The share of the experts that a token visits."""

ROLE_WORDS = {
    "mlp": "feed-forward",
    "expert": "experts",
    "shared_expert": "shared expert",
    "mtp": "further tokens",
}
"""Words for roles, where their names are not words."""


def mixer_meaning(kind: str, *, ahead: bool) -> str:
    """What a kind of mixer sees, in a few words.

    Args:
        kind: The kind.
        ahead: Whether its layers look ahead as well as back, as those of encoders do.
    """
    words = MIXERS[kind].words
    return words.replace("the last tokens", "the nearest tokens") if ahead else words
