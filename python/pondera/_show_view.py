"""What a model looks like in a terminal: body and mind in one page."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pondera._numbers import binary_bytes, both_bytes, exact_count, plural, share, short_count
from pondera._text import Column, Row, Screen, shortened, table

_SEVERITIES = {"error": "red", "warning": "yellow", "info": "dim"}
_LABEL_WIDTH = 12
_LONGEST = 400
"""Characters of a name, a value or a remark of a config at the most."""


def model_view(
    screen: Screen, shown: Mapping[str, Any], changes: Sequence[Mapping[str, Any]] = ()
) -> list[str]:
    """The lines for one model.

    Args:
        screen: What the lines must fit.
        shown: The model in schema `pondera.show/1`.
        changes: What a what-if changed, field by field, if one was asked for.
    """
    lines = [*_heading(screen, shown), ""]
    if shown["unknown"]:
        lines += screen.prose(f"the config says no more: {shown['unknown']}", "  ", "yellow")
    if shown["roles"]:
        lines += [*_roles(screen, shown), ""]
        lines += [line for label, text in facts(shown) for line in _fact(screen, label, text)]
    lines += change_lines(screen, changes)
    lines += disagreement_lines(screen, shown["disagreements"])
    for one in shown["assumptions"]:
        lines += screen.prose(f"assumed: {one['field']} = {one['value']} ({one['reason']})", "  ", "dim")
    return lines


def disagreement_lines(screen: Screen, disagreements: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each thing in which body and mind disagree, worst first."""
    return [
        line
        for one in disagreements
        for line in screen.prose(disagreement_words(one), "  ", _SEVERITIES[one["severity"]])
    ]


def disagreement_words(one: Mapping[str, Any]) -> str:
    """A thing in which body and mind disagree, and its likely cause."""
    text = f"{one['severity']}: {one['kind']}: {plural(one['count'], 'tensor')} {one['pattern']}"
    if one["expected"] is not None and one["found"] is not None:
        text += f" (config: {_shape(one['expected'])}, weights: {_shape(one['found'])})"
    return f"{text}: {one['cause']}"


