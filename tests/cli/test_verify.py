"""What ``lrbench verify`` says of trials that cannot be ranked again here."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from small_data import order, small_dataset, trial_config

from lrbench.cli.verify import verify
from lrbench.data.dataset import write_prepared
from lrbench.data.obtain import Library
from lrbench.errors import CheckError, LrbenchError, RequestError
from lrbench.execution.trial import run_trial
from lrbench.store.layout import Results


@pytest.fixture
def folder(walks_folder: Path, tmp_path: Path) -> Path:
    """The folder of the only trial."""
    config = trial_config("popularity", seed=0)
    run_trial(order(config, walks_folder, tmp_path / "results"), lambda news: None)
    return Results(tmp_path / "results").trial(config.id)


def unfetched(folder: Path) -> Path:
    raise LrbenchError("walks could not be fetched. Tried: no place is known", "Give it with --from.")


def refused(folder: Path) -> Path:
    raise CheckError("walks has 3 users, and the catalogue says 4.", "Fetch it again.")


def unknown(folder: Path) -> Path:
    raise RequestError("There is no dataset walks.", "List them.")


def other(folder: Path) -> Path:
    data = small_dataset()
    record = data.record.model_copy(update={"fingerprint": "another"})
    folder.mkdir(exist_ok=True)
    write_prepared(replace(data, record=record), folder)
    return folder


@pytest.mark.parametrize("obtain", [unfetched, refused, unknown, other])
def test_a_trial_whose_data_cannot_be_had_is_not_called_damaged(
    obtain: Callable[[Path], Path],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Library, "obtain_folder", lambda *_: obtain(tmp_path / "walks"))
    with pytest.raises(CheckError) as caught:
        verify(results=tmp_path / "results")
    assert caught.value.cause.startswith("1 of 1 trials have a model or data that are not known here")
    said = " ".join(capsys.readouterr().err.split())
    assert f"{folder.name} is not ranked again." in said
    with pytest.raises(LrbenchError, match="walks"):
        verify(str(folder), results=tmp_path / "results")


def test_damage_is_told_of_a_trial_whose_data_cannot_be_had(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Library, "obtain_folder", lambda *_: unfetched(tmp_path))
    (folder / "ranks.parquet").write_bytes(b"PAR1")
    with pytest.raises(CheckError, match="1 of 1 trials are not as they were stored"):
        verify(str(folder), results=tmp_path / "results")
