"""The command line as a person uses it: processes, exit codes, what is left on disk."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from desk import SUITE, Desk
from safetensors.torch import load_file, save_file

pytestmark = pytest.mark.slow  # each test starts whole commands

LONG = """
name = "long"
protocol = "loo-20"
datasets = ["walks"]
seeds = [1]

[training]
max_epochs = 10
patience = 10
batch_size = 64

[[models]]
label = "LARES"
model = "lares"
params = { width = 16, inner_width = 32, dropout = 0.1, pre_layers = 1, core_layers = 1, mean_depth = 2 }
stages = ["spt"]
"""


CONTROLS = """
name = "isolated"
protocol = "loo-20"
datasets = ["walks"]
seeds = [1, 2, 3]

[training]
max_epochs = 1
batch_size = 256

[[models]]
label = "ERL"
model = "erl"
params = { width = 16, inner_width = 32, temperature = 1.0 }
controls = "all"

[comparison]
proposed = ["ERL"]
"""


SMALL = "{small}"
"""Stands for the file of the small suite."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def finished(desk: Desk) -> subprocess.CompletedProcess[str]:
    """The small suite, run once; the results lie in `results`."""
    done = desk.run("run", desk.suite(SUITE), "--workers", "2")
    desk.keep_results()
    return done


def test_run_leads_to_a_table(desk: Desk, finished: subprocess.CompletedProcess[str]) -> None:
    assert finished.stdout == ""
    assert "4 of 4 trials done. lrbench report small shows the table." in finished.stderr
    assert " 2 CPU workers with " in finished.stderr
    report = json.loads(desk.run("report", "small", "--format", "json").stdout)
    assert report["suite"] == "small"
    (comparison,) = [row for row in report["comparisons"] if row["metric"] == "ndcg@10"]
    assert (comparison["proposed"], comparison["baseline"]) == ("SASRec", "Popularity")
    assert comparison["p_holm"] is not None
    seeds = {row["label"]: row["n_seeds"] for row in report["rows"]}
    assert seeds == {"Popularity": 1, "SASRec": 3}


@pytest.mark.usefixtures("finished")
def test_what_is_done_is_not_done_again(desk: Desk) -> None:
    folders = {path: path.stat().st_mtime_ns for path in (desk.folder / "results/trials").iterdir()}
    again = desk.run("run", desk.suite(SUITE))
    assert "Nothing to do" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in folders} == folders
    dry = desk.run("run", desk.suite(SUITE), "--dry-run").stdout
    assert "4 trials, 0 to run" in dry
    assert "Training takes" not in dry
    anew = " ".join(desk.run("run", desk.suite(SUITE), "--dry-run", "--rerun", "all").stdout.split())
    assert re.search(
        r"4 trials, 4 to run\. Training takes about [^;]+ in all; "
        r"\d+ CPU workers? with \d+ threads?( each)? would share",
        anew,
    )


def test_an_impossible_pattern_is_refused_before_anything_is_fetched(desk: Desk) -> None:
    arguments = ("--datasets", "sample", "--data-dir", "empty")
    refused = desk.run("run", desk.suite(SUITE), *arguments, "--only", "*,GRU*", code=2)
    assert "matches no row" in refused.stderr
    assert not list((desk.folder / "empty").rglob("dataset.json"))


def test_what_a_protocol_cannot_split_is_refused_before_anything_trains(desk: Desk) -> None:
    """The walks have times, but neither ratings nor accounts."""
    before = sorted((desk.folder / "results").rglob("*"))
    cases = (
        ("time-50", "", "walks: The protocol time-50 takes items rated above 3 as targets"),
        ("shared-rows", "", "walks: The protocol shared-rows splits rows of accounts"),
        ("loo-20", '[accounts]\nsize = "fixed-2"\n', "loo-20 makes no accounts"),
        ("shared-merge", '[accounts]\nsize = "fixed-5"\n', "accounts.size"),
    )
    for protocol, table, message in cases:
        refused = desk.run("run", desk.suite(SUITE.replace("loo-20", protocol) + table), code=2)
        assert message in " ".join(refused.stderr.split()), refused.stderr
    assert sorted((desk.folder / "results").rglob("*")) == before


def test_a_dry_run_says_how_to_prepare_what_is_prepared_for_another_protocol(desk: Desk) -> None:
    desk.run("fetch", "sample", "--protocol", "loo-50")
    dry = ("run", desk.suite(SUITE), "--datasets", "sample", "--dry-run")
    told = desk.run(*dry).stdout
    assert "Training is unknown: sample is not prepared for loo-20." in " ".join(told.split())
    (pasted,) = re.findall(r": lrbench (fetch .*)", told)
    desk.run(*pasted.split())
    assert "not prepared" not in desk.run(*dry).stdout


