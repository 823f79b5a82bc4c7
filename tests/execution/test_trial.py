import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from small_data import LARES, order, small_dataset, trial_config

from lrbench.config.trial import TrialConfig
from lrbench.errors import LrbenchError
from lrbench.execution.failures import record_failure
from lrbench.execution.trial import run_trial
from lrbench.store.find_trial import find_trial
from lrbench.store.layout import CHECKPOINT_FILE, Results
from lrbench.store.state import trial_state
from lrbench.store.trials import RANKS, read_history, read_ranks, read_record
from lrbench.training.checkpoint import load_checkpoint
from lrbench.training.news import EpochDone

SMALL = {"params": LARES, "depths": (2,), "batch_size": 512, "patience": 2}
"""A reasoning trial with two stages that takes two steps an epoch."""

DETAILED = trial_config("lares", depths=(0, 1, 2), draws=2, batch_size=512)
REASONED = trial_config("lares", **SMALL)
PLAIN = trial_config(patience=2, batch_size=512)


def ignore(report: EpochDone) -> None:
    pass


@pytest.fixture(scope="module")
def whole(walks_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with trials that nothing disturbed; only to be read."""
    folder = tmp_path_factory.mktemp("whole")
    for config in (DETAILED, REASONED, PLAIN):
        run_trial(order(config, walks_folder, folder), ignore)
    return folder


def ranks_of(config: TrialConfig, results: Path) -> pl.DataFrame:
    return read_ranks(Results(results).trial(config.id)).collect()


def run_until(epochs: int, config: TrialConfig, walks_folder: Path, results: Path, threads: int = 1) -> None:
    """Run a trial and interrupt it when ``epochs`` + 1 epochs are done."""
    seen: list[EpochDone] = []

    def interrupt(report: EpochDone) -> None:
        seen.append(report)  # the checkpoint of this epoch is written by now
        if len(seen) > epochs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trial(order(config, walks_folder, results, threads=threads), interrupt)


def test_the_folder_holds_what_the_contract_says(whole: Path) -> None:
    folder = Results(whole).trial(DETAILED.id)
    assert {path.name for path in folder.iterdir()} == {
        "trial.json",
        "ranks.parquet",
        "history.parquet",
        "weights.safetensors",
        "log.txt",
    }
    modes = {path.name: path.stat().st_mode for path in folder.iterdir()}
    assert len(set(modes.values())) == 1, modes  # a user who may read one file may read all
    ranks = read_ranks(folder).collect()
    assert ranks.schema == RANKS
    assert len(ranks) == 120 * 2 * 3 * 2  # users, splits, depths, draws
    test = ranks.filter(pl.col("split") == "test", pl.col("depth") == 2, pl.col("draw") == 0)
    dataset = small_dataset()
    last = dataset.sequences.items[dataset.sequences.offsets[1:] - 1]
    assert test["user"].to_list() == dataset.user_ids.to_list()
    assert test["target"].to_list() == [f"i{item}" for item in last]
    record = json.loads((folder / "trial.json").read_text(encoding="utf-8"))
    assert record["depth"] == 2
    assert record["repeating_targets"] == 0.0
    assert record["protocol"]["max_length"] == 20
    assert [stage["name"] for stage in record["stages"]] == ["spt", "rpt"]
    assert all(stage["stopped"] == "epoch-cap" for stage in record["stages"])
    assert set(record["metrics"]) == {"valid", "test"}
    assert set(record["metrics"]["test"]) == {"0", "1", "2"}
    assert record["parameters"] > 0
    assert record["flops_per_user"] > 0
    depths = [str(depth) for depth in record["config"]["evaluation"]["depths"]]
    assert list(record["flops_by_depth"]) == list(record["latency_by_depth"]) == depths
    assert record["flops_by_depth"][str(record["depth"])] == record["flops_per_user"]
    assert all(seconds > 0 for depth in depths for seconds in record["latency_by_depth"][depth].values())
    assert record["peak_memory_bytes"] > 0
    assert {"python", "torch", "lrbench"} <= set(record["versions"])
    history = read_history(folder)
    assert history["stage"].to_list() == ["spt"] * 3 + ["rpt"] * 3
    assert history["validation_metric"].is_not_null().all()
    assert {"loss", "learning_rate", "seconds", "tokens_per_second"} <= set(history.columns)


def test_stored_metrics_follow_from_stored_ranks(whole: Path) -> None:
    record, ranks = read_record(Results(whole).trial(DETAILED.id)), ranks_of(DETAILED, whole)
    chosen = ranks.filter(pl.col("split") == "test", pl.col("depth") == record.depth)["rank"].to_numpy()
    assert record.metrics["test"][str(record.depth)]["recall@10"] == pytest.approx((chosen <= 10).mean())


@pytest.mark.slow
def test_training_learns_the_walks(walks_folder: Path, tmp_path: Path) -> None:
    config = trial_config(max_epochs=40, learning_rate=1e-2, patience=40)
    record = run_trial(order(config, walks_folder, tmp_path), ignore)
    assert record.metrics["test"]["0"]["recall@10"] > 0.6  # chance is 0.25


def test_the_same_seed_gives_the_same_ranks_and_another_seed_others(
    whole: Path, walks_folder: Path, tmp_path: Path
) -> None:
    changed = trial_config("lares", seed=2, **SMALL)
    for config in (REASONED, changed):
        run_trial(order(config, walks_folder, tmp_path), ignore)
    assert ranks_of(REASONED, whole).equals(ranks_of(REASONED, tmp_path))
    assert not ranks_of(REASONED, whole)["rank"].equals(ranks_of(changed, tmp_path)["rank"])


@pytest.mark.parametrize(
    "epochs", [2, 4, *(pytest.param(epochs, marks=pytest.mark.slow) for epochs in (1, 3, 5))]
)  # the second stage begins after three
def test_a_trial_broken_off_anywhere_ends_with_the_same_ranks(
    epochs: int, whole: Path, walks_folder: Path, tmp_path: Path
) -> None:
    config = REASONED
    run_until(epochs, config, walks_folder, tmp_path)
    assert not Results(tmp_path).trial(config.id).exists()
    assert trial_state(Results(tmp_path), config.id) == "interrupted"
    record = run_trial(order(config, walks_folder, tmp_path), ignore)
    assert record.resumed == 1
    assert ranks_of(config, whole).equals(ranks_of(config, tmp_path))
    histories = [
        read_history(Results(folder).trial(config.id)).select("stage", "epoch", "loss")
        for folder in (whole, tmp_path)
    ]
    assert histories[0].equals(histories[1])


def spoil_version(path: Path) -> None:
    """Give the weights other names, as another version might do, with a right digest."""
    checkpoint = load_checkpoint(path, PLAIN.id)
    assert checkpoint is not None
    checkpoint.weights = {f"old.{name}": value for name, value in checkpoint.weights.items()}
    checkpoint.save(path)


def spoil_bit(path: Path) -> None:
    """Change one weight like a flipped bit would, which torch does not notice."""
    values = torch.load(path, weights_only=True)
    next(iter(values["weights"].values())).view(-1)[3] += 1e-3
    torch.save(values, path)


def spoil_kind(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (spoil_version, "Missing key"),
        (spoil_bit, "does not match its digest"),
        pytest.param(
            lambda path: path.write_bytes(b"PK cut off"), "Weights only load failed", marks=pytest.mark.slow
        ),
        pytest.param(lambda path: path.write_bytes(b""), "it ends too early", marks=pytest.mark.slow),
        pytest.param(
            spoil_kind,
            "no ordinary file",
            marks=pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names"),
        ),
    ],
    ids=["version", "flipped bit", "cut off", "empty", "pipe"],
)
def test_a_checkpoint_that_cannot_be_used_is_set_aside_and_the_trial_starts_again(
    spoil: Callable[[Path], None], why: str, whole: Path, walks_folder: Path, tmp_path: Path
) -> None:
    config = PLAIN
    run_until(2, config, walks_folder, tmp_path)
    path = Results(tmp_path).running(config.id) / CHECKPOINT_FILE
    spoil(path)
    notes: list[str] = []
    record = run_trial(order(config, walks_folder, tmp_path), ignore, notes.append)
    (note,) = notes
    assert why in note
    assert "It is kept as checkpoint.unusable. The trial starts again." in note
    assert "weights_only=False" not in note
    assert record.resumed == 0
    assert ranks_of(config, tmp_path).equals(ranks_of(config, whole))


def test_the_checkpoint_of_another_trial_is_not_used(whole: Path, walks_folder: Path, tmp_path: Path) -> None:
    first, second = PLAIN, trial_config(seed=2)
    run_until(2, second, walks_folder, tmp_path)
    results = Results(tmp_path)
    results.running(second.id).rename(results.running(first.id))
    notes: list[str] = []
    run_trial(order(first, walks_folder, tmp_path), ignore, notes.append)
    assert f"it is of the trial {second.id}" in notes[0]
    assert ranks_of(first, tmp_path).equals(ranks_of(first, whole))


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_an_interrupted_trial_keeps_its_number_of_threads(
    before: int, after: int, walks_folder: Path, tmp_path: Path
) -> None:
    config = trial_config()
    run_until(1, config, walks_folder, tmp_path, before)
    record = run_trial(order(config, walks_folder, tmp_path, threads=after), ignore)
    assert (record.resumed, record.threads) == (1, before)


def test_selection_restores_the_best_weights(walks_folder: Path, tmp_path: Path) -> None:
    config = trial_config(max_epochs=25, patience=3, learning_rate=0.05)
    record = run_trial(order(config, walks_folder, tmp_path), ignore)
    stage = record.stages[0]
    assert stage.stopped == "patience"
    assert stage.best_epoch is not None
    assert stage.best_epoch < stage.epochs
    assert record.metrics["valid"]["0"]["ndcg@10"] == pytest.approx(stage.best_metric)


def test_a_loss_that_is_not_finite_stops_the_trial(walks_folder: Path, tmp_path: Path) -> None:
    config = trial_config(learning_rate=1e30)
    with pytest.raises(LrbenchError, match="loss became"):
        run_trial(order(config, walks_folder, tmp_path), ignore)
    assert not Results(tmp_path).trial(config.id).exists()


def test_a_failure_leaves_the_traceback_and_the_log(walks_folder: Path, tmp_path: Path) -> None:
    config = trial_config(learning_rate=1e30)
    told = order(config, walks_folder, tmp_path)
    with pytest.raises(LrbenchError) as caught:
        run_trial(told, ignore)
    failure = record_failure(told.results, config.id, caught.value)
    assert failure.error_file
    text = Path(failure.error_file).read_text(encoding="utf-8")
    assert "Traceback" in text
    assert "loss became" in text
    assert f"trial {config.id} on cpu" in text.partition("Last lines of the log:")[2]
    assert trial_state(Results(tmp_path), config.id) == "failed"


def test_popularity_ranks_by_counts(walks_folder: Path, tmp_path: Path) -> None:
    config = trial_config("popularity", seed=0)
    record = run_trial(order(config, walks_folder, tmp_path), ignore)
    assert record.deterministic
    assert record.stages[0].stopped == "fitted"
    sequences = small_dataset().sequences
    train = np.concatenate(
        [sequences.items[a : b - 2] for a, b in zip(sequences.offsets, sequences.offsets[1:], strict=False)]
    )
    counts = np.bincount(train, minlength=40)
    ranks = ranks_of(config, tmp_path).filter(pl.col("split") == "test")
    for user in (0, 7):
        target = sequences.items[sequences.offsets[user + 1] - 1]
        ties = (counts == counts[target]).sum() - 1
        assert ranks["rank"][user] == 1 + (counts > counts[target]).sum() + ties / 2


def test_trials_are_found_by_the_start_of_their_id(walks_folder: Path, tmp_path: Path) -> None:
    config = trial_config("popularity", seed=0)
    run_trial(order(config, walks_folder, tmp_path), ignore)
    results = Results(tmp_path)
    folder = results.trial(config.id)
    assert find_trial(results, "walks-loo-20-pop") == find_trial(results, str(folder)) == folder
    assert read_record(folder).id == config.id
    with pytest.raises(LrbenchError, match="no trial"):
        find_trial(results, "walks-loo-50")
