"""Print the tables of an audit's page from the report in JSON.

    lrbench report audit --results audited --format json > report.json
    python results/audit/tables.py report.json

Every table compares with the strongest yardstick or with all of them, on the primary metric. The last three
are for the page on items that users have seen. Of a report with several datasets there are four tables, with
the means over them: two with these items, and two without.
"""

import argparse
import json
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

CONTROLS = {
    "no-reasoning": "no steps",
    "parameter-matched": "parameters",
    "flops-matched": "operations",
    "loss-matched": "losses",
    "noise-only": "noise",
}
LATENTS = {
    "user-specific": "user-specific",
    "a generic bias": "generic",
    "used": "used",
    "bypassed": "bypassed",
    "not shown": "not shown",
}
"""How a reading of the interventions begins → the word in the table."""

ABSENT = "–"


class Page:
    """The numbers of one dataset, on the primary metric of its report."""

    def __init__(self, report: dict[str, Any]) -> None:
        (self.dataset,) = report["datasets"]
        metric = report["primary_metric"]
        self.scores = {row["label"]: row for row in report["rows"] if row["metric"] == metric}
        self.systems = [label for label in report["proposed"] if label in self.scores]
        self.yardsticks = [label for label in self._against(report) if label in self.scores]
        self.strongest = max(self.yardsticks, key=lambda label: self.scores[label]["mean"])
        self.compared = {(each["proposed"], each["baseline"]): each for each in report["comparisons"]}
        self.controls = {
            (role["of"], role["control"]): label
            for label, role in report["controls"].items()
            if label in self.scores
        }
        self.unseen = {(each["proposed"], each["baseline"]): each for each in report["without_seen_items"]}
        self.costs = {cost["label"]: cost for cost in report["costs"]}
        self.depths = {found["label"]: found for found in report["depth_findings"]}
        self.readings = {found["label"]: found["reading"] for found in report["interventions"]}
        self.searches = {found["search"]: found for found in report["tuning"]}
        self.tuned = {found["label"]: found for found in report["tuning"]}
        self.trials = report["provenance"]["trials"]
        self.groups = {
            found["proposed"]: found
            for found in report["groups"]
            if (found["baseline"], found["trait"]) == (self.strongest, "popularity of the target")
        }

    @staticmethod
    def _against(report: dict[str, Any]) -> Sequence[str]:
        (family,) = [each for each in report["families"] if each["name"] == "systems"]
        return family["against"]  # type: ignore[no-any-return]

    def control(self, system: str, kind: str, unseen: bool = False) -> dict[str, Any] | None:
        """The comparison of a system with its own control; ``None``: it has no such control."""
        compared = self.unseen if unseen else self.compared
        return compared.get((system, self.controls.get((system, kind), "")))


def beside_yardsticks(page: Page) -> str:
    """Systems beside yardsticks, in percent of the yardstick."""
    return table(
        ("system", "NDCG@10", *page.yardsticks),
        [
            (
                label,
                score(page.scores[label]),
                *(_relative(page.compared.get((label, each))) for each in page.yardsticks),
            )
            for label in (*page.yardsticks, *page.systems)
        ],
    )


def beside_controls(page: Page) -> str:
    """Systems beside their own controls."""
    kinds = _kinds(kind for _, kind in page.controls)
    rows = [(label, *(_control(page.control(label, kind)) for kind in kinds)) for label in page.systems]
    return table(("system", *kinds.values()), rows)


def beside_yardsticks_unseen(page: Page) -> str:
    """Systems beside yardsticks on the ranks without items that the user has seen."""
    means = {own: each["proposed_mean"] for (own, _), each in page.unseen.items()}
    means |= {other: each["baseline_mean"] for (_, other), each in page.unseen.items()}
    rows = [
        (label, plain(means[label]), *(_relative(page.unseen.get((label, each))) for each in page.yardsticks))
        for label in (*page.yardsticks, *page.systems)
    ]
    return table(("system", "NDCG@10", *page.yardsticks), rows)


def beside_controls_unseen(page: Page) -> str:
    """Systems beside their own controls on the ranks without items that the user has seen."""
    kinds = _kinds(kind for _, kind in page.controls)
    rows = []
    for label in page.systems:
        found = [page.control(label, kind, unseen=True) for kind in kinds]
        rows.append((label, *(_control(each) for each in found)))
    return table(("system", *kinds.values()), rows)


def seen_items_add(page: Page) -> str:
    """Systems beside their networks without steps in both rankings, and what seen items add to the ratio."""
    rows = []
    for label in page.systems:
        if (found := page.control(label, "no-reasoning", unseen=True)) is not None:
            change = found["seen_items_add"]
            value, low, high = (percent(change[name]) for name in ("ratio", "ratio_low", "ratio_high"))
            p = change["p_bh"]
            part = f"{bold(value, p < 0.05)} [{low}, {high}]"
            both = percent(found["declared_relative"]), percent(found["relative"])
            rows.append((label, *both, part, p_value(p)))
    return table(("system", "with seen items", "without", "seen items add", "p"), rows)


