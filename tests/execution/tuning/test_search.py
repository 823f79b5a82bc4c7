"""A search is whole, repeatable, goes on after a kill, and looks at validation alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
import torch
from small_data import order, trial_config
from small_search import SPACE, broken_off, search

from lrbench.config.tuning import Choice, Range
from lrbench.errors import LrbenchError, RequestError, SettingsError
from lrbench.evaluation import rank_everything
from lrbench.evaluation.ranking import NonFiniteScoresError
from lrbench.execution.events import Event, TrialDone, TrialFailed
from lrbench.execution.order import TrialOrder
from lrbench.execution.perform import perform
from lrbench.execution.tuning import attempt, proposals
from lrbench.execution.tuning.proposals import check_optuna, propose
from lrbench.execution.tuning.search import run_search
from lrbench.models.base import Model
from lrbench.store.layout import CHECKPOINT_FILE, Results
from lrbench.store.searches import Ended, SearchTrial, read_ended, read_search, write_ended
from lrbench.training.checkpoint import Checkpoint, load_checkpoint
from lrbench.training.news import EpochDone


def ignore(news: EpochDone) -> None:
    pass


@pytest.fixture(scope="module")
def whole(walks_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with an undisturbed search; only to be read."""
    folder = tmp_path_factory.mktemp("search")
    run_search(order(search(), walks_folder, folder), ignore)
    return folder


def outcomes(trials: tuple[SearchTrial, ...]) -> list[SearchTrial]:
    return [trial.model_copy(update={"seconds": 0.0}) for trial in trials]


@contextmanager
def changed_checkpoint(told: TrialOrder) -> Iterator[Checkpoint]:
    """Yield the checkpoint of a search that was broken off, and write it back."""
    file = told.results.running(told.config.id) / CHECKPOINT_FILE
    saved = load_checkpoint(file, torch.load(file, weights_only=True)["trial"])
    assert saved is not None
    yield saved
    saved.save(file)


def test_a_search_tries_its_budget_and_chooses_the_best(whole: Path) -> None:
    record = read_search(Results(whole), search().id)
    assert [trial.number for trial in record.trials] == [0, 1, 2]
    assert len({str(trial.settings) for trial in record.trials}) == 3
    for trial in record.trials:
        assert trial.settings["dropout"] in (0.0, 0.5)
        assert 1e-4 <= float(str(trial.settings["training.learning_rate"])) <= 3e-2
        assert trial.value == pytest.approx(trial.curve[-1][1])
        assert trial.epochs == len(trial.curve) == 3
    assert record.best == max(trial.value or 0.0 for trial in record.trials)
    assert record.users == 120
    assert not Results(whole).trials()
    assert not Results(whole).running(record.id).exists()


@pytest.mark.parametrize("epochs", [1, 4, 8])
def test_a_search_that_was_broken_off_ends_as_an_undisturbed_one(
    epochs: int, whole: Path, walks_folder: Path, tmp_path: Path
) -> None:
    told = broken_off(search(), epochs, walks_folder, tmp_path)
    assert not told.results.search(search().id).exists()
    later: list[EpochDone] = []
    record = run_search(told, later.append)
    assert len(later) == 9 - epochs  # no epoch is trained twice
    assert outcomes(record.trials) == outcomes(read_search(Results(whole), search().id).trials)


@pytest.mark.parametrize("before", [0, 1])
def test_a_trial_that_was_broken_off_as_it_was_to_be_pruned_is_pruned(
    before: int, walks_folder: Path, tmp_path: Path
) -> None:
    """An interrupt comes after the checkpoint of an epoch and before it is decided whether to go on."""
    space = {"training.learning_rate": Choice(values=(1e-2, 1e-7))}
    config = search(space=space, pruning="median", trials=6, seed=1)
    undisturbed = run_search(order(config, walks_folder, tmp_path / "undisturbed"), ignore)
    assert undisturbed.trials[-1].state == "pruned"
    epochs = sum(trial.epochs for trial in undisturbed.trials) - before
    told = broken_off(config, epochs, walks_folder, tmp_path / "broken off")
    later: list[EpochDone] = []
    assert outcomes(run_search(told, later.append).trials) == outcomes(undisturbed.trials)
    assert len(later) == before


