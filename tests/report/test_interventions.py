"""Interventions in a report: losses from stored ranks, their reading, and what formats show."""

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from synthetic_results import ITEMS, Made, make_suite, rewrite_record

from lrbench.config.interventions import INTERVENTIONS
from lrbench.metrics import ndcg
from lrbench.report.answers.together import use_together
from lrbench.report.build import build_report
from lrbench.report.formats.json import Json
from lrbench.report.report import Report
from lrbench.report.tables import make_sections
from lrbench.store.frames import finished_trials
from lrbench.store.layout import Results
from lrbench.store.suites import ControlRecord, find_suite_record

PLACES = {"zero": 6.0, "noise": 6.0, "shuffle": 6.0, "matched": 0.0}
"""By how many places each intervention lowers every target."""

BY_RUN = math.nan
"""Six places lower in runs with an odd seed, six higher in the others: neither a loss nor equivalent."""


def report_of(root: Path, places: dict[str, float], seeds: int = 5, divergence: float = 0.25) -> Report:
    suite = make_suite(
        root, [Made("LARES", 1.0, depths=(0, 4)), Made("SASRec", 0.8)], seeds=range(1, seeds + 1)
    )
    finished, _ = finished_trials(suite, Results(root))
    for trial in finished:
        if trial.cell.label == "LARES":
            path = trial.folder / "ranks.parquet"
            ranks = pl.read_parquet(path)
            own = ranks.filter(split="test", depth=trial.record.depth)
            noise = np.random.default_rng(trial.cell.seed).integers(0, 3, len(own))
            by_run = 6.0 if trial.cell.seed % 2 else -6.0
            lower = {kind: by_run if math.isnan(more) else more for kind, more in places.items()}
            changed = [
                own.with_columns(
                    (pl.col("rank") + more + pl.Series(noise) * (more > 0)).clip(1, ITEMS),
                    intervention=pl.lit(kind),
                )
                for kind, more in lower.items()
            ]
            pl.concat((ranks, *changed)).write_parquet(path)
            rewrite_record(root, trial.record.id, divergence=dict.fromkeys(places, divergence))
    return build_report(suite, Results(root))


def test_a_control_has_no_row_of_interventions(tmp_path: Path) -> None:
    report_of(tmp_path, PLACES)
    suite = find_suite_record(Results(tmp_path), None)
    control = ControlRecord(of="SASRec", control="loss-matched")
    controlled = suite.model_copy(update={"controls": {"LARES": control}})
    assert build_report(controlled, Results(tmp_path)).interventions == ()


def test_targets_in_another_order_give_the_same_losses(tmp_path: Path) -> None:
    """An evaluation after the run may rank the targets in another order than the run did."""
    (expected,) = report_of(tmp_path, {"zero": 6.0, "shuffle": 6.0}).interventions
    suite = find_suite_record(Results(tmp_path), None)
    for cell in suite.trials:
        path = Results(tmp_path).trial(cell.trial) / "ranks.parquet"
        ranks = pl.read_parquet(path)
        changed = pl.col("intervention") != "none"
        others = ranks.filter(changed).sample(fraction=1, shuffle=True, seed=1)
        pl.concat((ranks.filter(~changed), others)).write_parquet(path)
    (found,) = build_report(suite, Results(tmp_path)).interventions
    for loss, same in zip(found.losses, expected.losses, strict=True):
        assert loss.rank_change == same.rank_change
        assert loss.contrast.interval() == pytest.approx(same.contrast.interval())


def test_losses_are_those_of_the_stored_ranks(tmp_path: Path) -> None:
    report = report_of(tmp_path, PLACES)
    (finding,) = report.interventions
    assert (finding.label, [loss.kind for loss in finding.losses]) == ("LARES", list(INTERVENTIONS))
    finished, _ = finished_trials(find_suite_record(Results(tmp_path), None), Results(tmp_path))
    own, other, changes = [], [], []
    for trial in finished:
        if trial.cell.label == "LARES":
            ranks = pl.read_parquet(trial.folder / "ranks.parquet").filter(
                split="test", depth=trial.record.depth
            )
            own.append(ndcg(ranks.filter(intervention="none")["rank"].to_numpy(), 10).mean())
            other.append(ndcg(ranks.filter(intervention="shuffle")["rank"].to_numpy(), 10).mean())
            places = (ranks.filter(intervention=kind)["rank"].to_numpy() for kind in ("shuffle", "none"))
            changes.append(np.subtract(*places))
    shuffle = finding.losses[2]
    assert shuffle.contrast.difference == pytest.approx(np.mean(own) - np.mean(other))
    assert shuffle.rank_change == np.median(changes) != np.mean(changes)
    assert shuffle.divergence == 0.25
    assert finding.losses[3].contrast.difference == 0