def test_a_dry_run_without_the_data_does_not_call_finished_trials_missing(desk: Desk) -> None:
    """After an import the data is usually not prepared. The ids of trials hang on its fingerprint."""
    row = '[[models]]\nlabel = "One"\nmodel = "popularity"\n'
    suite = desk.suite(SUITE[: SUITE.index("[[models]]")] + row)
    desk.run("run", suite, "--datasets", "sample", "--results", "rt")
    dry = ("run", suite, "--datasets", "sample", "--results", "rt", "--dry-run")
    assert "1 trial, 0 to run." in desk.run(*dry).stdout
    told = " ".join(desk.run(*dry, "--data-dir", "elsewhere").stdout.split())
    assert "1 trial, at most 1 to run. What is done on sample is known once the data is prepared." in told


def test_a_dry_run_without_the_data_does_not_merge_controls_that_are_not_matched_yet(desk: Desk) -> None:
    """Both matched controls have one recipe. Their sizes, which depend on the data, tell them apart."""
    dry = ("run", desk.suite(CONTROLS), "--datasets", "sample", "--dry-run", "--results", "none")
    told = " ".join(desk.run(*dry, "--data-dir", "elsewhere").stdout.split())
    assert "At most 18 trials, at most 18 to run. Matched controls may share trials." in told
    assert "Rows that ask for the same run" not in told


def test_controls_that_wait_for_a_search_are_counted_apart(desk: Desk) -> None:
    """Also where the data is prepared, and beside a row that is equal to what they are until then."""
    twin = '[[models]]\nlabel = "SASRec"\nmodel = "sasrec"\nparams = { width = 16, inner_width = 32 }\n'
    tune = "[tune]\ntrials = 2\n[tune.space]\ndropout = [0.1, 0.2]\n[comparison]"
    tuned = CONTROLS.replace("[comparison]", twin + tune)
    told = " ".join(desk.run("run", desk.suite(tuned), "--dry-run", "--results", "none").stdout.split())
    assert "At most 21 trials, at most 21 to run." in told
    only = "ERL: parameter matched"
    chosen = desk.run("run", desk.suite(tuned), "--dry-run", "--results", "none", "--only", only).stdout
    assert "At most 21 trials, at most 3 to run." in " ".join(chosen.split())


def test_a_dry_run_counts_a_trial_that_rows_share_once(desk: Desk) -> None:
    row = '[[models]]\nlabel = "{}"\nmodel = "popularity"\n'
    twins = SUITE[: SUITE.index("[[models]]")] + row.format("One") + row.format("Same")
    told = desk.run("run", desk.suite(twins), "--dry-run", "--results", "none").stdout
    assert (
        "1 trial, 1 to run.\nRows that ask for the same run share its trial: "
        "2 combinations of row, dataset and seed need only 1 trial." in told
    )


def test_hints_name_the_folder_of_results(desk: Desk) -> None:
    broken = (
        SUITE[: SUITE.index("[[models]]")] + ROW + 'model = "sasrec"\ntraining = { learning_rate = 1e30 }\n'
    )
    ended = desk.run(
        "run", desk.suite(broken), "--seeds", "1", "--workers", "1", "--results", "my rt", code=1
    )
    assert " 1 CPU worker with " in ended.stderr
    assert "0 of 1 trials done. lrbench status small --results 'my rt' shows what is left." in ended.stderr
    desk.run("status", "small", "--results", "my rt")


@pytest.mark.usefixtures("finished")
def test_stored_ranks_verify_and_a_changed_one_does_not(desk: Desk) -> None:
    results = desk.copy_of_results("changed")
    trial = next((results / "trials").glob("*sasrec-s1*"))
    named = ("verify", trial.name, "--results", "changed")
    assert "are as stored" in desk.run(*named).stderr
    ranks = pl.read_parquet(trial / "ranks.parquet")
    changed = pl.when(pl.arange(pl.len()) == 5).then(99.0).otherwise("rank")
    ranks.with_columns(rank=changed).write_parquet(trial / "ranks.parquet")
    said = " ".join(desk.run(*named, code=1).stderr.split())
    assert "ranks.parquet was changed after the trial wrote it" in said
    assert f"1 of {len(ranks)} ranks differ" in said
    assert f"the furthest by {abs(99 - ranks['rank'][5]):g}." in said
    assert "was changed" in desk.run("report", "small", "--results", "changed", code=1).stderr


