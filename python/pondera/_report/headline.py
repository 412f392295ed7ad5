"""What a report begins with: a model in a few sentences."""

from pondera._fit_view import layout, where
from pondera._numbers import decimal_bytes, plural, short_count
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
    return f"{words}; its weights take {decimal_bytes(total['bytes'])} ({as_what})."


def _cache(subject: Subject) -> str:
    cache = subject.shown["cache"]
    if not cache or not cache["layers"]:
        return ""
    if not cache["bytes_per_token"]:
        return "What it remembers does not grow with the context."
    return f"Each token of context takes {decimal_bytes(cache['bytes_per_token'])} of cache in 16 bits."


def _place(subject: Subject) -> str:
    fits = subject.fits
    if not fits:
        return ""
    if len(fits) == 1:
        words = f"{'Fits' if fits[0].fits else 'Does not fit'} on {where(fits[0])}"
    else:
        count = sum(one.fits for one in fits)
        words = f"As asked it fits on {count or 'none'} of {plural(len(fits), 'GPU')}"
    if subject.would:
        words += f"; it would on {where(subject.would)}{layout(subject.would)}"
    return f"{words}."
