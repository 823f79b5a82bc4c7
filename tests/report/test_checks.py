import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from synthetic_results import Made, make_suite, rewrite_ranks, rewrite_record, write_trial

from lrbench.config.protocol import PROTOCOLS
from lrbench.config.trial import EvaluationConfig
from lrbench.data.catalogue_files import load_catalogue
from lrbench.data.dataset import StepCounts
from lrbench.data.own_files import user_file
from lrbench.report.build import build_report
from lrbench.report.tuning import unequal_tuning
from lrbench.report.warnings import ReportWarning, WarningKind
from lrbench.store.layout import Results
from lrbench.store.suites import ControlRecord, TunedRow
from lrbench.store.trials import DatasetSummary, StageRecord, read_record


def warnings_of(root: Path, *models: Made, **options: Any) -> list[ReportWarning]:
    suite = make_suite(root, models, proposed=[], **options)
    return list(build_report(suite, Results(root)).warnings)


def different(**fields: Any) -> Mapping[str, Any]:
    return fields


def summary(**fields: Any) -> DatasetSummary:
    usual = {
        "name": "ml-100k",
        "edition": "April 1998",
        "synthetic": False,
        "fingerprint": "f00d",
        "source": "a file",
        "verified": True,
        "counts": StepCounts(step="raw", users=1, items=500, interactions=1),
    }
    return DatasetSummary.model_validate({**usual, **fields})


def stage(stopped: str) -> StageRecord:
    return StageRecord.model_validate(
        {
            "name": "supervised",
            "epochs": 20,
            "steps": 1,
            "seconds": 1,
            "best_epoch": 20,
            "best_metric": 0.1,
            "stopped": stopped,
        }
    )


def test_nothing_to_say(tmp_path: Path) -> None:
    assert warnings_of(tmp_path, Made("A", 2.0), Made("B", 0.0)) == []


@pytest.mark.parametrize(
    ("made", "kind", "cause"),
    [
        (
            Made("B", record=different(stages=(stage("epoch-cap"),))),
            WarningKind.EPOCH_CAP,
            "B on sample: 3 of 3 runs ended stage supervised at the cap of 20 epochs.",
        ),
        (
            Made("B", record=different(tie_share=0.034)),
            WarningKind.TIES,
            "B on sample gives 3% of the targets another item's score.",
        ),
        (
            Made("B", deterministic=True, record=different(tie_share=1.0)),
            WarningKind.ALL_TIED,
            "B on sample gives 100% of the targets another item's score.",
        ),
        (
            Made("B", record=different(device="NVIDIA H100")),
            WarningKind.DIFFERENT_DEVICES,
            "Trials ran on different devices: NVIDIA H100 and cpu.",
        ),
        (
            Made("B", record=different(threads=8)),
            WarningKind.DIFFERENT_THREADS,
            "Trials ran with different numbers of threads: 2 and 8.",
        ),
        (
            Made("B", record=different(versions={"lrbench": "0.1.0", "torch": "2.9.0"})),
            WarningKind.DIFFERENT_VERSIONS,
            "Trials were made with different versions of torch: 2.13.0 and 2.9.0.",
        ),
        (
            Made("B", record=different(versions={"lrbench": "0.1.0", "torch": "2.13.0", "commit": "abc"})),
            WarningKind.DIFFERENT_COMMITS,
            "Trials were made at 2 different commits of lrbench, one of them unknown.",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, WarningKind) else None,
)
def test_records_that_need_a_word(tmp_path: Path, made: Made, kind: WarningKind, cause: str) -> None:
    (warning,) = warnings_of(tmp_path, Made("A", 2.0), made)
    assert (warning.kind, warning.cause) == (kind, cause)
    assert str(warning) == f"{cause} {kind.value}{f': {warning.command}' if warning.command else '.'}"


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ({"repeating_targets": 1.0}, [WarningKind.REPEATING_TARGETS]),
        ({"undated_targets": 1.0}, [WarningKind.UNDATED_TARGETS]),
        (
            {"repeating_targets": 0.51, "undated_targets": 0.91},
            [WarningKind.REPEATING_TARGETS, WarningKind.UNDATED_TARGETS],
        ),
        ({"repeating_targets": 0.5, "undated_targets": 0.9}, []),
    ],
)
def test_targets_that_tell_nothing(
    tmp_path: Path, fields: dict[str, float], kinds: list[WarningKind]
) -> None:
    """The warning is given once for a dataset, not for each of its rows."""
    made = [Made("A", 2.0, record=different(**fields)), Made("B", 0.0, record=different(**fields))]
    found = warnings_of(tmp_path, *made)
    assert [warning.kind for warning in found] == kinds
    assert all(warning.cause.startswith("On sample, ") for warning in found)


