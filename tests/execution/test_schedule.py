"""What the scheduler submits, and when: with an executor that does what the test says."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from small_data import order, trial_config
from small_search import search

from lrbench.execution.events import Event, TrialBusy, TrialDied, TrialDone, TrialFailed, TrialNote
from lrbench.execution.order import TrialOrder
from lrbench.execution.schedule import run_orders
from lrbench.execution.workers import waiting

SEARCHES = [order(trial_config("sasrec", seed=seed), Path("data"), Path("results")) for seed in (101, 102)]
TRIALS = [order(trial_config("sasrec", seed=seed), Path("data"), Path("results")) for seed in (1, 2, 3)]


class TwoPlaces:
    """Two orders at a time. Each poll ends the one that was submitted last."""

    fault = None

    def __init__(self, failing: Sequence[TrialOrder] = ()) -> None:
        self.failing = {order.config.id for order in failing}
        self.running: list[TrialOrder] = []
        self.log: list[str] = []

    @property
    def full(self) -> bool:
        return len(self.running) == 2

    def submit(self, order: TrialOrder) -> bool:
        self.running.append(order)
        self.log.append(f"begin {order.config.seed}")
        return True

    def poll(self) -> list[Event]:
        config = self.running.pop().config
        trial = config.id
        self.log.append(f"end {config.seed}")
        if trial in self.failing:
            return [TrialFailed(trial=trial, reason="no", error_file=None)]
        return [TrialDone(trial=trial, seconds=1.0, metrics={})]

    def stop(self) -> None:
        self.log.append("stop")

    def close(self) -> None:
        self.log.append("close")


def following(ended: TrialDone | TrialFailed) -> Sequence[TrialOrder]:
    """Two trials follow the second search, and one the first."""
    groups = {SEARCHES[1].config.id: TRIALS[:2], SEARCHES[0].config.id: TRIALS[2:]}
    return groups.get(ended.trial, []) if isinstance(ended, TrialDone) else []


def test_what_follows_an_order_begins_while_the_others_go_on() -> None:
    places = TwoPlaces()
    run_orders(SEARCHES, places, lambda event: None, follow=following)
    assert places.log == [
        *("begin 101", "begin 102", "end 102"),
        *("begin 1", "end 1", "begin 2", "end 2", "end 101"),
        *("begin 3", "end 3", "close"),
    ]


def test_nothing_follows_a_failure() -> None:
    places, events = TwoPlaces(failing=[SEARCHES[1]]), list[Event]()
    run_orders(SEARCHES, places, events.append, follow=following)
    assert places.log == ["begin 101", "begin 102", "end 102", "end 101", "begin 3", "end 3", "close"]
    assert [event.kind for event in events] == ["failed", "done", "done"]


def test_nothing_begins_once_the_run_is_to_stop() -> None:
    places, asked = TwoPlaces(), list[bool]()

    def stop_asked() -> bool:  # at the second look, while both searches run
        asked.append(True)
        return len(asked) > 1

    with pytest.raises(KeyboardInterrupt):
        run_orders(SEARCHES, places, lambda event: None, stop_asked=stop_asked, follow=following)
    assert places.log == ["begin 101", "begin 102", "end 102", "stop", "end 101", "close"]


def test_a_run_that_leaves_a_waiting_trial_is_interrupted_though_the_others_were_done() -> None:
    places, asked = TwoPlaces(), list[bool]()

    def stop_asked() -> bool:  # at the second look, while the third trial waits
        asked.append(True)
        return len(asked) > 1

    with pytest.raises(KeyboardInterrupt):
        run_orders(TRIALS, places, lambda event: None, stop_asked=stop_asked)
    assert places.log == ["begin 1", "begin 2", "end 2", "stop", "end 1", "close"]


def test_a_run_that_is_to_stop_and_has_nothing_left_is_not_interrupted() -> None:
    """The request may come while the last trials are evaluated, after their last checkpoints."""
    places, asked = TwoPlaces(), list[bool]()

    def stop_asked() -> bool:
        asked.append(True)
        return len(asked) > 1

    try:
        run_orders(TRIALS[:2], places, lambda event: None, stop_asked=stop_asked)
    except KeyboardInterrupt:  # it would end the session of tests
        pytest.fail("the run says that it was interrupted")
    assert places.log == ["begin 1", "begin 2", "end 2", "stop", "end 1", "close"]


class MemoryRunsOut(TwoPlaces):
    """Memory runs out so often, each time for good unless the settings change."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.told: list[bool] = []

    def submit(self, order: TrialOrder) -> bool:
        self.told.append(order.memory_ran_out)
        return super().submit(order)

    def poll(self) -> list[Event]:
        trial = self.running[-1].config.id
        done = super().poll()
        self.times -= 1
        if self.times < 0:
            return done
        return [TrialDied(trial=trial, reason="memory ran out", out_of_memory=True, final=True)]


@pytest.mark.parametrize(
    ("times", "told", "end"), [(2, [False, True, True], "done"), (3, [False, True, True], "failed")]
)
def test_a_search_goes_on_with_other_settings_after_memory_ran_out(
    times: int, told: list[bool], end: str, tmp_path: Path
) -> None:
    config = search()
    places, events = MemoryRunsOut(times), list[Event]()
    run_orders([order(config, tmp_path, tmp_path)], places, events.append)
    assert places.told == told
    assert events[-1].kind == end


def test_a_trial_fails_at_once_if_another_attempt_would_run_out_of_memory(tmp_path: Path) -> None:
    places, events = MemoryRunsOut(1), list[Event]()
    run_orders([order(trial_config("sasrec"), tmp_path, tmp_path)], places, events.append)
    assert [event.kind for event in events] == ["failed"]


class SharesWithFewer(TwoPlaces):
    """Memory runs out four times, each time beside fewer trials."""

    def poll(self) -> list[Event]:
        trial = self.running[-1].config.id
        done = super().poll()
        if len(self.log) > 8:
            return done
        return [TrialDied(trial=trial, reason="no memory", out_of_memory=True, relief="beside fewer trials")]


def test_attempts_that_get_more_memory_each_time_are_not_counted(tmp_path: Path) -> None:
    events = list[Event]()
    only = order(trial_config("sasrec"), tmp_path, tmp_path)
    run_orders([only], SharesWithFewer(), events.append)
    assert [event.kind for event in events] == ["note"] * 4 + ["done"]
    assert isinstance(events[0], TrialNote)
    assert events[0].text == "no memory; it goes on beside fewer trials"


class OthersWork(TwoPlaces):
    """Another process works on every trial."""

    def poll(self) -> list[Event]:
        assert len(self.log) < 10, "orders are submitted again although the run is to stop"
        return [TrialBusy(trial=self.running.pop().config.id, reason="another process works on it")]


def test_what_another_process_works_on_is_left_once_the_run_is_to_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "RETRY_SECONDS", 0.0)
    places, asked = OthersWork(), list[bool]()

    def stop_asked() -> bool:  # at the second look, while another trial is under way
        asked.append(True)
        return len(asked) > 1

    with pytest.raises(KeyboardInterrupt):
        run_orders(TRIALS[:2], places, lambda event: None, stop_asked=stop_asked)
    assert places.log == ["begin 1", "begin 2", "stop", "close"]