def test_the_time_before_an_interrupt_counts(walks_folder: Path, tmp_path: Path) -> None:
    stages = trial_config("lares", batch_size=512).model_dump(include={"model", "params", "stages"})
    space = {"training.learning_rate": Choice(values=(1e-2, 1e-3))}
    told = broken_off(search(trials=1, space=space, **stages), 4, walks_folder, tmp_path)
    with changed_checkpoint(told) as saved:
        (first,) = saved.finished_stages
        first["seconds"], saved.progress.seconds = 2000.0, 1000.0
    (trial,) = run_search(told, ignore).trials
    assert 3000 < trial.seconds < 4000
    assert trial.epochs == 6


def test_a_checkpoint_that_does_not_fit_the_model_is_set_aside_and_the_training_starts_again(
    whole: Path, walks_folder: Path, tmp_path: Path
) -> None:
    told = broken_off(search(), 4, walks_folder, tmp_path)
    with changed_checkpoint(told) as saved:
        saved.begin_weights.popitem()
    notes: list[str] = []
    record = run_search(told, ignore, notes.append)
    (note,) = notes
    assert "cannot be used" in note
    assert note.endswith("It is kept as checkpoint.unusable. Training 2/3 starts again.")
    assert outcomes(record.trials) == outcomes(read_search(Results(whole), search().id).trials)