def test_what_equal_titles_cost_is_said(tmp_path: Path) -> None:
    made = Made("B", record=different(title_metrics={"ndcg@10": 0.9}))
    (warning,) = warnings_of(tmp_path, Made("A", 2.0), made)
    assert warning.kind is WarningKind.EQUAL_TITLES
    assert warning.cause.startswith("B on sample: NDCG@10 is 0.")
    assert warning.cause.endswith("it would be 0.9000 if a hit on any item with the target's title counted.")


def test_equal_titles_that_cost_nothing_are_not_said(tmp_path: Path) -> None:
    made = Made("B", record=different(title_metrics={"ndcg@10": 0.0}))
    assert warnings_of(tmp_path, Made("A", 2.0), made) == []


def test_titles_that_change_no_hit_are_not_said(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", 2.0), Made("B")], proposed=[])
    for cell in suite.trials:
        means = read_record(Results(tmp_path).trial(cell.trial)).metrics["test"]["0"]
        rewrite_record(tmp_path, cell.trial, title_metrics=means)
    assert build_report(suite, Results(tmp_path)).warnings == ()


def test_gpu_trials_may_use_any_number_of_threads(tmp_path: Path) -> None:
    on_gpu = (different(device="NVIDIA H100", threads=count) for count in (2, 8))
    first, second = on_gpu
    assert warnings_of(tmp_path, Made("A", 2.0, record=first), Made("B", record=second)) == []


def test_commits_are_counted_not_listed(tmp_path: Path) -> None:
    at = ({"lrbench": "0.1.0", "torch": "2.13.0", "commit": commit} for commit in ("abc", "abc", "abc+", "d"))
    models = [
        Made(label, -3.0 * place, record=different(versions=next(at))) for place, label in enumerate("ABCD")
    ]
    (warning,) = warnings_of(tmp_path, *models)
    assert warning.cause == "Trials were made at 3 different commits of lrbench."
    assert warning.command == f"lrbench run SUITE.toml --results {tmp_path} --rerun all"


@pytest.mark.parametrize(("fields", "warned"), [({}, False), ({"verified": False}, True)])
def test_unverified_source(tmp_path: Path, fields: dict[str, Any], warned: bool) -> None:
    made = Made("A", record=different(dataset=summary(**fields)))
    found = [(warning.kind, warning.command) for warning in warnings_of(tmp_path, made, datasets=["ml-100k"])]
    fetch = f"lrbench fetch ml-100k --from {load_catalogue().find('ml-100k').sources[0].urls[0]}"
    assert found == ([(WarningKind.UNVERIFIED_SOURCE, fetch)] if warned else [])


def test_generated_data_need_no_checksum(tmp_path: Path) -> None:
    made = Made("A", record=different(dataset=summary(name="sample", verified=False, synthetic=True)))
    assert warnings_of(tmp_path, made) == []


def test_a_file_of_ones_own_has_no_official_checksum(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("user,item\na,b\n", encoding="utf-8")
    own = summary(edition=user_file("shop", file, {}).edition, verified=False)
    assert warnings_of(tmp_path, Made("A", record=different(dataset=own)), datasets=["ml-100k"]) == []


def test_more_than_can_be_achieved(tmp_path: Path) -> None:
    best = different(dataset=summary(name="sample", synthetic=True, best_recall_at_10=0.2))
    (warning,) = warnings_of(tmp_path, Made("A", 2.0, record=best), Made("B", -2.0))
    assert warning.kind == WarningKind.ABOVE_ACHIEVABLE
    assert "A on sample has Recall@10 0." in warning.cause


@pytest.mark.parametrize(("errors", "warned"), [(2.5, False), (3.5, True)])
def test_three_standard_errors_above_the_best_achievable_may_be_chance(
    tmp_path: Path, errors: float, warned: bool
) -> None:
    """The warning is of one row; another row of the dataset may be stored without the best achievable."""
    suite = make_suite(tmp_path, [Made("A", -2.0), Made("B", 1.0)], proposed=[])
    (mean,) = (
        row.mean
        for row in build_report(suite, Results(tmp_path)).rows
        if (row.label, row.metric) == ("B", "recall@10")
    )
    best = mean - errors * math.sqrt(mean * (1 - mean) / 400)
    for cell in suite.trials:
        known = {"best_recall_at_10": best} if cell.label == "B" else {}
        rewrite_record(tmp_path, cell.trial, dataset=summary(name="sample", synthetic=True, **known))
    found = build_report(suite, Results(tmp_path)).warnings
    assert [warning.label for warning in found] == ["B"] * warned


def test_the_larger_spread_decides_about_a_lead(tmp_path: Path) -> None:
    """A model without randomness has none."""
    models = [Made("A", 1.0, luck=0.3, match=0.0), Made("P", 1.0, match=0.0, deterministic=True)]
    (warning,) = warnings_of(tmp_path, *models)
    assert warning.kind == WarningKind.WITHIN_SEED_SPREAD


def test_epochs_are_those_of_the_stage_at_its_cap(tmp_path: Path) -> None:
    longer = stage("patience").model_copy(update={"name": "rpt", "epochs": 50})
    (warning,) = warnings_of(tmp_path, Made("B", record=different(stages=(stage("epoch-cap"), longer))))
    assert warning.cause == "B on sample: 3 of 3 runs ended stage supervised at the cap of 20 epochs."


def test_ties_of_one_run_are_enough(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A")], proposed=[])
    rewrite_record(tmp_path, suite.trials[1].trial, tie_share=0.5)
    (warning,) = build_report(suite, Results(tmp_path)).warnings
    assert warning.kind == WarningKind.TIES
    assert "gives 50% of the targets another item's score" in warning.cause


def test_lead_within_the_spread_of_seeds(tmp_path: Path) -> None:
    models = [Made(label, 1.0, luck=0.3, match=0.0) for label in ("A", "B")]
    (warning,) = warnings_of(tmp_path, *models)
    assert warning.kind == WarningKind.WITHIN_SEED_SPREAD
    assert "NDCG@10" in warning.cause


def test_two_seeds(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", 2.0), Made("B")], seeds=[1, 2], proposed=["A"])
    (warning,) = build_report(suite, Results(tmp_path)).warnings
    assert warning.kind == WarningKind.NOT_TESTABLE
    assert warning.cause == ("1 of 1 comparisons are not testable: 2 seeds, but a test needs at least 3.")


def test_what_to_do_about_missing_tests_depends_on_their_cause(tmp_path: Path) -> None:
    """Of five seeds two are there; of the suite with one user all are."""
    suite = make_suite(tmp_path / "runs", [Made("A", 2.0), Made("B")], seeds=range(1, 6), proposed=["A"])
    for cell in suite.trials:
        if cell.label == "B" and cell.seed > 2:
            shutil.rmtree(Results(tmp_path / "runs").trial(cell.trial))
    told = {warning.kind: warning for warning in build_report(suite, Results(tmp_path / "runs")).warnings}
    assert WarningKind.NOT_TESTABLE not in told
    assert "2 seeds, but a test needs at least 3." in told[WarningKind.AWAITS_RUNS].cause
    remedy = told[WarningKind.AWAITS_RUNS].remedy
    assert remedy.startswith("The suite has enough seeds: run what is missing: lrbench run ")

    made = {"A": Made("A", 2.0), "B": Made("B")}
    suite = make_suite(tmp_path / "users", list(made.values()), proposed=["A"])
    for cell in suite.trials:
        shutil.rmtree(Results(tmp_path / "users").trial(cell.trial))
        write_trial(tmp_path / "users", made[cell.label], cell.dataset, cell.seed, users=1)
    told = {warning.kind: warning for warning in build_report(suite, Results(tmp_path / "users")).warnings}
    assert {WarningKind.NOT_TESTABLE, WarningKind.AWAITS_RUNS}.isdisjoint(told)
    assert told[WarningKind.ONE_USER].cause.endswith("1 user, but a test needs at least 2.")
    assert "more test users" in told[WarningKind.ONE_USER].remedy
    assert "seeds, better 5" not in str(told)


def test_labels_of_the_same_trials_are_named_as_such(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", 2.0), Made("B")], proposed=["A"])
    twins = [cell.model_copy(update={"label": "A2"}) for cell in suite.trials if cell.label == "A"]
    suite = suite.model_copy(update={"labels": ("A", "A2", "B"), "trials": (*suite.trials, *twins)})
    (warning,) = build_report(suite, Results(tmp_path)).warnings
    assert warning.kind == WarningKind.SAME_TRIALS
    assert warning.cause == (
        "1 of 2 comparisons are not testable (A against A2): both labels have the same ranks."
    )


def test_equal_models_without_randomness_say_why_there_is_no_test(tmp_path: Path) -> None:
    fixed = [Made(label, deterministic=True) for label in ("P", "Q")]
    suite = make_suite(tmp_path, fixed, datasets=["ml-100k"], proposed=["P"])
    for cell, rank in zip(suite.trials, (1.0, 2.0), strict=True):  # apart by the same for every user
        rewrite_ranks(tmp_path, cell.trial, pl.lit(rank).alias("rank"))
    warning = build_report(suite, Results(tmp_path)).warnings[0]
    assert warning.kind == WarningKind.NO_VARIATION
    assert "1 of 1 comparisons are not testable (P against Q): the difference has no" in warning.cause


def test_seeds_that_were_never_run(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", 2.0), Made("P", deterministic=True)], proposed=[])
    grown = suite.model_copy(update={"seeds": (1, 2, 3, 4, 5)})
    (warning,) = build_report(grown, Results(tmp_path)).warnings
    assert warning.kind == WarningKind.FEWER_SEEDS
    assert warning.cause == "sample was never run with seeds 4 and 5 of the suite."


def test_a_dataset_that_is_to_have_fewer_seeds_lacks_none(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", 2.0)], proposed=[])
    grown = suite.model_copy(update={"seeds": (1, 2, 3, 4, 5), "dataset_seeds": {"sample": (1, 2, 3)}})
    report = build_report(grown, Results(tmp_path))
    assert (report.warnings, report.interim) == ((), False)


def test_missing_trials_are_gathered_whatever_the_order_of_cells(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", 2.0), Made("B"), Made("C", -2.0)], proposed=[])
    by_seed = tuple(sorted(suite.trials, key=lambda cell: cell.seed))
    for cell in suite.trials:
        if cell.label == "B" or (cell.label, cell.seed) == ("C", 2):
            Results(tmp_path).trial(cell.trial).rename(tmp_path / cell.trial)
    report = build_report(suite.model_copy(update={"trials": by_seed}), Results(tmp_path))
    assert [warning.cause for warning in report.warnings] == [
        "B on sample lacks the trials of seeds 1, 2 and 3; there is nothing to show.",
        "C on sample lacks the trial of seed 2; what is there is shown.",
    ]
    run = f"lrbench run SUITE.toml --results {tmp_path} --rerun missing"
    assert {warning.remedy for warning in report.warnings} == {f"Run them: {run}"}


def test_trials_that_failed_are_told_from_those_that_never_ran(tmp_path: Path) -> None:
    results, suite = Results(tmp_path), make_suite(tmp_path, [Made("A", 2.0), Made("B")], proposed=[])
    for cell in suite.trials:
        if cell.label == "B" and cell.seed != 3:
            results.trial(cell.trial).rename(tmp_path / cell.trial)
        if (cell.label, cell.seed) == ("B", 2):
            results.failed(cell.trial).mkdir(parents=True)
            results.error(cell.trial).touch()
    failed, never = build_report(suite, results).warnings[:2]
    run = f"lrbench run SUITE.toml --results {tmp_path} --rerun missing"
    assert str(failed) == (
        "B on sample lacks the trial of seed 2, which failed; what is there is shown. "
        f"lrbench status demo --results {tmp_path} says why. Remove the cause and run them again: {run}"
    )
    assert str(never) == (f"B on sample lacks the trial of seed 1; what is there is shown. Run them: {run}")


def test_a_row_whose_search_failed_says_so(tmp_path: Path) -> None:
    results, suite = Results(tmp_path), make_suite(tmp_path, [Made("A", 2.0)], proposed=[])
    waiting = suite.model_copy(
        update={
            "labels": ("A", "B", "B without", "C"),
            "controls": {"B without": ControlRecord(of="B", control="no-reasoning")},
            "searches": (TunedRow(label="B", dataset="sample", search="s"),),
        }
    )
    results.failed("s").mkdir(parents=True)
    results.error("s").touch()
    assert [warning.cause for warning in build_report(waiting, results).warnings] == [
        "B on sample has no trials, as the search for its settings failed; there is nothing to show.",
        "B without on sample has no trials, as the search for its settings failed; there is nothing to show.",
        "C on sample has no trials yet; there is nothing to show.",
    ]


def test_deterministic_models_need_no_seeds(tmp_path: Path) -> None:
    assert warnings_of(tmp_path, Made("P", deterministic=True), seeds=[1, 2, 3]) == []


def test_ties_of_a_model_that_counts_are_normal(tmp_path: Path) -> None:
    made = Made("P", deterministic=True, record=different(tie_share=0.9))
    assert warnings_of(tmp_path, made) == []


def test_ties_that_were_never_counted_are_warned_of(tmp_path: Path) -> None:
    made = Made("P", deterministic=True, record=different(tie_share=0.9))
    suite = make_suite(tmp_path, [made], proposed=[])
    path = Results(tmp_path).trial(suite.trials[0].trial) / "ranks.parquet"
    pl.read_parquet(path).drop("ties", "ties_masked").write_parquet(path)
    (warning,) = build_report(suite, Results(tmp_path)).warnings
    assert warning.kind == WarningKind.TIES_UNKNOWN
    assert warning.command.endswith("--rerun all")


def test_ties_that_one_run_did_not_count_are_unknown(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", record=different(tie_share=0.9))], proposed=[])
    path = Results(tmp_path).trial(suite.trials[1].trial) / "ranks.parquet"
    pl.read_parquet(path).drop("ties", "ties_masked").write_parquet(path)
    (warning,) = build_report(suite, Results(tmp_path)).warnings
    assert warning.kind == WarningKind.TIES_UNKNOWN


def test_runs_with_other_numbers_of_draws(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A")], proposed=[])
    trial = suite.trials[1].trial
    config = read_record(Results(tmp_path).trial(trial)).config
    more = config.model_copy(update={"evaluation": EvaluationConfig(draws=8)})
    rewrite_record(tmp_path, trial, draws=8, config=more)
    (warning,) = build_report(suite, Results(tmp_path)).warnings
    assert warning.kind == WarningKind.UNEQUAL_DRAWS
    assert warning.cause == "Runs of A on sample were ranked with 1 and 8 draws of the noise."


def test_a_run_that_collapsed_is_named(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", 2.0)], proposed=[], seeds=[1, 2, 3, 4])
    rewrite_ranks(tmp_path, suite.trials[2].trial, (pl.col("rank") * 4).clip(1, 500))
    (warning,) = build_report(suite, Results(tmp_path)).warnings
    assert warning.kind == WarningKind.COLLAPSED_RUN
    assert warning.cause.startswith("A on sample: the run of seed 3 has NDCG@10 0.")


def test_several_runs_that_learned_nothing_are_named_by_their_validation(tmp_path: Path) -> None:
    """In the test split three low runs of ten hide in the spread of the others."""
    bests = [0.0588, 0.0228, 0.0513, 0.0585, 0.062, 0.0602, 0.0219, 0.0591, 0.0583, 0.0217]
    suite = make_suite(tmp_path, [Made("A", 2.0)], proposed=[], seeds=list(range(1, 11)))
    for cell, best in zip(suite.trials, bests, strict=True):
        stages = read_record(Results(tmp_path).trial(cell.trial)).stages
        rewrite_record(tmp_path, cell.trial, stages=(stages[0].model_copy(update={"best_metric": best}),))
    found = build_report(suite, Results(tmp_path)).warnings
    causes = [warning.cause for warning in found if warning.kind == WarningKind.COLLAPSED_RUN]
    assert causes == [
        f"A on sample: the run of seed {seed} has at most NDCG@10 {best:.4f} on validation, far below the "
        "median of its label, 0.0584."
        for seed, best in ((2, 0.0228), (7, 0.0219), (10, 0.0217))
    ]


@pytest.mark.parametrize(
    ("bests", "collapsed"),
    [
        ([(0.05, 0.05), (0.051, 0.051), (0.001, 0.05), (0.05, 0.052)], False),
        ([(0.05, 0.05), (0.051, 0.051), (0.05, 0.001), (0.05, 0.052)], True),
        ([(0.05, 0.05), (0.051, 0.051), (0.05, None), (0.05, 0.052)], False),
    ],
    ids=["the first stage", "the last stage", "not validated"],
)
def test_the_last_stage_tells_whether_a_run_learned(
    tmp_path: Path, bests: list[tuple[float, float | None]], collapsed: bool
) -> None:
    suite = make_suite(tmp_path, [Made("A", 2.0, "lares")], proposed=[], seeds=[1, 2, 3, 4])
    for cell, of_stages in zip(suite.trials, bests, strict=True):
        record = read_record(Results(tmp_path).trial(cell.trial))
        pairs = zip(record.stages, of_stages, strict=True)
        stages = tuple(each.model_copy(update={"best_metric": best}) for each, best in pairs)
        rewrite_record(tmp_path, cell.trial, stages=stages)
    causes = [warning.cause for warning in build_report(suite, Results(tmp_path)).warnings]
    assert ["the run of seed 3 has at most" in cause for cause in causes] == [True] * collapsed


def test_the_validation_of_a_control_that_reads_noise_is_that_of_its_model(tmp_path: Path) -> None:
    """It was trained with the model's own latent states, so its run is the model's."""
    suite = make_suite(tmp_path, [Made("A", 2.0)], proposed=[], seeds=[1, 2, 3, 4])
    for cell, best in zip(suite.trials, (0.05, 0.051, 0.001, 0.052), strict=True):
        record = read_record(Results(tmp_path).trial(cell.trial))
        config = record.config.model_copy(update={"evaluation": EvaluationConfig(latents="noise")})
        stages = (record.stages[0].model_copy(update={"best_metric": best}),)
        rewrite_record(tmp_path, cell.trial, stages=stages, config=config)
    assert build_report(suite, Results(tmp_path)).warnings == ()


def test_only_a_tuned_row_beside_one_that_was_not_is_warned_of(tmp_path: Path) -> None:
    """A control has the settings that were chosen for its model; on the other dataset nothing was tuned."""
    models = [Made(label) for label in ("A", "A without", "B", "C")]
    suite = make_suite(tmp_path, models, datasets=("sample", "ml-100k"), proposed=["A"]).model_copy(
        update={
            "controls": {"A without": ControlRecord(of="A", control="no-reasoning")},
            "searches": tuple(TunedRow(label=label, dataset="sample", search=f"s{label}") for label in "AB"),
        }
    )
    comparisons = build_report(suite, Results(tmp_path)).comparisons
    assert len(comparisons) == 6
    (warning,) = unequal_tuning(suite, comparisons)
    assert warning.cause == "On sample, A was tuned and is compared with C, which was not."


def test_rows_of_one_account_on_both_sides_are_named(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A")], proposed=[])
    for name, warned in (("loo-20", False), ("shared-rows", True), ("shared-rows-disjoint", False)):
        changed = suite.model_copy(update={"protocol": PROTOCOLS[name]})
        report = build_report(changed, Results(tmp_path))
        found = [warning for warning in report.warnings if warning.kind is WarningKind.SHARED_ROWS]
        assert bool(found) is warned
        if found:
            assert "On sample, rows of one account are both in training and in test" in str(found[0])
