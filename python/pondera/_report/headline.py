"""What a report begins with: a model in a few sentences."""

from pondera._fit_view import asked_facts, layout, where
from pondera._native import Fit
from pondera._numbers import binary_bytes, plural, short_count
from pondera._report.subject import Subject


def headline(subject: Subject) -> str:
    """How heavy a model is, what it remembers, and where it fits, as far as that is known."""
    return " ".join(sentence for sentence in (_weight(subject), _cache(subject), _place(subject)) if sentence)


def _weight(subject: Subject) -> str:
    facts = subject.facts
    total = facts.total
    if not total["parameters"]:
        return ""
    words = f"{subject.title} has {short_count(total['parameters'])} parameters"
    if not facts.unknown and total["active"] != total["parameters"]:
        words += f", of which a token goes through {short_count(total['active'])}"
    if facts.shown["bytes_unknown"]:
        return f"{words}."
    as_what = facts.shown["storage"] or "as they are stored"
    return f"{words}; its weights take {binary_bytes(total['bytes'])} ({as_what})."


def _cache(subject: Subject) -> str:
    cache = subject.shown["cache"]
    if not cache or not cache["layers"]:
        return ""
    if not cache["bytes_per_token"]:
        return "What it remembers does not grow with the context."
    return f"Each token of context takes {binary_bytes(cache['bytes_per_token'])} of cache in 16 bits."


def _place(subject: Subject) -> str:
    fits = subject.fits
    if not fits:
        return ""
    engine, requests = asked(fits[0])
    one = requests.startswith("1 ")
    requests = f"one{requests[1:]}" if one else requests
    words = f"With {engine}, {requests}{',' if ',' in requests else ''} "
    if len(fits) == 1:
        yes, no = ("fits", "does not fit") if one else ("fit", "do not fit")
        words += f"{yes if fits[0].fits else no} on {where(fits[0])}"
    else:
        count = sum(one.fits for one in fits)
        words += f"{'fits' if one else 'fit'} on {count or 'none'} of {plural(len(fits), 'GPU')}"
    if subject.would:
        words += f"; it would on {where(subject.would)}{layout(subject.would)}"
    left = [f"{name} is left out: {why}." for name, why in subject.refused.items()]
    return " ".join([f"{words}.", *left])


def asked(fit: Fit) -> tuple[str, str]:
    """What an estimate is of, said or assumed: the engine, and the requests."""
    facts = asked_facts(fit.to_dict())
    return facts["engine"], facts["requests"]
