"""What is said when a request cannot be answered."""

from pondera._text import shortened

_MOST = 2000
"""Characters of a sentence, which may quote names that come from files."""


class Refused(Exception):  # noqa: N818 - it is an answer
    """A request that is not answered as it was meant.

    Attributes:
        status: The status of HTTP.
        sentence: What is wrong, and what to do.
        parameter: The parameter that it is about, if it is about one.
    """

    def __init__(self, status: int, sentence: str, parameter: str | None = None) -> None:
        """Says no."""
        super().__init__(sentence)
        self.status = status
        self.sentence = shortened(sentence, _MOST)
        self.parameter = None if parameter is None else shortened(parameter, 200)

    def to_dict(self) -> dict[str, object]:
        """The body of the answer."""
        return {"error": {"message": self.sentence, "parameter": self.parameter}}
