"""``lrbench logs`` as a person types it."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock
from synthetic_results import Made, write_trial

from lrbench.cli.app import run
from lrbench.errors import LrbenchError, RequestError
from lrbench.files import write_text
from lrbench.store.layout import LOG_FILE, Results

RUNNING = "sample-loo-20-lares-running"


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.chdir(tmp_path)
    return Results(Path("results"))


def test_a_finished_trial_is_found_by_id_start_and_folder(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = write_trial(results.root, Made("SASRec"), "sample", 1)
    write_text(results.trial(trial) / LOG_FILE, "epoch 1\nepoch 2\n")
    for given in (trial, trial[:-3], f"results/trials/{trial}", str(results.trial(trial).resolve())):
        assert run(["logs", given]) == 0
        assert capsys.readouterr() == ("epoch 1\nepoch 2\n", "")


def test_a_failed_trial_shows_why(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    write_text(results.error(RUNNING), "Traceback\nValueError: loss is NaN\n")
    assert run(["logs", "sample", "-f"]) == 0
    assert capsys.readouterr().out == "Traceback\nValueError: loss is NaN\n"


def test_an_interrupted_trial_shows_its_log(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    write_text(results.running(RUNNING) / LOG_FILE, "epoch 1\n")
    assert run(["logs", RUNNING, "--follow"]) == 0
    out, messages = capsys.readouterr()
    assert out == "epoch 1\n"
    assert messages == f"Trial {RUNNING} is not finished, and no process works on it.\n"


def test_control_characters_of_a_log_are_shown_as_escapes(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    write_text(results.error(RUNNING), "\x1b]0;pwned\x07\n")
    run(["logs", RUNNING])
    assert capsys.readouterr().out == "\\x1b]0;pwned\\x07\n"


def test_a_near_miss_is_named(results: Results) -> None:
    write_text(results.error(RUNNING), "x")
    with pytest.raises(RequestError, match=f'Did you mean "{RUNNING}"'):
        run(["logs", "smaple-loo-20-lares-running"])


def test_a_trial_without_a_log_is_one_sentence(results: Results) -> None:
    trial = write_trial(results.root, Made("SASRec"), "sample", 1)
    with pytest.raises(LrbenchError, match="has no log") as refused:
        run(["logs", trial])
    assert refused.value.exit_code == 1


@pytest.mark.parametrize(("ends", "code"), [("done", 0), ("failed", 1)])
def test_a_running_trial_is_followed_until_it_ends(results: Results, ends: str, code: int) -> None:
    """The log is moved when the trial is done; no line is lost or printed twice."""
    log = results.running(RUNNING) / LOG_FILE
    write_text(log, "epoch 1\n")
    held, closing = threading.Event(), threading.Event()

    def train() -> None:
        with FileLock(results.lock(RUNNING)):
            held.set()
            closing.wait(60)
            with log.open("a", encoding="utf-8") as file:
                file.write("epoch 2\nlast")
            if ends == "done":
                results.trial(RUNNING).parent.mkdir()
                results.running(RUNNING).rename(results.trial(RUNNING))
            else:
                write_text(results.error(RUNNING), "ValueError: loss is NaN\n")

    trainer = threading.Thread(target=train, daemon=True)
    trainer.start()
    held.wait(60)
    command = [sys.executable, "-m", "lrbench", "logs", RUNNING, "-f"]
    follower = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert follower.stdout is not None
    first = follower.stdout.readline()
    time.sleep(0.3)
    still_running = follower.poll() is None
    closing.set()
    trainer.join(60)
    rest, messages = follower.communicate(timeout=60)
    assert still_running
    assert (first, rest, follower.returncode) == ("epoch 1\n", "epoch 2\nlast", code)
    assert ("failed" in messages) == (ends == "failed")
