"""For whom? Groups of users for whom the label is better or worse than its reference; exploratory."""

from lrbench.commands import command
from lrbench.report.answers.wording import common_verdict, found, per_dataset
from lrbench.report.findings import Answer, GroupDifference, GroupFinding
from lrbench.report.report import Report
from lrbench.wording import listed

__all__ = ["for_whom"]


def for_whom(report: Report, label: str) -> Answer:
    """Answer from the groups of every dataset."""
    title = "For whom?"
    texts, verdicts = [], []
    for reference in report.references:
        if reference.proposed != label:
            continue
        findings = [
            finding
            for finding in report.groups
            if (finding.dataset, finding.proposed) == (reference.dataset, label)
        ]
        lack = report.groups_lacking.get(reference.dataset)
        if findings:
            texts.append((reference.dataset, _sentence(report, findings)))
            verdicts.append(_verdict(findings))
        elif lack is not None:
            texts.append((reference.dataset, _lacking(report, reference.dataset, lack)))
            verdicts.append("no data")
    if not texts:
        return Answer("users", title, label, "There is no other system to compare with.", "no baseline")
    exploratory = " Exploratory." if any(verdict != "no data" for verdict in verdicts) else ""
    return Answer("users", title, label, per_dataset(report, texts) + exploratory, common_verdict(verdicts))


def _lacking(report: Report, dataset: str, lack: str) -> str:
    if lack == "different":
        return f"unknown: the prepared {dataset} on this machine is not the one that was ranked."
    fetch = command("fetch", dataset, "--protocol", report.protocol.name)
    return f"unknown: {dataset} is not prepared on this machine. {fetch} prepares it."


def _sentence(report: Report, findings: list[GroupFinding]) -> str:
    if not any(group.contrast.testable for finding in findings for group in finding.groups):
        return f"not testable: {findings[0].groups[0].contrast.reason}."
    parts = [f"by {finding.trait} {_by_trait(report, finding)}" for finding in findings]
    return f"against {findings[0].baseline}, {'; '.join(parts)}."


def _by_trait(report: Report, finding: GroupFinding) -> str:
    """Return ``better for 36–112 (+0.0512) and worse in 3 of 4 groups``, or that no group is shown to differ.

    Groups may differ from each other although none is shown to differ by itself.
    """
    better = [group for group in finding.groups if _shown(group) and group.contrast.difference > 0]
    worse = [group for group in finding.groups if _shown(group) and group.contrast.difference < 0]
    parts = [
        f"{word} {_named(report, groups, len(finding.groups))}"
        for word, groups in (("better", better), ("worse", worse))
        if groups
    ]
    if not parts:
        between = ", but the groups from each other" if found(finding.interaction_p) else ""
        return f"no group is shown to differ{between}"
    same = "" if found(finding.interaction_p) else ", not shown to differ between groups"
    return " and ".join(parts) + same


def _named(report: Report, groups: list[GroupDifference], count: int) -> str:
    if len(groups) == count:
        return "in every group"
    if len(groups) > count / 2:
        return f"in {len(groups)} of {count} groups"
    spans = [f"{group.group} ({report.style.signed(group.contrast.difference)})" for group in groups]
    return f"for {listed(spans)}"


def _shown(group: GroupDifference) -> bool:
    return found(group.p_adjusted)


def _verdict(findings: list[GroupFinding]) -> str:
    if not any(group.contrast.testable for finding in findings for group in finding.groups):
        return "not testable"
    return "depends" if any(found(finding.interaction_p) for finding in findings) else "not shown to depend"
