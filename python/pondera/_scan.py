"""Scans of what lies on this machine or on the Hub: one model, all models at a path, or many of them."""

from __future__ import annotations

from pondera import _native
from pondera._native import Checkpoint, PonderaError, Tree, no_checkpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from os import PathLike

    from pondera._hub.crew import Crew
    from pondera._hub.target import HubTarget
    from pondera._hub.wire import Wire

    Progress = Callable[[int, int], object]

CONCURRENCY = 8
"""Repos that `scan_many` reads at one time."""


def scan(
    path: str | PathLike[str],
    *,
    threads: int | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    offline: bool | None = None,
) -> Checkpoint:
    """Scan one model: a folder, a `.safetensors` file, a `.safetensors.index.json`, or a repo of the Hub.

    Only headers are read, never tensor data. What is wrong with a file does not raise: it is listed in
    `Checkpoint.problems`, and the rest is still tallied. Other Python threads run meanwhile; Ctrl-C works.

    Args:
        path: The folder or file. A folder that is a model and has others below it counts as that model alone.
            Where there is no such path, `org/name`, `org/name@revision` and `org/name:sub/folder` are repos
            of the Hub; `hf://org/name@revision/sub/folder` is one whatever lies here.
        threads: Number of threads to parse with; one per core if not given.
        revision: A branch, a tag or a commit of the repo; its default branch if not given.
        token: A token for the Hub; that of `huggingface_hub` if not given, none if False.
        offline: Whether to read only what was read before; as `HF_HUB_OFFLINE` says if not given.

    Returns:
        The checkpoint. Of a repo, its paths begin with `hf://`.

    Raises:
        FileNotFoundError: There is nothing at the path.
        OSError: The path cannot be looked at; `PermissionError` if that is not allowed.
        NoCheckpoint: There are no safetensors at or below the path, or the file is of another kind.
        SeveralCheckpoints: The folder holds several checkpoints and is not one itself; `paths` names them.
        HubError: The Hub does not give it: no such repo or revision, gated, offline, ...
        ValueError: The path is empty, or `threads` is less than 1.
    """
    target = _on_hub(path, revision)
    if target is None:
        return _native.scan(path, threads=threads)
    from pondera._hub import opening

    return opening.scan(target, token=token, offline=offline, threads=threads)


def scan_tree(
    path: str | PathLike[str],
    *,
    threads: int | None = None,
    progress: Progress | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    offline: bool | None = None,
) -> Tree:
    """Scan every model at or below a path, or of a repo of the Hub, in path order.

    A folder without models gives an empty tree.

    Args:
        path: The folder, file or repo, as for `scan`.
        threads: Number of threads to read with; one per core if not given.
        progress: Called about every 50 ms, on the calling thread, with the number of files read and of files
            found so far (0 while folders are being listed). What it raises stops the scan and is raised here.
        revision: A branch, a tag or a commit of the repo; its default branch if not given.
        token: A token for the Hub; that of `huggingface_hub` if not given, none if False.
        offline: Whether to read only what was read before; as `HF_HUB_OFFLINE` says if not given.

    Returns:
        All checkpoints that were found.

    Raises:
        FileNotFoundError: There is nothing at the path.
        OSError: The path cannot be looked at; `PermissionError` if that is not allowed.
        NoCheckpoint: The path is a file of another kind.
        HubError: The Hub does not give it.
        ValueError: The path is empty, or `threads` is less than 1.
    """
    target = _on_hub(path, revision)
    if target is None:
        return _native.scan_tree(path, threads=threads, progress=progress)
    from pondera._hub import opening

    return opening.scan_tree(target, token=token, offline=offline, threads=threads, progress=progress)


