"""The parts of a map: how each looks, and the list of them with their sizes."""

from collections.abc import Mapping

from pondera._map.facts import Facts, is_mixing, mixer_kinds
from pondera._map.inks import LIT, MIXERS, PARTS, ROLE_WORDS, Look
from pondera._map.stacks import By
from pondera._numbers import binary_bytes, exact_count, plural, share, short_count
from pondera._svg import Sheet, number


def look_of(role: str, kind: Mapping[str, object] | None) -> Look:
    """How a part of a layer looks: attention as its mixer does."""
    if role == "lit":
        return LIT
    if is_mixing(role) and kind is not None:
        names = [name for name in mixer_kinds(kind) if name != "none"]
        own = [name for name in names if (name == "state") == (role == "state")]
        if names:
            return MIXERS[(own or names)[0]]
    return PARTS[role]


def exactly(count: int, by: By) -> str:
    """A size with all its digits, and in short."""
    if by == "bytes":
        return f"{exact_count(count)} bytes ({binary_bytes(count)})"
    return f"{exact_count(count)} parameters ({short_count(count)})"


def draw_parts(sheet: Sheet, facts: Facts, by: By, left: float, top: float, width: float) -> float:
    """Lists the parts with their sizes; gives the line below the last.

    Args:
        sheet: Where.
        facts: The model.
        by: What is listed first.
        left: The left end.
        top: The first line.
        width: How wide it is.
    """
    roles = sorted(facts.shown["roles"].items(), key=lambda one: -one[1][by])
    roles = [(role, one) for role, one in roles if one["tensors"]]
    shown, rest = roles[:9], roles[9:]
    at = top
    for role, one in shown:
        look = look_of(role, facts.kind_with(role))
        hover = f"{role}: {exact_count(one['tensors'])} tensors, {exact_count(one['parameters'])} parameters"
        hover += f", {exact_count(one['active'])} for each token"
        known = not facts.shown["bytes_unknown"]
        if known:
            hover += f", {exact_count(one['bytes'])} bytes"
            dtypes = (facts.shown["dtypes"] or {}).get(role, {})
            hover += f" as {', '.join(dtypes)}" if dtypes else ""
        with sheet.group(hover):
            sheet.rect(left, at - 9, 13, 10, look.ink, pattern=look.pattern, radius=1.5)
            if role == "expert" and one["active"] < one["parameters"]:
                lit = max(13 * one["active"] / one["parameters"], 1.5)
                sheet.rect(left, at - 9, lit, 10, "yellow")
            sheet.text(left + 20, at, ROLE_WORDS.get(role, role), 11.5, room=94)
            sheet.text(left + width * 0.61, at, facts.say(one[by], by), 11.5, anchor="end")
            sheet.text(
                left + width * 0.795, at, share(one[by], facts.size(by)), 11.5, ink="soft", anchor="end"
            )
            sheet.text(
                left + width,
                at,
                _stored(facts, role, one) if known else "",
                11,
                ink="soft",
                anchor="end",
                room=62,
            )
        at += 16
    if rest:
        sheet.text(left + 20, at, f"and {plural(len(rest), 'smaller part')}", 11, ink="soft")
        at += 16
    return at


def _stored(facts: Facts, role: str, one: Mapping[str, int]) -> str:
    """How a role is stored: its one dtype, or bits for each weight."""
    dtypes = (facts.shown["dtypes"] or {}).get(role, {})
    if len(dtypes) == 1 and one["parameters"]:
        return str(next(iter(dtypes)))
    if not one["parameters"]:
        return ""
    hundredths = (one["bytes"] * 1600 + one["parameters"]) // (2 * one["parameters"])
    return f"{number(hundredths / 100)} bits"