@pytest.mark.usefixtures("finished")
def test_verify_without_a_trial_checks_the_whole_folder(desk: Desk) -> None:
    results = desk.copy_of_results("checked")
    assert desk.run("verify", "--results", "checked").stderr.count("are as stored") == 4
    first, second = sorted((results / "trials").glob("*sasrec-s[12]*"))
    for old, new in ((first, "aside"), (second, first.name), (results / "trials/aside", second.name)):
        old.rename(results / "trials" / new)
    suite = results / "suites/small.json"
    suite.write_text(suite.read_text(encoding="utf-8").replace("ndcg@10", "recall@10"), encoding="utf-8")
    said = desk.run("verify", "--results", "checked", code=1).stderr
    assert said.count("is the record of another trial") == 2
    assert "small.json was changed after lrbench wrote it" in said
    assert "2 of 4 trials and 1 record are not as they were stored" in said


@pytest.mark.usefixtures("finished")
def test_verify_checks_the_rows_of_a_suite(desk: Desk) -> None:
    """The trial of the other row is damaged, and not looked at."""
    results = desk.copy_of_results("of-rows")
    (damaged,) = (results / "trials").glob("*popularity*")
    (damaged / "ranks.parquet").write_bytes(b"damaged")
    named = ("verify", "small", "--only", "SASRec", "--results", "of-rows")
    assert desk.run(*named).stderr.count("are as stored") == 3
    shutil.rmtree(next((results / "trials").glob("*sasrec-s2*")))
    said = " ".join(desk.run(*named).stderr.split())
    assert said.count("are as stored") == 2
    assert "1 seed left out, as no trial is finished" in said
    said = " ".join(desk.run("verify", "small", "--results", "of-rows", code=1).stderr.split())
    assert "1 of 3 trials are not as they were stored" in said


@pytest.mark.usefixtures("finished")
def test_trials_without_weights_are_counted_and_not_called_damaged(desk: Desk) -> None:
    results = desk.copy_of_results("light")
    first, second = sorted((results / "trials").glob("*sasrec-s[12]*"))
    (first / "weights.safetensors").unlink()
    said = " ".join(desk.run("verify", "--results", "light", code=1).stderr.split())
    assert "1 of 4 trials have no weights here, so they were not ranked again. Their other files are" in said
    assert "lrbench export SUITE --archive FILE --weights" in said
    assert said.count("are as stored") == 3
    for damaged, file in ((second, "weights.safetensors"), (first, "ranks.parquet")):
        (damaged / file).write_bytes(b"damaged")
    said = " ".join(desk.run("verify", "--results", "light", code=1).stderr.split())
    assert "2 of 4 trials and 1 record are not as they were stored" in said
    assert "no weights here" not in said  # the one without weights is damaged, too


@pytest.mark.usefixtures("finished")
def test_weights_of_another_version_are_refused_in_a_sentence(desk: Desk) -> None:
    trial = next((desk.copy_of_results("renamed") / "trials").glob("*sasrec-s2*"))
    path = trial / "weights.safetensors"
    weights = load_file(path)
    save_file({f"old.{name}": weight for name, weight in weights.items()}, path)
    said = " ".join(desk.run("verify", trial.name, "--results", "renamed", code=1).stderr.split())
    assert "do not fit the model of this version of lrbench" in said
    assert "weights.safetensors was changed" in said


@pytest.mark.usefixtures("finished")
def test_ranks_at_other_depths_are_written_whole(desk: Desk) -> None:
    trial = next((desk.folder / "results/trials").glob("*sasrec-s1*"))
    (desk.folder / "link.parquet").symlink_to("ranks.parquet")
    desk.run("evaluate", trial.name, "--output", "link.parquet")
    assert (desk.folder / "link.parquet").is_symlink()
    kept = pl.read_parquet(trial / "ranks.parquet")
    assert pl.read_parquet(desk.folder / "ranks.parquet").equals(kept)


@pytest.mark.usefixtures("finished")
def test_a_failing_trial_is_recorded_and_the_others_go_on(desk: Desk) -> None:
    desk.copy_of_results("broken")
    broken = SUITE.replace('"small"', '"broken"') + '[[models]]\nlabel = "Diverges"\nmodel = "sasrec"\n'
    broken += "training = { learning_rate = 1e30 }\n"
    arguments = ("--seeds", "1", "--workers", "2", "--results", "broken")
    ended = desk.run("run", desk.suite(broken), *arguments, code=1)
    assert "Failed: Diverges, seed 1: SettingsError: The loss became" in ended.stderr
    assert "0 of 1 trials done" in ended.stderr
    status = desk.run("status", "broken", "--results", "broken").stdout
    assert "failed: lrbench.errors.SettingsError: The loss became" in status
    (failed,) = (desk.folder / "broken/failed").iterdir()
    assert [path.name for path in failed.iterdir()] == ["error.txt"]
    text = (failed / "error.txt").read_text(encoding="utf-8")
    assert "Traceback" in text
    for said in (ended.stderr, text):
        assert "the last finite values were {'loss': " in said
    # The other trials are shared with the suite that ran before, and not trained again.
    assert len(list((desk.folder / "broken/trials").iterdir())) == 4


