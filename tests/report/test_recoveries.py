"""Recovery in a report: which rows are compared with which, and what formats show of it."""

import json
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite, rewrite_record

from lrbench.config.accounts import Accounts
from lrbench.config.protocol import PROTOCOLS
from lrbench.report.build import build_report
from lrbench.report.formats.json import Json
from lrbench.report.numbers import UNKNOWN
from lrbench.report.report import Report
from lrbench.report.tables import make_sections
from lrbench.stats.recovery import NO_COST
from lrbench.store.frames import finished_trials
from lrbench.store.layout import Results

SHARED = PROTOCOLS["shared-merge"]


def report_of(root: Path, accounts: dict[str, Accounts]) -> Report:
    """Rows whose skill grows in the order of ``accounts``; all but "Method" are the same recipe."""
    models = [Made(label, 0.5 + 0.5 * place) for place, label in enumerate(accounts)]
    suite = make_suite(root, models, proposed=[])
    finished, _ = finished_trials(suite, Results(root))
    plain = next(trial.record.config for trial in finished if trial.cell.label != "Method")
    for trial in finished:
        label, config = trial.cell.label, trial.record.config
        protocol = SHARED.sharing(accounts[label])
        recipe = config if label == "Method" else plain
        changed = recipe.model_copy(update={"protocol": protocol, "seed": config.seed})
        rewrite_record(root, trial.record.id, protocol=protocol, params=changed.params, config=changed)
    return build_report(suite.model_copy(update={"protocol": SHARED}), Results(root))


def test_a_method_is_set_against_the_plain_model_on_the_same_accounts(tmp_path: Path) -> None:
    report = report_of(
        tmp_path,
        {
            "Plain": Accounts(),
            "Plain by three": Accounts(size="fixed-3"),
            "Method": Accounts(),
            "Plain unmerged": Accounts(size="fixed-1"),
        },
    )
    (finding,) = report.recoveries
    assert (finding.label, finding.merged, finding.unmerged) == ("Method", "Plain", "Plain unmerged")
    means = {row.label: row.mean for row in report.rows if row.metric == "ndcg@10"}
    cost = means["Plain unmerged"] - means["Plain"]
    assert finding.recovery.share == pytest.approx((means["Method"] - means["Plain"]) / cost)
    assert 0 < finding.recovery.low < finding.recovery.share < finding.recovery.high < 1
    (shown,) = json.loads(Json().render(report))["recovery"]
    assert shown["label"] == "Method"
    assert shown["recovery"]["share"] == finding.recovery.share
    (section,) = [section for section in make_sections(report) if section.name == "recovery"]
    cells = dict(zip(section.columns, (cell.text for cell in section.tables[0].rows[0]), strict=True))
    part = finding.recovery
    assert cells == {
        "Model": "Method",
        "plain model": "Plain",
        "members": "2",
        "itself": f"{means['Method']:.4f}",
        "plain": f"{means['Plain']:.4f}",
        "unmerged": f"{means['Plain unmerged']:.4f}",
        "recovered": f"+{part.share:.2f}",
        "95 % interval": f"[+{part.low:.2f}, +{part.high:.2f}]",
    }


@pytest.mark.parametrize(
    "accounts",
    [
        {"Plain": Accounts(), "Method": Accounts()},  # nobody is unmerged
        {  # the targets of an account are others than those of its members
            "Plain": Accounts(scope="account"),
            "Method": Accounts(scope="account"),
            "Alone": Accounts(size="fixed-1", scope="account"),
        },
        {"Plain": Accounts(), "Method": Accounts(size="fixed-3"), "Alone": Accounts(size="fixed-1")},
    ],
)
def test_without_a_plain_pair_on_the_same_accounts_there_is_none(
    accounts: dict[str, Accounts], tmp_path: Path
) -> None:
    report = report_of(tmp_path, accounts)
    assert report.recoveries == ()
    assert "recovery" not in [section.name for section in make_sections(report)]


def test_a_part_of_no_cost_is_not_shown(tmp_path: Path) -> None:
    rows = {"Alone": Accounts(size="fixed-1"), "Plain": Accounts(), "Method": Accounts()}
    report = report_of(tmp_path, rows)
    (section,) = [section for section in make_sections(report) if section.name == "recovery"]
    assert [cell.text for cell in section.tables[0].rows[0]][-2:] == [UNKNOWN, UNKNOWN]
    assert any(NO_COST in note for note in section.notes)
