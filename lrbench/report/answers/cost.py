"""At what cost? Operations per user and training time, as multiples of those of the reference."""

import math

from lrbench.report.answers.wording import common_verdict, per_dataset
from lrbench.report.findings import Answer, Reference
from lrbench.report.numbers import amount, multiple
from lrbench.report.report import Cost, Report
from lrbench.report.warnings import WarningKind
from lrbench.wording import duration

__all__ = ["at_what_cost"]


def at_what_cost(report: Report, label: str) -> Answer:
    """Answer from the costs of the label and its reference on every dataset."""
    title = "At what cost?"
    costs = {(cost.dataset, cost.label): cost for cost in report.costs}
    texts, verdicts = [], []
    for reference in report.references:
        if reference.proposed == label:
            ours = costs[reference.dataset, label]
            theirs = costs[reference.dataset, reference.baseline]
            texts.append((reference.dataset, _sentence(reference, ours, theirs)))
            verdicts.append(_verdict(_ratio(ours, theirs)))
    if not texts:
        own = next((cost for cost in report.costs if cost.label == label), None)
        text = "" if own is None else f"{amount(own.flops_per_user)} operations per user."
        return Answer(
            "cost", title, label, f"There is no other system to compare with. {text}".strip(), "alone"
        )
    return Answer("cost", title, label, per_dataset(report, texts) + _times(report), common_verdict(verdicts))


def _ratio(ours: Cost, theirs: Cost) -> float:
    """Operations per user / those of the reference: infinite if only that has none, NaN if neither does."""
    if theirs.flops_per_user > 0:
        return ours.flops_per_user / theirs.flops_per_user
    return math.inf if ours.flops_per_user > 0 else math.nan


def _verdict(ratio: float) -> str:
    if math.isnan(ratio):
        return "unknown"
    return "dearer" if ratio > 1 else "not dearer"


def _sentence(reference: Reference, ours: Cost, theirs: Cost) -> str:
    training = f"{duration(ours.train_seconds)} of training"
    if theirs.train_seconds >= 1:
        times = ours.train_seconds / theirs.train_seconds
        training = f"{multiple(times)} × its training time ({duration(ours.train_seconds)})"
    if math.isinf(_ratio(ours, theirs)):
        return (
            f"{amount(ours.flops_per_user)} operations per user, where {reference.baseline} has "
            f"none, and {training}."
        )
    ratio = multiple(_ratio(ours, theirs))
    if math.isnan(_ratio(ours, theirs)):
        return f"No operations of {reference.proposed} were counted; {training}."
    return f"{ratio} × the operations per user of {reference.baseline} and {training}."


def _times(report: Report) -> str:
    """Say that times cannot be compared, where trials ran on different kinds of machines."""
    unlike = {WarningKind.DIFFERENT_DEVICES, WarningKind.DIFFERENT_THREADS}
    if any(warning.kind in unlike for warning in report.warnings):
        return " Trials ran on unlike machines: do not compare times."
    return ""