class Scanned:
    """What `scan_many` gives of one target.

    Attributes:
        target: As it was given.
        tree: Every checkpoint of it; None if it gave none.
        error: Why it gave none; None if it gave some.
    """

    __slots__ = ("error", "target", "tree")

    def __init__(self, target: str, tree: Tree | None, error: Exception | None) -> None:
        self.target = target
        self.tree = tree
        self.error = error

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Its checkpoints: mostly one."""
        return tuple(self.tree or ())

    def __repr__(self) -> str:
        from pondera._numbers import plural

        what = self.error if self.tree is None else plural(len(self.tree), "checkpoint")
        return f"Scanned({self.target!r}, {what})"


def scan_many(
    targets: Iterable[str | PathLike[str]],
    *,
    concurrency: int = CONCURRENCY,
    token: str | bool | None = None,
    offline: bool | None = None,
) -> Iterator[Scanned]:
    """Scan many repos and folders, several at one time, and give each as soon as it is done.

    What fails does not stop the rest: its `error` says why. Targets are taken as they are needed and nothing
    is kept of those that were given, so there may be any number of them. What was read of the Hub once is not
    asked
    again: a run that was stopped goes on where it was.

    Args:
        targets: As for `scan`.
        concurrency: How many are read at one time.
        token: A token for the Hub; that of `huggingface_hub` if not given, none if False.
        offline: Whether to read only what was read before; as `HF_HUB_OFFLINE` says if not given.

    Yields:
        A `Scanned` for each target, in the order in which they are done.

    Raises:
        ValueError: The concurrency is less than 1.
    """
    if concurrency < 1:
        raise ValueError(f"concurrency must be at least 1, not {concurrency}")
    return _scan_many(iter(targets), concurrency, token, offline)


def _scan_many(
    targets: Iterator[str | PathLike[str]], concurrency: int, token: str | bool | None, offline: bool | None
) -> Iterator[Scanned]:
    from contextlib import ExitStack
    from os import fspath
    from queue import Empty, SimpleQueue

    from pondera._hub.crew import Crew
    from pondera._hub.opening import wire_of

    with ExitStack() as stack:
        crew = stack.enter_context(Crew(concurrency))
        crew.call_up(concurrency)
        line: tuple[Wire, Crew] | None = None
        results: SimpleQueue[tuple[str, Tree | None, BaseException | None]] = SimpleQueue()
        under_way = 0
        left = True
        while left or under_way:
            while left and under_way < concurrency:
                target = next(targets, None)
                if target is None:
                    left = False
                    break
                text = fspath(target)
                under_way += 1
                try:
                    repo = _on_hub(text, None)
                    if repo is not None and line is None:
                        line = stack.enter_context(wire_of(token, offline))
                except PonderaError as refused:
                    results.put((text, None, refused))
                    continue
                crew.give(lambda text=text, repo=repo, line=line: _one(text, repo, line), text, results)  # type: ignore[misc]
            if not under_way:
                return
            try:
                name, tree, error = results.get(timeout=0.1)
            except Empty:
                # Python looks at signals in between.
                continue
            under_way -= 1
            if error is not None and not isinstance(error, (PonderaError, OSError, ValueError)):
                raise error
            yield Scanned(name, tree, error)


def _one(text: str, repo: HubTarget | None, line: tuple[Wire, Crew] | None) -> Tree:
    if repo is None or line is None:
        tree = _native.scan_tree(text, threads=1)
    else:
        from pondera._hub.reading import Reading

        wire, crew = line
        tree = Reading(wire, repo, tree=True).read(crew).tree(threads=1)
    if not tree:
        raise no_checkpoint(tree)
    return tree


def _on_hub(path: object, revision: str | None) -> HubTarget | None:
    """The repo that a path means, if it means one. Nothing of the Hub is imported for a path that cannot."""
    if isinstance(path, str) and "/" in path:
        from pondera._hub.target import hub_target

        target = hub_target(path, revision)
        if target is not None:
            return target
    if revision is not None:
        raise PonderaError(
            f"{path}: revision {revision!r} is of a repo of the Hub, and this is none; leave it out"
        )
    return None
