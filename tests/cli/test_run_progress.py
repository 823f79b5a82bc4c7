import io

import pytest
from rich.console import Console

from lrbench.cli.run_progress import LiveView, SuiteView, make_view
from lrbench.execution.events import (
    TrialDone,
    TrialFailed,
    TrialStarted,
    parse_event,
)
from lrbench.training.news import EpochDone

EPOCH = EpochDone(
    trial="t1",
    stage="spt",
    epoch=3,
    max_epochs=10,
    loss=6.5,
    metric=0.0412,
    best_metric=0.05,
    validations_left=4,
    seconds=20.0,
)
DONE = TrialDone(trial="t1", seconds=75.0, metrics={"ndcg@10": 0.0333})
FAILED = TrialFailed(trial="t2", reason="ValueError: no", error_file="failed/t2/error.txt")
TITLES = {"t1": "LARES, seed 1", "t2": "SASRec, seed 1"}


@pytest.mark.parametrize("event", [TrialStarted(trial="t", device="cpu"), EPOCH, DONE, FAILED])
def test_events_survive_the_pipe(event: TrialStarted) -> None:
    assert parse_event(event.model_dump_json()) == event


def test_without_a_terminal_there_are_plain_lines() -> None:
    told = io.StringIO()
    with make_view(Console(file=told), TITLES, "ndcg@10") as view:
        assert type(view) is SuiteView
        for event in (TrialStarted(trial="t1", device="cpu"), EPOCH, DONE, FAILED):
            view.show(event)
    lines = told.getvalue().splitlines()
    assert lines[0] == "[0/2] LARES, seed 1: started on cpu"
    assert lines[1].startswith("[1/2] LARES, seed 1: done in 1 min 15 s, valid ndcg@10 0.0333; about ")
    assert lines[2] == "[2/2] SASRec, seed 1: FAILED: ValueError: no (see failed/t2/error.txt)"
    assert len(lines) == 3  # an epoch so soon after the start is no news
    assert view.failed == [FAILED]


def test_a_terminal_shows_running_trials_in_a_table() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=110)
    view = make_view(console, TITLES, "ndcg@10")
    assert isinstance(view, LiveView)
    view.show(TrialStarted(trial="t2", device="cpu"))
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
