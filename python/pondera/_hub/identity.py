"""Who asks, and where: endpoint, token, proxies, timeouts and folders, all as `huggingface_hub` has them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

from pondera._hub.failure import HubError
from pondera._native import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USUAL_PORTS = {"http": 80, "https": 443}
OLDEST = 1
"""The first major version of `huggingface_hub` whose client can be asked for ranges as it is here."""


def library() -> Any:  # noqa: ANN401
    """The module `huggingface_hub`.

    Raises:
        HubError: It is not there, or too old.
    """
    try:
        import huggingface_hub
    except ImportError as error:
        raise HubError(
            "reading from the Hub needs huggingface_hub, which is not there; pip install 'pondera[hub]'"
        ) from error
    version = str(huggingface_hub.__version__)
    if int(version.partition(".")[0]) < OLDEST:
        raise HubError(f"huggingface_hub {version} is too old; pip install -U 'pondera[hub]'")
    return huggingface_hub


class Hub:
    """A Hub and who asks it.

    Attributes:
        endpoint: Its address, without a slash at the end: `HF_ENDPOINT`, or the public one.
        origin: Scheme, host and port of it, to which alone the token goes.
        headers: What goes with every request there, the token among them.
        offline: Whether nothing may be asked of it.
        timeout: Seconds without a byte after which a connection counts as broken.
    """

    def __init__(self, token: str | bool | None = None, *, offline: bool | None = None) -> None:
        """Finds it out.

        Args:
            token: A token; None for that of the environment or of `hf auth login`, False for none.
            offline: Whether to stay offline; as `HF_HUB_OFFLINE` says if None.

        Raises:
            HubError: `huggingface_hub` is not there or too old, or there is no token and one was asked for.
        """
        library()
        from huggingface_hub import constants, errors
        from huggingface_hub.utils import build_hf_headers

        self.endpoint = constants.ENDPOINT.rstrip("/")
        self.origin = origin_of(self.endpoint)
        try:
            self.headers: dict[str, str] = build_hf_headers(
                token=token, library_name="pondera", library_version=__version__
            )
        except errors.LocalTokenNotFoundError as error:
            raise HubError(
                "a token was asked for, and there is none; log in with `hf auth login` or set HF_TOKEN"
            ) from error
        self.offline = bool(constants.HF_HUB_OFFLINE) if offline is None else offline
        self.timeout = float(constants.HF_HUB_DOWNLOAD_TIMEOUT)

    def revision_url(self, repo: str, revision: str | None) -> str:
        """Where the commit of a revision is told."""
        if revision is None:
            return f"{self.endpoint}/api/models/{repo}"
        return f"{self.endpoint}/api/models/{repo}/revision/{quote(revision, safe='')}"

    def tree_url(self, repo: str, commit: str) -> str:
        """Where the files of a commit are listed."""
        return f"{self.endpoint}/api/models/{repo}/tree/{commit}?recursive=true&expand=false"

    def file_url(self, repo: str, commit: str, file: str) -> str:
        """Where a file is."""
        return f"{self.endpoint}/{repo}/resolve/{commit}/{quote(file)}"


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address, the port of the scheme where none is named."""
    parts = urlsplit(url)
    try:
        return parts.scheme, (parts.hostname or "").lower(), parts.port or USUAL_PORTS.get(parts.scheme)
    except ValueError as error:
        raise HubError(
            f"HF_ENDPOINT {url!r} is no web address ({error}); write it as https://host"
        ) from error


def library_cache(repo: str) -> Path:
    """Where `huggingface_hub` keeps the files of a repo."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"


def own_cache() -> Path:
    """The folder of pondera among the user's caches: `PONDERA_CACHE`, or where the system has them."""
    named = os.environ.get("PONDERA_CACHE")
    if named:
        return Path(named)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return Path(base) / "pondera" / "cache" if base else Path.home() / "AppData/Local/pondera/cache"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/pondera"
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(base) / "pondera" if base else Path.home() / ".cache/pondera"