def test_test_targets_are_never_ranked(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, sizes = attempt.selection_metric, []

    def watched(model: object, view: object, *rest: object) -> float:
        sizes.append(view)
        return real(model, view, *rest)  # type: ignore[arg-type]

    def refuse(*_: object) -> None:
        raise AssertionError("a search ranked everything")

    monkeypatch.setattr(attempt, "selection_metric", watched)
    monkeypatch.setattr(rank_everything, "rank_everything", refuse)
    record = run_search(order(search(trials=1, users=30), walks_folder, tmp_path), ignore)
    assert record.users == 30
    (view,) = sizes
    assert len(view) == 30
    assert (view.targets == view.items[view.stops]).all()


def test_settings_that_fail_are_an_outcome_and_all_failing_is_an_error(
    walks_folder: Path, tmp_path: Path
) -> None:
    wrong = {"heads": Choice(values=(3, 5))}  # the width of 16 has no such parts
    config = search(space=wrong, trials=2)
    with pytest.raises(LrbenchError, match="All 2 trials of the search failed"):
        run_search(order(config, walks_folder, tmp_path), ignore)
    assert not Results(tmp_path).search(config.id).exists()
    config = search(space=wrong, trials=1)
    with pytest.raises(LrbenchError, match="The only trial of the search failed"):
        run_search(order(config, walks_folder, tmp_path), ignore)
    config = search(space={"heads": Choice(values=(2, 3))}, trials=2, seed=1)
    states = {
        str(trial.settings["heads"]): trial.state
        for trial in run_search(order(config, walks_folder, tmp_path), ignore).trials
    }
    assert states == {"2": "complete", "3": "failed"}


def fail_once(monkeypatch: pytest.MonkeyPatch, where: str, error: Exception) -> None:
    """Let the second call of a function of an attempt raise an error."""
    real, calls = getattr(attempt, where), list[int]()

    def failing(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise error
        return real(*arguments)

    monkeypatch.setattr(attempt, where, failing)


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("build_model", LrbenchError("The plug-in file of the model is not the one of this trial.")),
        ("train", RequestError("A file is missing.", "Download it.")),
        ("train", ValueError("a fault of a plug-in")),
        ("train", OSError(28, "No space left on device")),
    ],
)
def test_an_error_that_does_not_depend_on_the_settings_ends_the_search(
    where: str,
    error: Exception,
    whole: Path,
    walks_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = order(search(), walks_folder, tmp_path)
    fail_once(monkeypatch, where, error)
    with pytest.raises(type(error)) as caught:
        run_search(told, ignore)
    assert caught.value is error
    assert [trial.state for trial in read_ended(told.results, search().id).trials] == ["complete"]
    record = run_search(told, ignore)  # the cause is removed
    assert outcomes(record.trials) == outcomes(read_search(Results(whole), search().id).trials)


@pytest.mark.parametrize(
    ("where", "error", "reason"),
    [
        ("build_model", ValueError("the parts do not fit\ntogether"), "the parts do not fit"),
        ("train", SettingsError("The loss became nan.", "Lower it."), "The loss became nan. Lower it."),
        ("train", OverflowError(), "OverflowError"),
        ("selection_metric", NonFiniteScoresError(0), "The model gave scores that are NaN or infinite"),
    ],
)
def test_an_error_that_depends_on_the_settings_is_an_outcome(
    where: str,
    error: Exception,
    reason: str,
    walks_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail_once(monkeypatch, where, error)
    record = run_search(order(search(), walks_folder, tmp_path), ignore)
    assert [trial.state for trial in record.trials] == ["complete", "failed", "complete"]
    assert record.trials[1].reason.startswith(reason)


NO_MEMORY = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("DefaultCPUAllocator: can't allocate memory"),
]


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda error: type(error).__name__)
def test_settings_that_do_not_fit_into_the_memory_of_a_device_alone_are_an_outcome(
    error: Exception, walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_once(monkeypatch, "train", error)
    record = run_search(order(search(), walks_folder, tmp_path, alone=True), ignore)
    assert [trial.reason for trial in record.trials] == ["", "out of memory", ""]


def out_of_memory(*_: object) -> None:
    raise MemoryError


@pytest.mark.parametrize("changes", [{"trials": 2}, {"trials": 2, "finalists": 2, "finalist_runs": 1}])
def test_a_search_that_failed_for_lack_of_memory_can_run_again(
    changes: dict[str, int], walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = search(**changes)
    told, events = order(config, walks_folder, tmp_path, alone=True), list[Event]()
    if changes.get("finalists"):  # the first training of all is a finalist's
        record = run_search(order(search(trials=2), walks_folder, tmp_path / "before"), ignore)
        write_ended(told.results, config.id, Ended(trials=record.trials))
    with monkeypatch.context() as patch:
        patch.setattr(attempt, "train", out_of_memory)
        perform(told, events.append)
    assert isinstance(failed := events[-1], TrialFailed)
    assert failed.reason.endswith("what ran out of it is then trained again.")
    perform(told, events.append)
    assert isinstance(events[-1], TrialDone)
    assert all(not run.reason for run in read_search(told.results, config.id).trials)


def test_a_search_that_runs_again_keeps_what_runs_out_of_memory_now(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a process that is killed for its memory would be killed again at the same settings for ever."""
    told, events = order(search(), walks_folder, tmp_path, alone=True), list[Event]()
    monkeypatch.setattr(attempt, "train", out_of_memory)
    perform(told, events.append)
    monkeypatch.undo()
    fail_once(monkeypatch, "train", OSError("stands for the kill"))
    with pytest.raises(OSError, match="the kill"):
        run_search(told, ignore)
    assert isinstance(events[-1], TrialFailed)
    record = run_search(told.model_copy(update={"memory_ran_out": True}), ignore)
    assert [trial.reason for trial in record.trials] == ["", "out of memory", ""]


def test_settings_at_which_the_process_was_killed_for_memory_have_failed(
    whole: Path, walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = order(search(), walks_folder, tmp_path)
    fail_once(monkeypatch, "train", OSError("stands for the kill"))
    with pytest.raises(OSError, match="the kill"):
        run_search(told, ignore)
    record = run_search(told.model_copy(update={"memory_ran_out": True}), ignore)
    assert [trial.reason for trial in record.trials] == ["", "out of memory", ""]
    assert record.trials[0].value == read_search(Results(whole), search().id).trials[0].value


def test_memory_that_runs_out_on_a_shared_device_ends_the_search(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = order(search(), walks_folder, tmp_path)
    fail_once(monkeypatch, "train", NO_MEMORY[1])
    with pytest.raises(torch.OutOfMemoryError):
        run_search(told, ignore)
    assert [trial.state for trial in read_ended(told.results, search().id).trials] == ["complete"]


def test_a_training_that_ran_out_of_memory_leaves_no_model_behind(
    walks_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, models = attempt.build_model, list[ref[Model]]()

    def build(*arguments: Any) -> Model:
        assert all(model() is None for model in models)
        model = real(*arguments)
        object.__setattr__(model, "itself", model)  # a cycle, as the models of users may have
        models.append(ref(model))
        return model

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(attempt, "build_model", build)
    monkeypatch.setattr(attempt, "train", fail)
    with pytest.raises(LrbenchError, match=r"All 3 trials .* failed: out of memory"):
        run_search(order(search(), walks_folder, tmp_path, alone=True), ignore)
    assert len(models) == 3


def test_a_diverging_loss_is_an_outcome(walks_folder: Path, tmp_path: Path) -> None:
    space = {"training.learning_rate": Choice(values=(1e-3, 1e30))}
    record = run_search(order(search(space=space, trials=2, seed=1), walks_folder, tmp_path), ignore)
    reasons = {trial.settings["training.learning_rate"]: trial.reason for trial in record.trials}
    assert reasons[1e-3] == ""
    assert reasons[1e30].startswith("The loss became nan")


def ended(number: int, value: float, dropout: float = 0.0) -> SearchTrial:
    settings = {"dropout": dropout, "training.learning_rate": 1e-3}
    return SearchTrial(number=number, settings=settings, state="complete", value=value, curve=((1, value),))


def test_the_median_of_earlier_trials_prunes() -> None:
    before = [ended(number, value) for number, value in enumerate((0.1, 0.2, 0.3, 0.4))]
    assert propose(search(pruning="median"), before).hopeless(1, 0.24)
    assert not propose(search(pruning="median"), before).hopeless(1, 0.26)
    assert not propose(search(pruning="median"), before[:3]).hopeless(1, 0.05)
    assert not propose(search(pruning="none"), before).hopeless(1, 0.05)


def test_no_trial_is_pruned_before_it_is_warm() -> None:
    curve = tuple((epoch, 0.1 * epoch) for epoch in range(1, 5))
    before = [
        SearchTrial(number=n, settings={"dropout": 0.1}, state="complete", value=0.4, curve=curve)
        for n in range(4)
    ]
    late = propose(search(pruning="median", warm_up=3), before)
    assert [late.hopeless(epoch, 0.01) for epoch in range(1, 5)] == [False, False, True, True]


def test_the_first_trial_has_the_rows_own_settings(walks_folder: Path, tmp_path: Path) -> None:
    """Tuning then never ends with a lower validation score than no tuning."""
    config = search(own_first=True, trials=2, space=SPACE)
    assert config.own_settings == {"dropout": 0.1, "training.learning_rate": 1e-3}
    record = run_search(order(config, walks_folder, tmp_path), ignore)
    first, second = record.trials
    assert first.settings == config.own_settings
    assert second.settings != first.settings
    assert record.best >= first.value


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_own_settings_outside_the_space_hold_no_search_up(sampler: str) -> None:
    space = {"dropout": Choice(values=(0.0, 0.5)), "training.learning_rate": Range(low=1e-4, high=1e-2)}
    config = search(own_first=True, sampler=sampler, pruning="median", space=space)
    outside = {"dropout": 0.2, "training.learning_rate": 1e-1}
    before = [ended(0, 0.1).model_copy(update={"settings": outside})]
    before += [ended(number, value) for number, value in enumerate((0.2, 0.3, 0.4), start=1)]
    proposal = propose(config, before)
    assert proposal.settings["dropout"] in (0.0, 0.5)
    assert proposal.hopeless(1, 0.24)  # the median is that of all four


def test_a_training_setting_that_stages_have_differently_stays_as_it_is() -> None:
    config = search(own_first=True)
    (stage,) = config.stages
    other = stage.model_copy(update={"training": stage.training.model_copy(update={"learning_rate": 0.5})})
    assert config.model_copy(update={"stages": (stage, other)}).own_settings == {"dropout": 0.1}


def test_searches_of_earlier_versions_keep_their_ids() -> None:
    assert {"own_first", "warm_up"}.isdisjoint(search()._identity())
    assert len({search().id, search(own_first=True).id, search(warm_up=3).id}) == 3


def test_tpe_turns_to_what_was_good() -> None:
    before = [ended(number, 0.1 + 0.4 * (number % 2), 0.5 * (number % 2)) for number in range(16)]
    chosen = [
        propose(search(sampler="tpe", trials=40, seed=seed), before).settings["dropout"] for seed in range(10)
    ]
    assert chosen.count(0.5) >= 7


def test_a_pruned_trial_is_kept_with_its_best(walks_folder: Path, tmp_path: Path) -> None:
    space = {"training.learning_rate": Choice(values=(1e-2, 1e-7))}
    config = search(space=space, pruning="median", trials=6, seed=1)
    record = run_search(order(config, walks_folder, tmp_path), ignore)
    assert [trial.state for trial in record.trials] == ["complete"] * 5 + ["pruned"]
    last = record.trials[-1]
    assert last.epochs < 3
    assert last.value == last.curve[-1][1]
    assert record.trials[record.chosen].state == "complete"


def test_without_optuna_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    check_optuna()
    monkeypatch.setattr(proposals, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match="Tuning needs Optuna") as caught:
        check_optuna()
    assert caught.value.remedy == "pip install 'lrbench[tune]'"
