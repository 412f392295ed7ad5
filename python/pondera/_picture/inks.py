"""What stands for what in pictures of estimates; the inks themselves are those of maps."""

from pondera._fit_view import MARKS
from pondera._map.inks import INKS, Look
from pondera._svg import Ink

_LOOKS = {
    "weights": ("blue", None, "paper"),
    "cache": ("orange", "waves", "night"),
    "activations": ("green", "dots", "paper"),
    "overhead": ("purple", "bars", "night"),
    "cuda_context": ("slate", "rows", "paper"),
    "cuda_graphs": ("sky", "crosses", "night"),
}

COMPONENTS = {
    name: Look(letter, *_LOOKS[name][:2], name.replace("_", " "), _LOOKS[name][2])
    for name, (_, letter, _) in MARKS.items()
}
"""Components of memory, in the order of the bar; their letters are those of the terminal."""

SPARE = Look("·", "panel", None, "to spare", "ink")
OUTSIDE = Look("/", "pale", "hatch", "kept free", "ink")
FILLED = Look("+", "pale", "grid", "filled by the engine", "ink")
"""What lies beside the components, as `pondera._picture.bar` explains."""

LEVELS = (
    Ink("#E3EEF6", "#16303F"),
    Ink("#B9D7EA", "#1D4A66"),
    Ink("#85BBDD", "#28688F"),
    Ink("#3F93C8", "#3D93C9"),
    Ink("#005F96", "#8FCDF3"),
)
"""A ramp of one hue for levels that fit, by fifths: what is fuller stands out more from the page."""

PICTURE_INKS = {**INKS, **{f"level{at}": ink for at, ink in enumerate(LEVELS)}}
