"""Models of the Hub, weighed by their headers alone.

`huggingface_hub` says who asks and where, and its client makes the requests; ranges of files are fetched
here, and the core reads them as it reads files on this machine. Nothing of it is imported before it is
needed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pondera._native import Model


def model_of(target: str, assume: str | None = None) -> Model | None:
    """The model that a text asks of the Hub; None if the text means something else.

    The core calls this for texts that may name a repo.

    Args:
        target: A path, a name or a repo.
        assume: A model type to take where that of the config is not known.

    Raises:
        HubError: The Hub does not give it.
        NoCheckpoint: There is neither a config nor a safetensors file in the repo.
    """
    from pondera._hub.target import hub_target

    asked = hub_target(target)
    if asked is None:
        return None
    from pondera._hub import opening
    from pondera._hub.failure import HubError

    try:
        return opening.model(asked, assume)
    except HubError as error:
        known = _built_in(asked.repo)
        if known is None or asked.revision or asked.folder:
            raise
        raise HubError(f"{error}; its config alone is built in: {known}") from error


def _built_in(repo: str) -> str | None:
    """The built-in model of the same name, whoever published it."""
    from pondera._native import built_in_models

    name = repo.partition("/")[2].lower()
    return next((one["name"] for one in built_in_models() if name in (one["name"], *one["aliases"])), None)
