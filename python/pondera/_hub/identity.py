"""Who asks, and where: endpoint, token, proxies, timeouts and folders, all as `huggingface_hub` has them."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

from pondera._hub.failure import HubError
from pondera._native import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TOKEN = re.compile(r"Bearer [!-~]+")
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
            "what is no path here is a repo of the Hub, and to read one needs huggingface_hub, which is not "
            "there; pip install 'pondera[hub]'"
        ) from error
    version = str(huggingface_hub.__version__)
    if int(version.partition(".")[0]) < OLDEST:
        raise HubError(f"huggingface_hub {version} is too old; pip install -U 'pondera[hub]'")
    return huggingface_hub


class Hub:
    """A Hub and who asks it.

    Attributes:
        endpoint: Its address, without a slash at the end: `HF_ENDPOINT`, or the public one. A password in it
            is left out, as this is told to people and names a folder.
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
            HubError: `huggingface_hub` is not there or too old, there is no token and one was asked for, the
                token cannot be one, or the address is none.
        """
        library()
        from huggingface_hub import constants, errors
        from huggingface_hub.utils import build_hf_headers

        self._address = constants.ENDPOINT.rstrip("/")
        scheme, at, rest = self._address.partition("://")
        host, slash, path = rest.partition("/")
        self.endpoint = scheme + at + host.rpartition("@")[2] + slash + path
        try:
            self.origin = origin_of(self.endpoint)
        except ValueError as error:
            raise HubError(
                f"HF_ENDPOINT {self.endpoint!r} is no web address ({error}); write it as https://host"
            ) from error
        try:
            self.headers: dict[str, str] = build_hf_headers(
                token=token, library_name="pondera", library_version=__version__
            )
        except errors.LocalTokenNotFoundError as error:
            raise HubError(
                "a token was asked for, and there is none; log in with `hf auth login` or set HF_TOKEN"
            ) from error
        told = self.headers.get("authorization")
        if told is not None and not _TOKEN.fullmatch(told):
            # The client would quote it in its error, and whoever reads that could use it.
            raise HubError(
                "the token is empty or has a space, a line break or another character that no token has; "
                "see where it comes from, or log in with `hf auth login`"
            )
        self.offline = bool(constants.HF_HUB_OFFLINE) if offline is None else offline
        self.timeout = float(constants.HF_HUB_DOWNLOAD_TIMEOUT)

    def revision_url(self, repo: str, revision: str | None) -> str:
        """Where the commit of a revision is told."""
        if revision is None:
            return f"{self._address}/api/models/{repo}"
        return f"{self._address}/api/models/{repo}/revision/{quote(revision, safe='')}"

    def tree_url(self, repo: str, commit: str) -> str:
        """Where the files of a commit are listed."""
        return f"{self._address}/api/models/{repo}/tree/{commit}?recursive=true&expand=false"

    def file_url(self, repo: str, commit: str, file: str) -> str:
        """Where a file is."""
        return f"{self._address}/{repo}/resolve/{commit}/{quote(file)}"

    def mirrored_url(self, url: str) -> str:
        """An address that the Hub gave; a mirror may name the Hub that it mirrors."""
        from huggingface_hub.utils import fix_hf_endpoint_in_url

        return str(fix_hf_endpoint_in_url(url, self._address))


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an address, the port of the scheme where none is named.

    Raises:
        ValueError: It is no address of the web.
    """
    parts = urlsplit(url)
    if parts.scheme not in USUAL_PORTS or not parts.hostname:
        raise ValueError("it does not begin with https:// or http:// and a host")
    return parts.scheme, parts.hostname.lower(), parts.port or USUAL_PORTS[parts.scheme]


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
        return Path(base) / "pondera" / "cache" if base else _home() / "AppData/Local/pondera/cache"
    if sys.platform == "darwin":
        return _home() / "Library/Caches/pondera"
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(base) / "pondera" if base else _home() / ".cache/pondera"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:
        raise HubError(
            "there is no home folder to keep what was read in; set PONDERA_CACHE to another folder"
        ) from error
