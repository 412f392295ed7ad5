"""What a target of the Hub gives: a checkpoint, all checkpoints of a repo, or a model with its config."""

from __future__ import annotations

from contextlib import contextmanager

from pondera._hub.crew import Crew
from pondera._hub.identity import Hub
from pondera._hub.reading import Reading
from pondera._hub.wire import Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pondera._hub.reading import Progress
    from pondera._hub.target import HubTarget
    from pondera._native import Checkpoint, HubScan, Model, Tree


@contextmanager
def wire_of(token: str | bool | None, offline: bool | None) -> Iterator[tuple[Wire, Crew]]:
    """Who asks and who fetches, for as long as it takes; what is under way ends with it.

    Args:
        token: A token; None for that of `huggingface_hub`, False for none.
        offline: Whether to stay offline; as `HF_HUB_OFFLINE` says if None.
    """
    wire = Wire(Hub(token, offline=offline))
    with Crew() as crew:
        try:
            yield wire, crew
        finally:
            wire.stop()


@contextmanager
def _read(
    target: HubTarget,
    *,
    tree: bool,
    token: str | bool | None,
    offline: bool | None,
    progress: Progress | None,
) -> Iterator[HubScan]:
    with wire_of(token, offline) as (wire, crew):
        yield Reading(wire, target, tree=tree).read(crew, progress)


def scan(
    target: HubTarget,
    *,
    token: str | bool | None = None,
    offline: bool | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Checkpoint:
    """The one checkpoint of a target."""
    with _read(target, tree=False, token=token, offline=offline, progress=progress) as found:
        return found.checkpoint(threads=threads)


def scan_tree(
    target: HubTarget,
    *,
    token: str | bool | None = None,
    offline: bool | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Tree:
    """Every checkpoint of a target."""
    with _read(target, tree=True, token=token, offline=offline, progress=progress) as found:
        return found.tree(threads=threads)


def model(target: HubTarget, assume: str | None = None) -> Model:
    """The model of a target: its weights, and its config where there is one."""
    from pondera import _talk

    with _talk.ProgressBar("files", "asking the Hub") as bar:
        progress = bar.update if _talk.in_program and bar.wanted else None
        with _read(target, tree=False, token=None, offline=None, progress=progress) as found:
            return found.model(assume=assume)