def each_in_one_line(page: Page) -> str:
    """Depth, latent state and cost of each system."""
    heads = ("system", "depth", "against depth 0", "latent state", "operations ×", "training ×")
    lines = [_line(page, label) for label in page.systems]
    return table(heads, lines, left={"system", "latent state"})


def by_group(page: Page) -> str:
    """Systems minus the strongest yardstick, by popularity of the target."""
    (first, *_) = page.groups.values()
    heads = [f"{group['group']} ({group['n_users']} users)" for group in first["groups"]]
    rows = []
    for label in page.systems:
        found = page.groups[label]
        p = found["interaction_p"]
        cells = [bold(signed(each["difference"]), each["p_bh"] < 0.05) for each in found["groups"]]
        rows.append((label, *cells, "< .001" if p < 0.001 else plain(p, 3)))
    return table(("system", *heads, "same in all? p"), rows)


def tuning(page: Page) -> str:
    """What tuning brought on validation, and what is lost with other seeds than that of the search."""
    heads = ("row", "own settings", "chosen ones", "with other seeds", "change", "change without steps")
    return table(heads, [_tuned(page, label) for label in (*page.yardsticks, *page.systems)])


def missed(page: Page) -> str:
    """True differences below which power is under 80 %, as a share of the other row."""
    beside = [page.compared[label, each] for label in page.systems for each in page.yardsticks]
    without = [each for label in page.systems if (each := page.control(label, "no-reasoning")) is not None]
    rows = [("yardsticks", _range(beside)), ("networks without steps", _range(without))]
    return table(("beside", "missed below"), rows)


def how_it_was_run(page: Page) -> str:
    """How many searches and trials there were, and their times. A stage that rows share counts once."""
    (trials,) = {search["trials"] for search in page.searches.values()}
    stages = [
        (page.scores[label]["n_seeds"], stage)
        for label, cost in page.costs.items()
        if not page.scores[label]["same_as"]
        for stage in cost["stages"]
        if not stage["reused"]
    ]
    steps = sum(seeds * stage["steps"] for seeds, stage in stages)
    rows = [
        (f"searches of {trials} trials each", f"{len(page.searches)}"),
        ("time of the searches, summed", hours(sum(each["seconds"] for each in page.searches.values()))),
        ("trials with the chosen settings", f"{page.trials}"),
        ("time of their training, summed", hours(sum(seeds * stage["seconds"] for seeds, stage in stages))),
        ("steps of the optimiser in it", f"{steps / 1000:.0f} thousand"),
    ]
    return table(("what", "in all"), rows)


def over_datasets(report: dict[str, Any]) -> Iterable[str]:
    """Systems beside yardsticks and beside their controls, in percent, with and without seen items."""
    (yardsticks,) = [each["against"] for each in report["families"] if each["name"] == "systems"]
    controls = {(role["of"], role["control"]): label for label, role in report["controls"].items()}
    kinds = _kinds(kind for _, kind in controls)
    both = report["across"], report["across_without_seen_items"]
    for means in filter(None, both):
        found = {(each["proposed"], each["baseline"]): each for each in means}
        systems = [label for label in report["proposed"] if any(label == own for own, _ in found)]
        rows = [(label, *(_over(found.get((label, each))) for each in yardsticks)) for label in systems]
        yield table(("system", *yardsticks), rows)
        rows = [
            (label, *(_over(found.get((label, controls.get((label, kind), "")))) for kind in kinds))
            for label in systems
        ]
        yield table(("system", *kinds.values()), rows)


def _kinds(there: Iterable[str]) -> dict[str, str]:
    """The kinds of controls that a report has → their words, in the order of the columns."""
    found = set(there)
    return {kind: word for kind, word in CONTROLS.items() if kind in found}


def _over(found: dict[str, Any] | None) -> str:
    if found is None:
        return ABSENT
    value, low, high = (percent(found["these"][name]) for name in ("mean", "low", "high"))
    return f"{bold(value, found['p_adjusted'] < 0.05)} [{low}, {high}], p {p_value(found['p_adjusted'])}"


