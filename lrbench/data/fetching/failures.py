"""How fetching can fail: for good, for a while, or because the file is not what it should be."""

from lrbench.errors import LrbenchError

__all__ = ["PassingError", "TransferError", "UnfitError"]


class TransferError(Exception):
    """A candidate did not give the file; the message says why.

    Args:
        reason: half a sentence that follows the address in the message.
        useless: whether what has arrived is of no use for another attempt.
    """

    def __init__(self, reason: str, useless: bool = False) -> None:
        self.useless = useless
        super().__init__(reason)


class PassingError(Exception):
    """A failure that may be gone at the next attempt.

    Args:
        reason: half a sentence that follows the address in the message.
        wait: seconds that the server asks to wait; ``None``: it does not say.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        self.wait = wait
        super().__init__(reason)


class UnfitError(Exception):
    """A file cannot be read as its dataset, or does not have the sizes that the catalogue gives.

    Args:
        error: what the person is told.
    """

    def __init__(self, error: LrbenchError) -> None:
        self.error = error
        super().__init__(str(error))

    def with_advice(self, advice: str) -> LrbenchError:
        """Return the error with one more sentence in its remedy."""
        return type(self.error)(self.error.cause, f"{self.error.remedy} {advice}".strip())
