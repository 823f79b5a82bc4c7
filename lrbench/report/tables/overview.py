"""Several proposed labels at a glance: one row for each, one table per dataset."""

from collections.abc import Sequence

from lrbench.config.controls import CONTROLS, Control
from lrbench.report.families import REASONING, SYSTEMS
from lrbench.report.findings import ALPHA, Comparison, Reference, Verdict
from lrbench.report.numbers import UNKNOWN, multiple, percent
from lrbench.report.report import Cost, Report
from lrbench.report.step_findings import DepthFinding
from lrbench.report.tables.table import Cell, Section, Table

__all__ = ["overview_section", "several_proposed"]

WORDS = {
    Verdict.BETTER: "better",
    Verdict.WORSE: "worse",
    Verdict.EQUIVALENT: "equal",
    Verdict.INCONCLUSIVE: "not shown",
    Verdict.OUT_OF_REACH: "not shown",
    Verdict.NOT_TESTABLE: "?",
}
HEADS: dict[Control, str] = {
    "no-reasoning": "no steps",
    "parameter-matched": "parameters",
    "flops-matched": "FLOPs",
    "loss-matched": "losses",
    "noise-only": "noise",
}
"""Control → heading of the column with the verdict against it."""

NOTES = (
    "Strongest: the best system of another model; Δ % and verdict compare the label with it. Beats, loses "
    "to: the number of systems that the label is better or worse than, after Holm.",
    "No steps, parameters, FLOPs, losses, noise: the label against its own controls, after Holm. Better: the "
    "gain stays. Equal: within the margin. Not shown: no difference was shown. ?: not testable. …: not run "
    "yet. –: no such control.",
    "Depth: the reported depth; in brackets the depth that validation would choose, if that is another one; "
    "and the verdict against depth 0. Latent: how the latent state is used (section interventions). Differs "
    "by: traits of users on which the difference from the strongest depends; exploratory.",
    "FLOPs ×, training ×: as multiples of the strongest.",
)


def overview_section(report: Report) -> Section:
    """Tabulate the verdicts of every proposed label; the section is empty if there is only one."""
    report = report.answered or report
    if not several_proposed(report):
        return Section("At a glance", (), (), ())
    kinds = [kind for kind in CONTROLS if any(each.control == kind for each in report.controls.values())]
    columns = (
        "Model",
        report.style.title(report.primary_metric),
        "strongest",
        "Δ %",
        "verdict",
        "beats",
        "loses to",
        *(HEADS[kind] for kind in kinds),
        "depth",
        "latent",
        "differs by",
        "FLOPs ×",
        "training ×",
    )
    tables = tuple(
        Table(f"At a glance: {note.summary.name}{report.title_note}", rows)
        for note in report.datasets
        if (rows := tuple(_rows(report, note.summary.name, kinds)))
    )
    words = ("strongest", "verdict", *(HEADS[kind] for kind in kinds), "depth", "latent", "differs by")
    return Section("At a glance", columns, tables, NOTES, words=words)


def several_proposed(report: Report) -> bool:
    """Whether more than one proposed label has results."""
    return len({answer.proposed for answer in report.answers if answer.proposed}) > 1


def _rows(report: Report, dataset: str, kinds: Sequence[Control]) -> list[tuple[Cell, ...]]:
    means = {
        row.label: row.mean
        for row in report.rows
        if (row.dataset, row.metric) == (dataset, report.primary_metric)
    }
    rows = []
    for label in (label for label in report.proposed if label in means):
        texts = (
            label,
            report.style.plain(means[label]),
            *_against_systems(report, dataset, label),
            *_against_controls(report, dataset, label, kinds),
            _depth(report, dataset, label),
            _latent(report, dataset, label),
            _differs_by(report, dataset, label),
            *_costs(report, dataset, label),
        )
        rows.append(tuple(map(Cell, texts)))
    return rows


def _family(report: Report, family: str, dataset: str, label: str) -> list[Comparison]:
    return [
        found
        for found in report.comparisons
        if (found.family, found.dataset, found.proposed) == (family, dataset, label)
    ]


def _reference(report: Report, dataset: str, label: str) -> Reference | None:
    return next((r for r in report.references if (r.dataset, r.proposed) == (dataset, label)), None)


def _against_systems(report: Report, dataset: str, label: str) -> tuple[str, ...]:
    systems = _family(report, SYSTEMS, dataset, label)
    reference = _reference(report, dataset, label)
    found = None if reference is None else report.find_comparison(reference, SYSTEMS)
    first = (
        (UNKNOWN if reference is None else reference.baseline, UNKNOWN, UNKNOWN)
        if found is None
        else (found.baseline, percent(found.relative.value), WORDS[found.verdict])
    )
    counts = (
        f"{sum(each.verdict is verdict for each in systems)} of {len(systems)}"
        for verdict in (Verdict.BETTER, Verdict.WORSE)
    )
    tested = any(each.contrast.testable for each in systems)
    return (*first, *(counts if tested else (UNKNOWN, UNKNOWN)))


def _against_controls(report: Report, dataset: str, label: str, kinds: Sequence[Control]) -> list[str]:
    verdicts = {role.control: "…" for role in report.controls.values() if role.of == label}
    verdicts |= {
        report.controls[each.baseline].control: WORDS[each.verdict]
        for each in _family(report, REASONING, dataset, label)
    }
    return [verdicts.get(kind, UNKNOWN) for kind in kinds]


def _depth(report: Report, dataset: str, label: str) -> str:
    finding = next((f for f in report.depth_findings if (f.dataset, f.label) == (dataset, label)), None)
    if finding is None:
        return UNKNOWN
    other = "" if finding.chosen == finding.reported else f" ({finding.chosen})"
    return f"{finding.reported}{other} {_depth_word(finding)}"


def _depth_word(finding: DepthFinding) -> str:
    contrast = finding.against(0)
    if contrast is None or not contrast.testable:
        return "?"
    if contrast.p > ALPHA:
        return "not shown"
    return "better" if contrast.difference > 0 else "worse"


def _latent(report: Report, dataset: str, label: str) -> str:
    found = next((f for f in report.interventions if (f.dataset, f.label) == (dataset, label)), None)
    return UNKNOWN if found is None else found.reading.short


def _differs_by(report: Report, dataset: str, label: str) -> str:
    findings = [f for f in report.groups if (f.dataset, f.proposed) == (dataset, label)]
    if not any(group.contrast.testable for finding in findings for group in finding.groups):
        return "?" if findings else UNKNOWN
    traits = [finding.trait for finding in findings if finding.interaction_p <= ALPHA]
    return ", ".join(traits) or "not shown"


def _costs(report: Report, dataset: str, label: str) -> tuple[str, str]:
    costs: dict[str, Cost] = {cost.label: cost for cost in report.costs if cost.dataset == dataset}
    reference = _reference(report, dataset, label)
    if reference is None or reference.baseline not in costs:
        return UNKNOWN, UNKNOWN
    ours, theirs = costs[label], costs[reference.baseline]
    return (
        _multiple(ours.flops_per_user, theirs.flops_per_user),
        _multiple(ours.train_seconds, theirs.train_seconds),
    )


def _multiple(ours: float, theirs: float) -> str:
    return multiple(ours / theirs) if theirs > 0 else UNKNOWN
