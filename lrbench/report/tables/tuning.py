"""The budget of tuning, the spaces that it searched, and what more trials gained."""

import math
from statistics import fmean

from lrbench.report.findings import TuningFinding
from lrbench.report.numbers import UNKNOWN
from lrbench.report.report import Report
from lrbench.report.tables.provenance import written_options
from lrbench.report.tables.table import Cell, Paragraph, Section, Table
from lrbench.report.tuning import searched_spaces
from lrbench.wording import counted, duration

__all__ = ["tuning_section"]

AT_END = "*"
"""Marks a chosen value beyond which nothing was searched."""


def tuning_section(report: Report) -> Section:
    """Tabulate the expected best validation score against the number of trials, and what was chosen."""
    found = report.tuning
    budget = max((finding.trials for finding in found), default=1)
    counts = sorted({1, math.ceil(budget / 2), budget})
    bests = (f"best of {count}" for count in counts)
    finals = any(finding.finalists for finding in found)
    columns = [
        *("Model", "own settings", *bests),
        *(["as a finalist"] if finals else []),
        *("other seeds", "pruned", "failed", "time", "chosen"),
    ]
    tables = tuple(
        Table(
            f"Best {report.style.title(found[0].metric)} on validation, {dataset}",
            tuple(_row(report, each, counts, finals) for each in found if each.dataset == dataset),
        )
        for dataset in dict.fromkeys(finding.dataset for finding in found)
    )
    as_finalist = (
        "as a finalist: mean of the chosen settings over further seeds, by which they were chosen among the "
        "best trials. In brackets their place by the trials of the search.",
    )
    notes = (
        "own settings: those of the row before tuning, which the first trial of a search has. –: it failed, "
        "or an earlier version of lrbench drew all settings.",
        "best of n: for random search, the expected best of n trials, with a band of one standard deviation "
        "(Dodge et al. 2019). The own settings are one of them. Trials of TPE depend on earlier ones: for "
        "TPE it is the best of the first n.",
        f"{AT_END}: a chosen number at an end of those that were searched, or beyond it. Numbers further out "
        "may be better.",
        *(as_finalist if finals else ()),
        "A pruned trial counts with its best value until then. A failed one is left out.",
        "The runs of the other tables were trained again with other seeds and on all users.",
        "other seeds: mean of the best validation scores of these runs, with the lowest and the highest. A "
        "search keeps its luckiest trial, so most means are lower. If the lowest is far lower, the chosen "
        "settings are not reliable.",
    )
    return Section(
        "Tuning", tuple(columns), tables, notes, aligned="left", paragraphs=tuple(_paragraphs(report))
    )


def _paragraphs(report: Report) -> list[Paragraph]:
    return [
        Paragraph(f"Searched for {', '.join(labels)}:", f"{counted(trials, 'trial')}: {space}.")
        for (trials, space), labels in searched_spaces(report.tuning).items()
    ]


def _row(report: Report, finding: TuningFinding, counts: list[int], finals: bool) -> tuple[Cell, ...]:
    texts = (
        finding.label,
        UNKNOWN if finding.own is None else report.style.plain(finding.own),
        *_bests(report, finding, counts),
        *([_as_finalist(report, finding)] if finals else []),
        _runs(report, finding),
        str(finding.pruned),
        str(finding.failed),
        duration(finding.seconds),
        written_options({name: _marked(finding, name) for name in finding.settings}),
    )
    return tuple(Cell(text) for text in texts)


def _bests(report: Report, finding: TuningFinding, counts: list[int]) -> list[str]:
    """Return the best of each number of trials in ``counts``, with its band where it has one."""
    place = (finding.dataset, finding.label)
    budget = next(each for each in report.budgets if (each.dataset, each.label) == place)
    texts = []
    for count in counts:
        at = min(count, len(budget.best)) - 1
        band = [report.style.plain(line[at]) for line in (budget.low, budget.high) if line]
        texts.append(report.style.plain(budget.best[at]) + (f" [{', '.join(band)}]" if band else ""))
    return texts


def _as_finalist(report: Report, finding: TuningFinding) -> str:
    if finding.confirmed is None:
        return UNKNOWN
    return f"{report.style.plain(finding.confirmed)} ({finding.place} of {finding.finalists})"


def _runs(report: Report, finding: TuningFinding) -> str:
    known = [run for run in finding.runs if math.isfinite(run)]
    if not known:
        return UNKNOWN
    mean, low, high = (report.style.plain(value) for value in (fmean(known), min(known), max(known)))
    return f"{mean} [{low}, {high}]"


def _marked(finding: TuningFinding, option: str) -> object:
    """Return a chosen value, rounded, and marked if it is at an end of those that were searched."""
    value = finding.settings[option]
    rounded = f"{value:.3g}" if isinstance(value, float) else value
    return f"{rounded}{AT_END}" if option in finding.at_end else rounded
