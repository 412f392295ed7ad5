"""The cache that `huggingface_hub` keeps for a user: where it is, and what it holds."""

from __future__ import annotations

import os

from pondera import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from pathlib import Path


def cache_folder() -> Path:
    """Where the cache of the user is, whether it is there or not.

    As `huggingface_hub` says, if that is installed; else as its documentation says: `HF_HUB_CACHE`, or `hub`
    in `HF_HOME`, or `huggingface/hub` among the user's caches.
    """
    from pathlib import Path

    try:
        from huggingface_hub import constants
    except ImportError:
        own = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
        if own:
            return Path(own).expanduser()
        caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
        home = Path(os.environ.get("HF_HOME") or caches / "huggingface")
        return (home / "hub").expanduser()
    return Path(constants.HF_HUB_CACHE)


def scan_cache(
    path: str | PathLike[str] | None = None,
    *,
    threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> _native.HubCache:
    """Scan every model of the cache that `huggingface_hub` keeps for the user.

    A file that several revisions share counts once. Repositories of data sets and spaces are passed over.

    Args:
        path: Its folder; the user's own if not given, as `HF_HUB_CACHE` and `HF_HOME` say.
        threads: Number of threads to read with; one per core if not given.
        progress: Called as by `scan_tree`.

    Returns:
        Its repositories of models, with what each revision weighs and takes on disk.

    Raises:
        FileNotFoundError: There is no such folder.
        OSError: The folder cannot be looked at.
        ValueError: The path is empty, or `threads` is less than 1.
    """
    folder = cache_folder() if path is None else path
    return _native.scan_cache(folder, threads=threads, progress=progress)
