import io
from pathlib import Path

import pytest
from rich.console import Console
from small_data import order, trial_config
from store.search_records import search_record

from lrbench.cli.run_progress import LiveView, SuiteView, make_view
from lrbench.cli.run_tasks import Task
from lrbench.config.trial import TrialConfig
from lrbench.execution.events import (
    TrialDone,
    TrialFailed,
    TrialStarted,
    parse_event,
)
from lrbench.training.news import EpochDone


def task(title: str, config: TrialConfig) -> Task:
    return Task(order(config, Path("data"), Path("results")), title)


LARES = task("LARES, seed 1", trial_config("lares"))
SASREC = task("SASRec, seed 1", trial_config("sasrec"))
SEARCH = task("search for SASRec", search_record(trials=2).config)
EPOCH = EpochDone(
    trial=LARES.id,
    stage="spt",
    epoch=3,
    max_epochs=10,
    loss=6.5,
    metric=0.0412,
    best_metric=0.05,
    validations_left=4,
    seconds=20.0,
)
DONE = TrialDone(trial=LARES.id, seconds=75.0, metrics={"ndcg@10": 0.0333})
FAILED = TrialFailed(trial=SASREC.id, reason="ValueError: no", error_file="failed/t2/error.txt")


@pytest.mark.parametrize("event", [TrialStarted(trial="t", device="cpu"), EPOCH, DONE, FAILED])
def test_events_survive_the_pipe(event: TrialStarted) -> None:
    assert parse_event(event.model_dump_json()) == event


def test_without_a_terminal_there_are_plain_lines() -> None:
    told = io.StringIO()
    with make_view(Console(file=told), "ndcg@10") as view:
        assert type(view) is SuiteView
        view.expect([LARES, SASREC], upcoming=0)
        for event in (TrialStarted(trial=LARES.id, device="cpu"), EPOCH, DONE, FAILED):
            view.show(event)
    lines = told.getvalue().splitlines()
    assert lines[0] == "[0/2] LARES, seed 1: started on cpu"
    done = "[1/2] LARES, seed 1: done in 1 min 15 s, valid ndcg@10 0.0333; less than 0.1 s left at this pace"
    assert lines[1] == done
    assert lines[2] == "[2/2] SASRec, seed 1: FAILED: ValueError: no (see failed/t2/error.txt)"
    assert len(lines) == 3  # an epoch so soon after the start is no news
    assert view.failed == [FAILED]


def test_a_terminal_shows_running_trials_in_a_table() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=110)
    view = make_view(console, "ndcg@10")
    assert isinstance(view, LiveView)
    view.expect([LARES, SASREC], upcoming=0)
    view.show(TrialStarted(trial=SASREC.id, device="cpu"))
    view.show(EPOCH)
    with console.capture() as capture:
        console.print(view.render())
    text = capture.get()
    for part in ("LARES, seed 1", "spt", "3/10", "6.500", "0.0412", "0.0500", "2 min 20 s", "SASRec", "0/2"):
        assert part in text
    view.show(DONE)
    with console.capture() as capture:
        console.print(view.render())
    assert "spt" not in capture.get()
    assert "1/2" in capture.get()


def test_a_search_counts_as_one_and_lasts_as_long_as_its_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("lrbench.cli.run_progress.time.monotonic", lambda: now[0])
    told = io.StringIO()
    view = make_view(Console(file=told, width=200), "ndcg@10")
    view.expect([SEARCH, LARES], upcoming=3)
    now[0] += 60.0
    view.show(DONE)
    view.expect([], upcoming=3)
    now[0] += 120.0
    view.show(DONE.model_copy(update={"trial": SEARCH.id}))
    view.expect([SASREC], upcoming=0)
    view.show(FAILED)
    lines = [line.partition("] ") for line in told.getvalue().splitlines()]
    assert [count for count, _, _ in lines] == ["[1/5", "[2/5", "[3/3"]
    assert lines[0][2].endswith("; about 5 min left at this pace")  # a search of two trials and three more
    assert lines[1][2].endswith("; about 3 min left at this pace")  # three trials, after three