@pytest.mark.parametrize(
    ("places", "word"),
    [
        (PLACES, "generic bias"),
        (dict.fromkeys(PLACES, 6.0), "user-specific"),
        (dict.fromkeys(PLACES, 0.0), "bypassed"),
        (PLACES | {"matched": BY_RUN}, "used; it is not shown to be user-specific"),
        (dict.fromkeys(PLACES, BY_RUN), "not shown to be used"),
        ({"zero": 6.0}, "only the intervention “matched” can show"),
    ],
)
def test_the_reading_follows_from_what_is_shown(tmp_path: Path, places: dict[str, float], word: str) -> None:
    """A loss that is not shown is no proof that nothing is lost; only an equivalent latent is."""
    (finding,) = report_of(tmp_path, places).interventions
    assert word in finding.reading
    assert finding.reading.short in finding.reading


def test_one_intervention_that_changes_no_score_leaves_the_reading_to_the_others(tmp_path: Path) -> None:
    report_of(tmp_path, PLACES)
    suite = find_suite_record(Results(tmp_path), None)
    for cell in suite.trials:
        if cell.label == "LARES":
            rewrite_record(tmp_path, cell.trial, divergence=dict.fromkeys(PLACES, 0.25) | {"matched": 0.0})
    (finding,) = build_report(suite, Results(tmp_path)).interventions
    assert finding.reading.short == "generic bias"


def test_equivalent_is_within_a_share_of_the_rows_mean(tmp_path: Path) -> None:
    (finding,) = report_of(tmp_path, PLACES | {"matched": BY_RUN}).interventions
    share = max(map(abs, finding.losses[-1].contrast.interval(0.9))) / finding.mean
    suite = find_suite_record(Results(tmp_path), None)
    for margin, word in ((0.99 * share, "used"), (1.01 * share, "generic bias")):
        report = build_report(suite.model_copy(update={"margin": margin}), Results(tmp_path))
        assert report.interventions[0].reading.short == word


def test_an_intervention_that_one_run_lacks_is_left_out(tmp_path: Path) -> None:
    report_of(tmp_path, PLACES)
    suite = find_suite_record(Results(tmp_path), None)
    one = next(cell for cell in suite.trials if cell.label == "LARES")
    rewrite_record(tmp_path, one.trial, divergence={kind: 0.25 for kind in PLACES if kind != "noise"})
    (finding,) = build_report(suite, Results(tmp_path)).interventions
    assert [loss.kind for loss in finding.losses] == ["zero", "shuffle", "matched"]


def test_where_no_state_was_replaced_nothing_is_said_of_the_latent(tmp_path: Path) -> None:
    """LARES with one step starts from noise, so there is no step before whose state could be replaced."""
    report = report_of(tmp_path, dict.fromkeys(PLACES, 0.0), divergence=0.0)
    (finding,) = report.interventions
    assert (finding.reading.tested, finding.reading.short) == (False, "not tested")
    answers = " ".join(answer.text for answer in report.answers)
    assert "bypassed" not in answers
    assert use_together(report, finding.dataset) == ""


def test_too_few_runs_are_not_read(tmp_path: Path) -> None:
    (finding,) = report_of(tmp_path, PLACES, seeds=2).interventions
    assert finding.reading == "not testable with these runs"


def test_formats_show_them_and_the_other_numbers_stay(tmp_path: Path) -> None:
    report = report_of(tmp_path / "with", PLACES)
    plain = report_of(tmp_path / "without", {})
    assert [row.mean for row in report.rows] == [row.mean for row in plain.rows]
    assert not plain.interventions
    (section,) = [section for section in make_sections(report) if section.name == "interventions"]
    first = [cell.text for cell in section.tables[0].rows[0]]
    assert first[:2] == ["LARES", "zero"]
    assert "generic bias" in first[-1]
    (shown,) = json.loads(Json().render(report))["interventions"]
    assert {loss["intervention"] for loss in shown["losses"]} == set(INTERVENTIONS)