def wait_for_checkpoints(results: Path, process: subprocess.Popen[str], number: int = 1) -> None:
    """Wait until a trial has saved so many checkpoints: some epochs are done, others are not."""
    seen = set[int]()
    deadline = time.monotonic() + 120
    while len(seen) < number:
        assert time.monotonic() < deadline
        assert process.poll() is None
        seen |= {path.stat().st_mtime_ns for path in results.glob("running/*/checkpoint.pt")}
        time.sleep(0.01)


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The children of all threads of a process."""
    lists = Path(f"/proc/{process.pid}/task").glob("*/children")
    children = [int(child) for path in lists for child in path.read_text(encoding="ascii").split()]
    assert children
    return children


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
def test_a_killed_run_goes_on_and_ends_with_the_same_ranks(desk: Desk) -> None:
    suite = desk.suite(LONG)
    desk.run("run", suite, "--results", "whole", "--workers", "4")
    process = desk.start("run", suite, "--results", "killed", "--workers", "4")
    wait_for_checkpoints(desk.folder / "killed", process, number=3)
    (worker,) = workers_of(process)
    os.kill(worker, signal.SIGKILL)
    assert process.stderr is not None
    while "ended with code -9; it goes on from its checkpoint" not in process.stderr.readline():
        assert process.poll() is None
    wait_for_checkpoints(desk.folder / "killed", process, number=3)
    process.kill()
    process.wait()
    assert not list((desk.folder / "killed").glob("trials/*"))
    assert desk.run("run", suite, "--results", "killed", "--workers", "4").returncode == 0
    whole, killed = (next((desk.folder / name / "trials").iterdir()) for name in ("whole", "killed"))
    assert json.loads((killed / "trial.json").read_text(encoding="utf-8"))["resumed"] == 2
    assert pl.read_parquet(whole / "ranks.parquet").equals(pl.read_parquet(killed / "ranks.parquet"))


def test_an_interrupt_says_how_to_go_on(desk: Desk) -> None:
    process = desk.start("run", desk.suite(LONG), "--results", "stopped", "--workers", "4")
    wait_for_checkpoints(desk.folder / "stopped", process)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Run the same command again" in messages
    assert "Traceback" not in messages
    assert not (desk.folder / "stopped/failed").exists()
    status = desk.run("status", "long", "--results", "stopped").stdout
    assert "1 trial: 1 interrupted." in status


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "none.toml"], "There is no suite none.toml"),
        (["run", SMALL, "--gpus", "7"], "There is no GPU 7"),
        (["run", SMALL, "--gpus", "7", "--dry-run"], "There is no GPU 7"),
        (["run", SMALL, "--gpus", "x"], '"x" is no number'),
        (["run", SMALL, "--executor", "ray", "--address", "127.0.0.1:9"], "No Ray cluster answers"),
        (["run", SMALL, "--partition", "gpu"], "--partition means nothing to --executor local"),
        (["run", SMALL, "--trials-per-gpu", "2"], "--trials-per-gpu needs GPUs"),
        (["run", SMALL, "--device", "cuda", "--gpus-per-trial", "99"], "this machine has"),
        (["run", SMALL, "--datasets", "wlaks"], 'There is no dataset "wlaks"'),
        (["run", SMALL, "--only", "GRU*"], "matches no row"),
        (["report", "smal"], 'Did you mean "small"'),
        (["verify", "nothing"], 'There is no trial and no suite "nothing"'),
        (["verify", "nothing"], "Suites there: small. See the trials: lrbench list trials"),
        (["verify", "--only", "SASRec"], "Name it: lrbench verify SUITE --only SASRec"),
        (["plot", "grid", "small"], "lrbench plot grid mean_depth small"),
        (["run", SMALL, "--results", f"{SMALL}/x"], "cannot be a folder: Not a directory"),
        (["evaluate", "any", "--depth", "5-2"], '--depth: "5-2" holds no number.\n  Write 2-5.'),
        (["evaluate", "any", "--depth", ","], "--depth names nothing"),
        (["evaluate", "any", "--output", "ranks.csv"], "ranks.csv is no Parquet file"),
        (["evaluate", "any", "--output", "/proc/r.parquet"], "Nothing can be written to /proc"),
        (["import", "any.zip", "--results", "/proc/x"], "Nothing can be written to /proc"),
        (["evaluate", "any", "--output", "results"], "results is a folder"),
    ],
)
@pytest.mark.usefixtures("finished")
def test_wrong_requests_end_with_2_and_a_sentence(desk: Desk, arguments: list[str], message: str) -> None:
    small = desk.suite(SUITE)
    ended = desk.run(*(argument.replace(SMALL, small) for argument in arguments), code=2)
    assert message in ended.stderr
    assert ended.stdout == ""


def test_the_doctor_finds_nothing_wrong(desk: Desk) -> None:
    told = desk.run("doctor").stdout
    assert "FAIL" not in told
    assert told.count("ok  ") == 5


@pytest.mark.usefixtures("finished")  # prepares the data, so that the plan can be timed
def test_controls_are_derived_run_and_explained(desk: Desk) -> None:
    plan = desk.run("run", desk.suite(CONTROLS), "--dry-run").stdout
    assert "A stage takes at most 1 epoch." in " ".join(plan.split())
    rows = [line.split() for line in plan.splitlines() if line.startswith(" ERL")]
    assert [row[-3:] for row in rows].count(["0", "by", "ERL"]) == 1  # noise only trains nothing
    assert sum(row[-1] == "s" for row in rows) == 5
    assert len(rows) == 6, "each row is one line"
    assert re.search(r"18 trials, 18 to run\.\s+Training takes at most about [^;]+ in all;", plan)
    assert "Patience usually ends training far earlier." in " ".join(plan.split())
    done = desk.run("run", desk.suite(CONTROLS), "--workers", "2")
    assert "18 of 18 trials done" in done.stderr
    report = json.loads(desk.run("report", "isolated", "--format", "json").stdout)
    labels = list(dict.fromkeys(row["label"] for row in report["rows"]))
    kinds = ("no reasoning", "parameter matched", "flops matched", "loss matched", "noise only")
    assert labels == ["ERL", *(f"ERL: {kind}" for kind in kinds)]
    assert {row["baseline"] for row in report["comparisons"]} == set(labels[1:])
    assert report["controls"]["ERL: noise only"] == {"of": "ERL", "control": "noise-only"}
    for match in report["matches"]:
        assert abs(match["reached"] / match["target"] - 1) <= 0.05
    table = desk.run("report", "isolated").stdout
    assert "Control “noise only”" in table
    trained = {row["label"]: row["train_seconds"] for row in report["costs"]}
    assert trained["ERL: noise only"] == trained["ERL"]


ROW = '[[models]]\nlabel = "R"\n'


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('model = "sasrec"\nparams = { head = 4 }', 'Did you mean "heads"'),
        ('model = "sasrec"\ngrid = { layer = [1, 2] }', 'unknown option "layer". Did you mean "layers"'),
        ('model = "sasrec"\ngrid = { width = [8, 16] }', 'put each option into the label: "R {option}"'),
        ('model = "sasrec"\nparams = { width = 16, heads = 3 }', "width = 16 is no multiple of heads = 3"),
        ('model = "lares"\nparams = { mean_depth = 0 }', "mean_depth = 0 leaves none"),
        ('model = "bsarec"\ntraining = { rows = "positions" }', "the network is not causal"),
        (
            'model = "bsarec"\nparams = { cutoff = 21 }',
            "no high frequency in 20 positions. Set it to 19 or less",
        ),
        ('model = "lares"\nstages = ["rpt", "spt"]', 'stages = ["spt", "rpt"], not ["rpt", "spt"]'),
        (
            'model = "lares"\nstages = ["rpt"]',
            "stage rpt refines a network that an earlier stage has trained",
        ),
        ('model = "erl"\ncontrols = ["no-resoning"]', 'Did you mean "no-reasoning"'),
        ('model = "gru4rec"\ncontrols = "all"', "does not reason"),
        ('model = "lares"\ntraining = { graph = true }', "graph = true cannot record stage spt"),
        ('model = "sasrec"\ntraining = { graph = true }', "and trials run on the CPU"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_trains(desk: Desk, row: str, message: str) -> None:
    text = SUITE[: SUITE.index("[[models]]")] + ROW + row
    refused = desk.run("run", desk.suite(text), "--results", "refused", code=2)
    assert message in " ".join(refused.stderr.split())
    assert not (desk.folder / "refused").exists()
