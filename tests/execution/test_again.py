"""Trials and searches that are trained again: older results are replaced, and no attempt is lost."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from small_data import order, trial_config
from small_search import search

from lrbench.config.trial import TrialConfig
from lrbench.config.tuning import SearchConfig
from lrbench.execution.events import TrialDone
from lrbench.execution.finished import finished_record
from lrbench.execution.perform import perform
from lrbench.store.layout import RECORD_FILE, Results
from lrbench.store.state import trial_state
from lrbench.store.trials import read_record
from lrbench.training.news import EpochDone

TRIAL = trial_config(max_epochs=4, patience=4, batch_size=512)


@pytest.fixture
def attempt(walks_folder: Path, tmp_path: Path) -> Callable[..., list[Any]]:
    """Perform an order, which stops after so many epochs; return the epochs, and how it ended."""

    def performed(
        config: TrialConfig | SearchConfig, since: datetime | None = None, epochs: int | None = None
    ) -> list[Any]:
        seen: list[Any] = []
        reports = count(1)

        def send(event: Any) -> None:
            if isinstance(event, EpochDone):
                seen.append(event.epoch)
            elif event.kind not in ("started", "note"):
                seen.append("found" if isinstance(event, TrialDone) and event.found else event.kind)

        perform(order(config, walks_folder, tmp_path, since=since), send, lambda: next(reports) == epochs)
        return seen

    return performed


def test_a_trial_is_trained_again_once_however_often_it_is_broken_off(
    attempt: Callable[..., list[Any]], tmp_path: Path
) -> None:
    attempt(TRIAL)
    before = read_record(Results(tmp_path).trial(TRIAL.id))
    since = datetime.now(UTC)
    assert attempt(TRIAL, since, epochs=2) == [1, 2, "stopped"]
    assert read_record(Results(tmp_path).trial(TRIAL.id)) == before  # until there is a new one
    assert attempt(TRIAL, since, epochs=1) == [3, "stopped"]
    assert attempt(TRIAL, since) == [4, "done"]
    after = read_record(Results(tmp_path).trial(TRIAL.id))
    assert (after.resumed, after.metrics) == (2, before.metrics)
    assert attempt(TRIAL, since) == ["found"]
    assert attempt(TRIAL, datetime.now(UTC), epochs=1) == [1, "stopped"]


def test_what_was_begun_before_is_to_be_replaced_though_it_ended_after(
    attempt: Callable[..., list[Any]], walks_folder: Path, tmp_path: Path
) -> None:
    attempt(TRIAL)
    record = read_record(Results(tmp_path).trial(TRIAL.id))
    assert finished_record(order(TRIAL, walks_folder, tmp_path, since=record.started)) == record
    during = record.started + timedelta(microseconds=1)
    assert during < record.ended
    assert finished_record(order(TRIAL, walks_folder, tmp_path, since=during)) is None


def test_what_an_earlier_run_left_is_not_gone_on_with(attempt: Callable[..., list[Any]]) -> None:
    assert attempt(TRIAL, epochs=1) == [1, "stopped"]
    first = datetime.now(UTC)
    assert attempt(TRIAL, first, epochs=2) == [1, 2, "stopped"]
    assert attempt(TRIAL, datetime.now(UTC), epochs=2) == [1, 2, "stopped"]
    assert attempt(TRIAL, first, epochs=1) == [3, "stopped"]  # two runs do not delete each other's work
    assert attempt(TRIAL) == [4, "done"]


def test_a_record_that_cannot_be_read_is_replaced(attempt: Callable[..., list[Any]], tmp_path: Path) -> None:
    since = datetime.now(UTC)
    record = Results(tmp_path).trial(TRIAL.id) / RECORD_FILE
    record.parent.mkdir(parents=True)
    record.write_text("{", encoding="utf-8")
    assert attempt(TRIAL, since) == [1, 2, 3, 4, "done"]


@pytest.mark.slow
def test_a_search_is_made_again_once_however_often_it_is_broken_off(
    attempt: Callable[..., list[Any]], walks_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("optuna")
    config = search()
    whole = attempt(config)
    since = datetime.now(UTC)
    begun = attempt(config, since, epochs=len(whole) - 3)
    assert (begun[-1], trial_state(Results(tmp_path), config.id)) == ("stopped", "done")
    assert [*begun[:-1], *attempt(config, since)] == whole
    assert attempt(config, since) == ["found"]
    assert finished_record(order(config, walks_folder, tmp_path, since=datetime.now(UTC))) is None
