"""Which trials of a suite run: declared once, for the command line and for the plan."""

from enum import StrEnum

__all__ = ["Rerun"]


class Rerun(StrEnum):
    """Which trials of a suite run."""

    missing = "missing"
    """Those that are not complete."""

    failed = "failed"
    """Those that failed."""

    all = "all"
    """All of them; complete ones are trained again and replaced."""

    def includes(self, state: str) -> bool:
        """Whether a trial or search in this state runs again.

        Args:
            state: from :func:`lrbench.store.state.trial_state`.
        """
        match self:
            case Rerun.all:
                return True
            case Rerun.failed:
                return state == "failed"
            case Rerun.missing:
                return state != "done"
