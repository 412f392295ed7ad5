"""The mind of a model in a notebook."""

from pondera._html.frame import bar, block, heading, hover, picture, table, words
from pondera._map import draw
from pondera._native import Architecture
from pondera._numbers import exact_count, share, short_count


def architecture_html(architecture: Architecture) -> str:
    """An architecture: a heading, its roles with their share of the parameters as bars, and its map."""
    facts = [
        architecture.class_name or architecture.family,
        f"{exact_count(architecture.parameters)} parameters",
        f"{exact_count(architecture.active_parameters)} active",
        architecture.pattern(),
    ]
    largest = max((count.parameters for count in architecture.roles.values()), default=0)
    rows = [
        [
            words(role),
            exact_count(count.tensors),
            hover(short_count(count.parameters), exact_count(count.parameters)),
            hover(short_count(count.active_parameters), exact_count(count.active_parameters)),
            share(count.parameters, architecture.parameters),
            bar(count.parameters, largest),
        ]
        for role, count in architecture.roles.items()
    ]
    total = [
        "total",
        exact_count(sum(count.tensors for count in architecture.roles.values())),
        short_count(architecture.parameters),
        short_count(architecture.active_parameters),
        "100.0%",
        "",
    ]
    titles = ["role", "tensors", "parameters", "active", "share", ""]
    return block(
        heading(architecture.model_type, "", facts),
        table(titles, rows, total, left={0, 5}),
        picture(draw(architecture).svg),
    )
