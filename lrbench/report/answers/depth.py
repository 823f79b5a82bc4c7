"""Which depth? The reported depth against depth 0, the shape of the curve, and the choice by validation."""

from lrbench.report.answers.wording import capitalised, common_verdict, difference, found, per_dataset
from lrbench.report.findings import Answer
from lrbench.report.numbers import p_text
from lrbench.report.report import Report
from lrbench.report.step_findings import DepthFinding

__all__ = ["which_depth"]


def which_depth(report: Report, label: str) -> Answer:
    """Answer from the contrasts between depths of every dataset."""
    findings = [finding for finding in report.depth_findings if finding.label == label]
    if not findings:
        text = f"{label} was ranked at one depth only."
        return Answer("depth", "Which depth?", label, text, "one depth")
    texts = [(finding.dataset, _sentence(report, finding)) for finding in findings]
    verdicts = [_verdict(finding) for finding in findings]
    return Answer("depth", "Which depth?", label, per_dataset(report, texts), common_verdict(verdicts))


def _sentence(report: Report, finding: DepthFinding) -> str:
    sentences = []
    if (contrast := finding.against(0)) is not None:
        verb = {
            "reported depth better": "beats",
            "reported depth worse": "is worse than",
            "not testable": "cannot be tested against",
        }.get(_verdict(finding), "is not shown to beat")
        p = f", {p_text(contrast.p)}" if contrast.testable else ""
        sentences.append(
            f"depth {finding.reported} {verb} depth 0, no reasoning: {difference(report, contrast)}{p}."
        )
    if finding.shape:
        sentences.append(f"{capitalised(finding.shape)}.")
    if finding.chosen != finding.reported:
        sentences.append(f"Validation would choose depth {finding.chosen}.")
    return " ".join(sentences) or f"depth {finding.reported} is reported and was chosen by validation."


def _verdict(finding: DepthFinding) -> str:
    contrast = finding.against(0)
    if contrast is None or not contrast.testable:
        return "not testable"
    if not found(contrast.p):
        return "not shown"
    return "reported depth better" if contrast.difference > 0 else "reported depth worse"
