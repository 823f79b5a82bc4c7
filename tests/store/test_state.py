import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from lrbench.files import write_text
from lrbench.store.layout import Results
from lrbench.store.state import trial_state


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """An interrupted trial."""
    monkeypatch.chdir(tmp_path)  # another user could not look into the folders above
    results = Results(Path())
    results.running("a").mkdir(parents=True)
    results.lock("a").touch()
    return results


@pytest.fixture
def reader(results: Results) -> Iterator[None]:
    """The results belong to somebody else, and others may read them."""
    for path in (results.root, *results.root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    if os.geteuid() == 0:
        os.seteuid(65534)
        yield
        os.seteuid(0)
    else:
        yield
    for path in (results.root, *results.root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.usefixtures("reader")
def test_readers_see_that_a_trial_was_interrupted(results: Results) -> None:
    with pytest.raises(PermissionError):
        (results.root / "file").touch()
    assert trial_state(results, "a") == "interrupted"


def test_readers_see_that_a_trial_runs(results: Results, request: pytest.FixtureRequest) -> None:
    with FileLock(results.lock("a")):
        request.getfixturevalue("reader")
        assert trial_state(results, "a") == "running"


def test_a_trial_failed_if_its_error_was_written_whole(results: Results) -> None:
    error = results.error("a")
    error.parent.mkdir(parents=True)
    (error.parent / ".error.txt.abcd.part").touch()
    assert trial_state(results, "a") == "interrupted"
    write_text(error, "reason")
    assert trial_state(results, "a") == "failed"


def test_a_trial_that_failed_and_runs_again_is_running(results: Results) -> None:
    write_text(results.error("a"), "reason")
    with FileLock(results.lock("a")):
        assert trial_state(results, "a") == "running"
    assert trial_state(results, "a") == "failed"


def test_where_no_folder_is_nothing_has_begun(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert trial_state(Results(tmp_path / "file"), "a") == "to do"
