from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite

from lrbench.report.build import build_report
from lrbench.store.declarations import Look, read_looks, record_look
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord, declared

MODELS = (Made("A", 2.0), Made("B", 0.0))


def caption(suite: SuiteRecord, root: Path) -> str:
    return " ".join(build_report(suite, Results(root)).caption)


def test_a_suite_that_is_declared_first_says_so(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, MODELS, proposed=["A"])
    before = declared(suite, None, Results(tmp_path / "empty"))
    assert [claim.finished for claim in before.declarations] == [0]
    assert "before any of its trials had finished." in caption(before, tmp_path)


def test_a_look_after_half_a_line_is_kept(tmp_path: Path) -> None:
    file, look = tmp_path / "demo.looks.jsonl", Look(time=datetime.now(UTC), seeds=3)
    file.write_bytes(b'{"time": "2026')
    record_look(file, look)
    assert read_looks(file) == [look]


def test_running_again_declares_nothing_new(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, MODELS, proposed=["A"])
    first = declared(suite, None, Results(tmp_path))
    fewer_seeds = suite.model_copy(update={"seeds": (1, 2)})
    for again in (suite, fewer_seeds):
        assert declared(again, first, Results(tmp_path)).declarations == first.declarations


def test_more_seeds_are_declared_and_are_no_change_of_the_claim(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, MODELS, proposed=["A"])
    first = declared(suite, None, Results(tmp_path))
    grown = declared(suite.model_copy(update={"seeds": (1, 2, 3, 4)}), first, Results(tmp_path))
    assert [claim.seeds for claim in grown.declarations] == [(1, 2, 3), (1, 2, 3, 4)]
    assert "The declaration was changed" not in caption(grown, tmp_path)


def test_a_claim_that_was_changed_after_results_existed_is_told(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, MODELS, proposed=["B"])
    first = declared(suite, None, Results(tmp_path / "empty"))
    turned = declared(suite.model_copy(update={"proposed": ("A",)}), first, Results(tmp_path))
    assert [claim.finished for claim in turned.declarations] == [0, 6]
    text = caption(turned, tmp_path)
    assert "when 6 trials had finished: from B on NDCG@10 to A on NDCG@10." in text
    assert "raises the false positives" in text
    assert "The declaration was changed" not in caption(first, tmp_path)


@pytest.mark.parametrize("change", [{"primary_metric": "mrr"}, {"against": ("B",)}, {"margin": 0.05}])
def test_metric_systems_and_margin_belong_to_the_claim(tmp_path: Path, change: dict[str, object]) -> None:
    suite = make_suite(tmp_path, MODELS, proposed=["A"])
    first = declared(suite, None, Results(tmp_path))
    assert len(declared(suite.model_copy(update=change), first, Results(tmp_path)).declarations) == 2


def test_a_claim_that_was_changed_before_any_result_is_not_told(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, MODELS, proposed=["B"])
    first = declared(suite, None, Results(tmp_path / "empty"))
    turned = declared(suite.model_copy(update={"proposed": ("A",)}), first, Results(tmp_path / "empty"))
    assert [claim.finished for claim in turned.declarations] == [0, 0]
    assert "The declaration was changed" not in caption(turned, tmp_path)


def test_a_margin_that_was_changed_after_results_existed_is_told(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, MODELS, proposed=["A"])
    first = declared(suite, None, Results(tmp_path / "empty"))
    wider = declared(suite.model_copy(update={"margin": 0.1}), first, Results(tmp_path))
    assert "from A on NDCG@10, equal within ± 2 % to A on NDCG@10, equal within ± 10 %." in caption(
        wider, tmp_path
    )
    unknown = wider.declarations[0].model_copy(update={"margin": None})
    older = wider.model_copy(update={"declarations": (unknown, *wider.declarations[1:])})
    assert "from A on NDCG@10, equal within an unknown margin to" in caption(older, tmp_path)


def test_a_record_of_an_earlier_version_has_an_unknown_date(tmp_path: Path) -> None:
    old = make_suite(tmp_path, MODELS, proposed=["A"])
    same = declared(old, old, Results(tmp_path))
    assert [claim.time for claim in same.declarations] == [None]
    assert "Declared on" not in caption(same, tmp_path)
    turned = declared(old.model_copy(update={"proposed": ("B",)}), old, Results(tmp_path))
    assert "from A on NDCG@10 to B on NDCG@10" in caption(turned, tmp_path)


def test_seeds_added_after_a_look_are_told(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, MODELS, proposed=["A"], seeds=(1, 2, 3, 4, 5))
    assert "Seeds were added" not in caption(suite, tmp_path)
    looks = Results(tmp_path).looks(suite.name)
    for seeds in (1, 3, 3, 4):
        record_look(looks, Look(time=datetime(2026, 11, 1, tzinfo=UTC), seeds=seeds))
    assert [look.seeds for look in read_looks(looks)] == [1, 3, 4]
    text = caption(suite, tmp_path)
    assert "Seeds were added after a report had been seen with 3 and 4." in text


def test_a_look_at_some_of_the_seeds_that_were_declared_before_it_is_no_choice(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, MODELS, proposed=["A"], seeds=(1, 2, 3, 4, 5))
    planned = declared(suite, None, Results(tmp_path))
    (claim,) = planned.declarations
    assert claim.time is not None
    looks = Results(tmp_path).looks(suite.name)
    record_look(looks, Look(time=claim.time + timedelta(minutes=1), seeds=3))
    assert "Seeds were added" not in caption(planned, tmp_path)
    record_look(looks, Look(time=claim.time - timedelta(minutes=1), seeds=4))
    assert "after a report had been seen with 4." in caption(planned, tmp_path)


def test_a_look_at_all_seeds_of_the_declaration_is_told_once_more_are_declared(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, MODELS, proposed=["A"], seeds=(1, 2, 3, 4, 5))
    first = declared(suite.model_copy(update={"seeds": (1, 2, 3)}), None, Results(tmp_path / "empty"))
    grown = declared(suite, first, Results(tmp_path))
    claim, later = (
        claim.model_copy(update={"time": datetime(2026, 11, day, tzinfo=UTC)})
        for day, claim in zip((1, 3), grown.declarations, strict=True)
    )
    looks = Results(tmp_path).looks(suite.name)
    record_look(looks, Look(time=datetime(2026, 11, 2, tzinfo=UTC), seeds=3))
    said = caption(grown.model_copy(update={"declarations": (claim, later)}), tmp_path)
    assert "Seeds were added after a report had been seen with 3." in said


def test_a_trial_under_two_labels_has_finished_once(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, MODELS, proposed=["A"])
    twins = [cell.model_copy(update={"label": "A2"}) for cell in suite.trials if cell.label == "A"]
    both = suite.model_copy(update={"labels": ("A", "A2", "B"), "trials": (*suite.trials, *twins)})
    assert [claim.finished for claim in declared(both, None, Results(tmp_path)).declarations] == [6]


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "x.looks.jsonl"
    record_look(path, Look(time=datetime(2026, 11, 1, tzinfo=UTC), seeds=3))
    with path.open("a", encoding="utf-8") as file:
        file.write('{"time": "2026-')
    assert [look.seeds for look in read_looks(path)] == [3]
