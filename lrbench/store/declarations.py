"""Declarations of what a suite tests, with what had been seen by then.

A hypothesis counts as declared before the runs only if that is on record. Two habits give false positives.
Simulated at a level of 5 %:

| habit | false positives |
|:--|--:|
| choose the proposed label among eleven equal ones after the runs | 12 % |
| look at 3, 4, … 10 seeds and stop at p ≤ 0.05 | 13 % |

So each declaration is kept with the number of trials that had finished, and each report with the number of
seeds that it showed.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

from lrbench.config.base import FrozenConfig
from lrbench.errors import RequestError
from lrbench.files import append_line
from lrbench.metrics import metric_function

__all__ = ["Declaration", "Look", "MetricName", "extended", "read_looks", "record_look"]


def _known_metric(name: str) -> str:
    try:
        metric_function(name)
    except RequestError as error:
        raise ValueError(error.cause) from None
    return name


MetricName = Annotated[str, AfterValidator(_known_metric)]
"""A metric that can be computed, such as ``ndcg@10``."""


class Declaration(FrozenConfig):
    """What a suite tests from some moment on."""

    time: AwareDatetime | None
    """``None``: the version that ran the suite kept no time."""

    proposed: tuple[str, ...]
    against: tuple[str, ...] = ()
    primary_metric: MetricName
    margin: float | None = None
    seeds: tuple[int, ...]
    finished: int | None
    """Number of the suite's trials that had finished by then; ``None``: it was not kept."""

    def same_claim(self, other: "Declaration") -> bool:
        """Whether both test the same claim. More seeds do not change a claim."""
        return (self.proposed, self.against, self.primary_metric, self.margin) == (
            other.proposed,
            other.against,
            other.primary_metric,
            other.margin,
        )


class Look(FrozenConfig):
    """A report that somebody saw."""

    time: AwareDatetime
    seeds: int
    """Smallest number of finished seeds, over the labels whose model is not deterministic."""


def extended(history: Sequence[Declaration], new: Declaration) -> tuple[Declaration, ...]:
    """Return the history with a declaration added, if it has another claim than the last or more seeds."""
    if history and history[-1].same_claim(new) and set(new.seeds) <= set(history[-1].seeds):
        return tuple(history)
    return (*history, new)


def record_look(path: Path, look: Look) -> None:
    """Append a report to the suite's looks, unless the last report showed the same number of seeds.

    Raises:
        OSError: the folder cannot be written.
    """
    looks = read_looks(path)
    if not looks or looks[-1].seeds != look.seeds:
        append_line(path, look.model_dump_json())


def read_looks(path: Path) -> list[Look]:
    """Read the reports so far, the oldest first. A line that is cut off or damaged is left out."""
    if not path.is_file():
        return []
    looks = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            looks.append(Look.model_validate(json.loads(line)))
        except (ValueError, RecursionError):  # ValueError covers malformed JSON and wrong fields
            continue
    return looks