def _relative(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    value, low, high = (percent(found[name]) for name in ("relative", "relative_low", "relative_high"))
    return f"{bold(value, shown(found))} [{low}, {high}]{_depends(found)}"


def _depends(found: dict[str, Any]) -> str:
    """Mark a verdict without seen items that is another one with them, where the ratio is shown to change."""
    return " \\*" if found.get("depends") else ""


def _control(found: dict[str, Any] | None) -> str:
    if found is None:
        return ABSENT
    value, low, high = (signed(found[name]) for name in ("difference", "ci_low", "ci_high"))
    p = found["p_holm"]
    return f"{bold(value, shown(found))} [{low}, {high}], p {p_value(p)}{_depends(found)}"


def _line(page: Page, label: str) -> tuple[str, ...]:
    depth, cost, reference = page.depths[label], page.costs[label], page.costs[page.strongest]
    (against,) = [
        each for each in depth["contrasts"] if (each["depth"], each["reference"]) == (depth["reported"], 0)
    ]
    value, low, high = (signed(against[name]) for name in ("difference", "ci_low", "ci_high"))
    chosen = "" if depth["chosen"] == depth["reported"] else f" ({depth['chosen']})"
    (latent,) = [word for begin, word in LATENTS.items() if page.readings[label].startswith(begin)]
    return (
        label,
        f"{depth['reported']}{chosen}",
        f"{bold(value, against['p'] < 0.05)} [{low}, {high}]",
        latent,
        *(f"{cost[name] / reference[name]:.1f}" for name in ("flops_per_user", "train_seconds")),
    )


def _tuned(page: Page, label: str) -> tuple[str, ...]:
    found, control = page.tuned[label], page.tuned.get(page.controls.get((label, "no-reasoning"), ""))
    own = ABSENT if found["own"] is None else plain(found["own"])
    later = plain(statistics.fmean(found["runs"]))
    return label, own, plain(found["best"]), later, _change(page, found), _change(page, control)


def _change(page: Page, found: dict[str, Any] | None) -> str:
    """By how much other seeds score less than the search did, with the chosen settings.

    A search on part of the users cannot be compared with runs on all of them.
    """
    if found is None or not found["runs"] or found["users"] < page.dataset["n_users"]:
        return ABSENT
    return f"{percent(statistics.fmean(found['runs']) / found['best'] - 1)} %"


def _range(comparisons: Sequence[dict[str, Any]]) -> str:
    shares = [100 * each["minimum_detectable"] / each["baseline_mean"] for each in comparisons]
    if len(shares) == 1:
        return f"{shares[0]:.0f} %"
    return f"{min(shares):.0f} to {max(shares):.0f} % (median {statistics.median(shares):.0f} %)"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], left: Iterable[str] = ()) -> str:
    """Write a Markdown table. The first column and those in ``left`` are flush left."""
    flush_left = {heads[0], *left}
    rule = "|".join(":--" if head in flush_left else "--:" for head in heads)
    lines = [f"|{rule}|", *(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows)]
    return "\n".join([f"| {' | '.join(heads)} |", *lines]).replace("|  |", "| |")


def score(row: dict[str, Any]) -> str:
    """Mean and standard deviation over seeds."""
    return f"{plain(row['mean'])} ± {plain(row['sd'])}"


def shown(found: dict[str, Any]) -> bool:
    """Whether a difference is shown after Holm."""
    return bool(found["p_holm"] < 0.05)


def bold(text: str, wanted: bool) -> str:
    """Set a text in bold if it is wanted."""
    return f"**{text}**" if wanted else text


def plain(value: float, digits: int = 4) -> str:
    """A number below one, without its zero."""
    return f"{value:.{digits}f}".lstrip("0")


def p_value(p: float) -> str:
    """A p-value with three digits."""
    return "< .001" if p < 0.001 else "1" if p >= 0.9995 else plain(p, 3)


def signed(value: float) -> str:
    """A difference with its sign."""
    return f"{'+' if value >= 0 else '−'}{plain(abs(value))}"


def percent(value: float) -> str:
    """A share with its sign, in whole percent."""
    return f"{'+' if value >= 0 else '−'}{abs(100 * value):.0f}"


def hours(seconds: float) -> str:
    """A time in hours and minutes."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


TABLES = (
    beside_yardsticks,
    beside_controls,
    each_in_one_line,
    by_group,
    tuning,
    missed,
    how_it_was_run,
)
UNSEEN = (beside_yardsticks_unseen, beside_controls_unseen, seen_items_add)
"""Tables of a report that ranks items which users have seen."""


def main() -> None:
    """Read the report that the command names, and print its tables."""
    parser = argparse.ArgumentParser(description="Print the tables of an audit's page.")
    parser.add_argument("report", type=argparse.FileType(encoding="utf-8"), help="a report in JSON")
    file = parser.parse_args().report
    try:
        report = json.load(file)
        whole = {"datasets", "across", "without_seen_items"} <= report.keys()
    except (ValueError, AttributeError):
        whole = False
    if not whole:
        parser.error(f"{file.name} is no report of lrbench. Make it with --format json.")
    several = len(report["datasets"]) > 1
    wanted = (*TABLES, *(UNSEEN if report["without_seen_items"] else ()))
    made = over_datasets(report) if several else (make(Page(report)) for make in wanted)
    print("\n\n".join(made))


if __name__ == "__main__":
    main()
