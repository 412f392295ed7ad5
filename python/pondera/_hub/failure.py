"""What can go wrong with the Hub, each in one sentence: what, where, and what to do."""

from __future__ import annotations

from pondera._native import PonderaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LONGEST_ANSWER = 1 << 20
"""A page that explains an error is read if it is no longer than this."""
_ABOUT_THE_BODY = ("content-encoding", "content-length", "transfer-encoding")


class HubError(PonderaError):
    """The Hub did not give what was asked of it; the message says why, and what to do."""


class ChangedError(HubError):
    """A file is not what the list of files says of it."""


class UnsteadyError(Exception):
    """An answer that another try may mend: a broken connection, a short body, a busy server.

    Attributes:
        wait: Seconds that the server asks to wait, if it does.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def refusal(repo: str, revision: str | None, file: str | None, endpoint: str, response: Any) -> HubError:  # noqa: ANN401
    """The error of an answer that is not the file.

    Args:
        repo: As `org/name`.
        revision: What was asked for; the default branch if None.
        file: The file that was asked for, if it was one.
        endpoint: Where the Hub is.
        response: The answer of `huggingface_hub`'s client, its body not read.
    """
    from huggingface_hub import errors
    from huggingface_hub.utils import hf_raise_for_status

    page = f"{endpoint}/{repo}"
    try:
        hf_raise_for_status(_read(response))
    except errors.GatedRepoError:
        return HubError(
            f"{repo}: gated: its owner lets in only readers who ask; open {page}, agree to the terms, "
            "and log in with `hf auth login` or set HF_TOKEN"
        )
    except errors.DisabledRepoError:
        return HubError(f"{repo}: the Hub has switched this repo off; {page} may say why")
    except errors.RevisionNotFoundError:
        return HubError(
            f"{repo}: no revision {revision or 'main'!r}; {page}/tree/main lists branches and tags"
        )
    except errors.RepositoryNotFoundError:
        return missing(repo, endpoint)
    except errors.EntryNotFoundError:
        return HubError(
            f"{repo}: no file {file!r} at revision {revision or 'main'!r}, though it was listed; run again"
        )
    except (errors.HfHubHTTPError, ValueError, AttributeError):
        # It is worded below; an answer that is no JSON of the Hub's says nothing more.
        pass
    status = response.status_code
    said = response.headers.get("x-error-message") or ""
    if status == 401 and "invalid" in said.lower() and "credentials" in said.lower():
        return HubError(f"{repo}: {endpoint} does not accept your token; log in anew with `hf auth login`")
    if status == 401 or (status == 404 and file is None):
        return missing(repo, endpoint)
    if status == 403:
        return HubError(
            f"{repo}: {_host(response)} does not let you read it{_quoted(said)}; "
            f"see that your token may read {page}"
        )
    return HubError(f"{repo}: {_host(response)} answers {status}{_quoted(said)}; try again later")


def _read(response: Any) -> Any:  # noqa: ANN401
    """The answer with its body, or without one that is too long, whatever is said of its length."""
    body = b""
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > LONGEST_ANSWER:
            body = b""
            break
    headers = [one for one in response.headers.multi_items() if one[0].lower() not in _ABOUT_THE_BODY]
    return type(response)(response.status_code, headers=headers, content=body, request=response.request)


def missing(repo: str, endpoint: str) -> HubError:
    """The error for a repo that is not there, or that one may not know of."""
    return HubError(
        f"{repo}: no such repo at {endpoint}, or a private one that your token does not open; "
        "see that the name is right, or the path if that is what was meant, or log in with `hf auth login`"
    )


def _host(response: Any) -> str:  # noqa: ANN401
    # The rest of an address may hold a signature.
    return str(response.url.host)


def _quoted(said: str) -> str:
    said = " ".join(said.split())[:200]
    return f" ({said})" if said else ""