def change_lines(screen: Screen, changes: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each field that a what-if changed: whether the same weights fit, and what it costs."""
    return [line for one in changes for line in screen.prose(change_words(one), "  ", "cyan")]


def change_words(change: Mapping[str, Any]) -> str:
    """What a what-if changed in one field, whether the same weights fit, and what it costs."""
    words = {
        "structural": "needs new weights",
        "runtime": "runs on the same weights",
        "inert": "changes neither size nor memory",
    }
    costs = [
        f"{change[name]:+,} {unit}"
        for name, unit in (
            ("parameters", "parameters"),
            ("active_parameters", "active"),
            ("bytes_per_token", "cache bytes per token"),
            ("flops_per_token", "FLOPs per token"),
        )
        if change[name]
    ]
    before, after = (shortened(json.dumps(change[end]), _LONGEST) for end in ("from", "to"))
    field, note = (shortened(change[name] or "", _LONGEST) for name in ("field", "note"))
    text = f"set {field}: {before} -> {after}: {change['class']}, {words[change['class']]}"
    return "; ".join(filter(None, [text, ", ".join(costs), note]))


def _heading(screen: Screen, shown: Mapping[str, Any]) -> list[str]:
    facts = [shown["class"] or shown["model_type"], shown["dtype"], shown["quantization"]]
    if shown["parameters"] is not None:
        facts.append(f"{short_count(shown['parameters'])} parameters")
        if shown["active_parameters"] != shown["parameters"]:
            facts.append(f"{short_count(shown['active_parameters'])} active")
    body = shown["checkpoint"]
    if body:
        facts.append(both_bytes(body["stored_bytes"]) + " stored")
    dot = " · " if screen.unicode else " - "
    return [screen.paint(shown["name"], "bold"), *screen.prose(dot.join(filter(None, facts)), "  ")]


def _roles(screen: Screen, shown: Mapping[str, Any]) -> list[str]:
    columns = [
        Column("role", "label"),
        Column("tensors", optional=1),
        Column("parameters"),
        Column("", optional=3, style="dim"),
        Column("active", optional=2),
        Column("share"),
        Column("", "bar", optional=4, style="cyan"),
    ]
    rows = [
        Row(
            [
                role,
                exact_count(count["tensors"]),
                short_count(count["parameters"]),
                f"({exact_count(count['parameters'])})",
                short_count(count["active"]),
                share(count["parameters"], shown["parameters"]),
                count["parameters"],
            ]
        )
        for role, count in shown["roles"].items()
    ]
    total = [
        "total",
        exact_count(sum(count["tensors"] for count in shown["roles"].values())),
        short_count(shown["parameters"]),
        f"({exact_count(shown['parameters'])})",
        short_count(shown["active_parameters"]),
        "100.0%",
        "",
    ]
    return table(screen, columns, rows, Row(total, "bold"))


def facts(shown: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a model is, but for its roles: a label and words for each thing that is known.

    Args:
        shown: The model in schema `pondera.show/1`.
    """
    facts = [
        (stack if stack != "decoder" else "layers", stacked["pattern"])
        for stack, stacked in shown["layers"].items()
    ]
    if heads := shown["heads"]:
        facts.append(("heads", _heads(heads)))
    if experts := shown["experts"]:
        text = f"{experts['per_token']} of {experts['experts']} per token, each {experts['width']:,} wide"
        if experts["shared_width"]:
            text += f"; shared {experts['shared_width']:,} wide"
        facts.append(("experts", text))
    if shown["hidden_size"]:
        facts.append(("width", f"{shown['hidden_size']:,}"))
    if shown["vocab_size"]:
        facts.append(("vocabulary", f"{shown['vocab_size']:,}"))
    if rope := shown["rope"]:
        base = "" if rope["base"] is None else f", base {rope['base']:,.0f}"
        factor = "" if rope["factor"] is None else f", factor {rope['factor']:g}"
        facts.append(("rope", f"{rope['kind']}{factor}{base}"))
    if shown["context"]:
        facts.append(("context", f"{shown['context']:,} tokens"))
    facts += _cache(shown["cache"])
    if shown["flops_per_token"]:
        facts.append(
            ("compute", f"{short_count(shown['flops_per_token'])} FLOPs per token, without attention")
        )
    return facts


def _heads(heads: Mapping[str, Any]) -> str:
    if kinds := heads.get("kinds"):
        return "; ".join(f"{plural(kind['layers'], 'layer')} with {_heads(kind)}" for kind in kinds)
    if "latent_rank" in heads:
        return (
            f"{heads['heads']} over a latent vector of {heads['latent_rank']} and a rotary key of "
            f"{heads['rope_dim']}"
        )
    return f"{heads['heads']} for queries, {heads['kv_heads']} for keys and values, {heads['head_dim']} wide"


def _cache(cache: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not cache["layers"]:
        return []
    per_token = f"{cache['bytes_per_token']:,} bytes per token"
    if cache["bytes_per_token_at_start"] != cache["bytes_per_token"]:
        per_token = f"{cache['bytes_per_token_at_start']:,} bytes per token, {cache['bytes_per_token']:,}"
        if cache["saturates_at"]:
            windows = ", ".join(f"{window:,}" for window in cache["saturates_at"])
            per_token += f" once windows are full (at {windows} tokens)"
    facts = [("cache", f"{per_token} in bf16, one sequence")]
    if cache["state_bytes_per_sequence"]:
        facts.append(("state", f"{both_bytes(cache['state_bytes_per_sequence'])} per sequence"))
    if cache["cross_bytes_per_sequence"]:
        facts.append(
            ("encoder", f"{both_bytes(cache['cross_bytes_per_sequence'])} of keys and values per sequence")
        )
    sizes = [
        f"{_tokens(int(tokens))} {binary_bytes(size)}"
        for tokens, size in sorted(cache["bytes"].items(), key=lambda item: int(item[0]))
        if size is not None
    ]
    facts.append(("", ", ".join(sizes)))
    return facts


def _tokens(tokens: int) -> str:
    return f"{tokens // 1024}k" if tokens % 1024 == 0 else f"{tokens:,}"


def _fact(screen: Screen, label: str, text: str) -> list[str]:
    # Wrapped together with its label, so that the first line fits too.
    begin = f"  {label.ljust(_LABEL_WIDTH)}"
    first, *rest = screen.prose(begin + text, " " * len(begin))
    return [f"  {screen.paint(begin[2:], 'dim')}{first[len(begin) :]}", *rest]


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"
