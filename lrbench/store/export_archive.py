"""Write everything that a suite's report needs into one file, for the same report on another machine."""

import shutil
import tempfile
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from lrbench.errors import RequestError
from lrbench.files import errors_name, new_file
from lrbench.store.archive_form import (
    CHUNK,
    EVALUATION_FILES,
    LIST_FILE,
    PACKED_FILE,
    TRIAL_FILES,
    ArchiveForm,
    FileList,
    entry,
)
from lrbench.store.brief_ranks import write_brief_trial
from lrbench.store.commands import command_to_run
from lrbench.store.frames import FinishedTrial, finished_trials
from lrbench.store.integrity import check_file
from lrbench.store.layout import WEIGHTS_FILE, Results
from lrbench.store.packed_archive import write_packed
from lrbench.store.seal import file_digest, sealed_json
from lrbench.store.searches import read_search
from lrbench.store.suites import SuiteRecord

__all__ = ["Exported", "export_archive"]


@dataclass(frozen=True)
class Exported:
    """How many trials of a suite an archive holds."""

    trials: int
    missing: int
    """Trials of the suite, on the archived datasets, that are not finished."""


def export_archive(
    suite: SuiteRecord,
    results: Results,
    path: Path,
    datasets: Collection[str],
    form: ArchiveForm = "plain",
    weights: bool = False,
) -> Exported:
    """Write the archive in one step; the same content gives the same bytes.

    Args:
        suite: the suite's record.
        results: where its trials are.
        path: the file to write.
        datasets: archive the trials and searches on these.
        form: how the files are stored, and which ranks.
        weights: include the weights, which reports do not need.

    Returns:
        How many trials are in the archive, and how many are missing.

    Raises:
        RequestError: no trial is finished, a trial lacks its weights, ``path`` is a device or a pipe, or the
            primary metric needs ranks that a brief archive would leave out.
        CheckError: a file of a trial, of its later evaluation, or of a search is missing or was changed.
    """
    if path.exists() and not path.is_file():
        raise RequestError(f"{path} is no file that can be replaced.", "Name another file.")
    found, lacking = finished_trials(suite, results)
    finished = [trial for trial in found if trial.cell.dataset in datasets]
    if not finished:
        where = "" if set(datasets) >= set(suite.datasets) else f" on {', '.join(datasets)}"
        raise RequestError(
            f"None of the trials of suite {suite.name}{where} is finished in {results.root}.",
            f"Run it: {command_to_run(suite, results)}",
        )
    trials = {trial.record.id: trial for trial in finished}
    files = [results.suite(suite.name), results.looks(suite.name), *_searches(suite, results, datasets)]
    for trial in trials.values():
        files += _files_of(trial, weights)
    contents = {file.relative_to(results.root).as_posix(): file for file in files if file.is_file()}
    with tempfile.TemporaryDirectory(prefix="lrbench-") as made:
        if form == "brief":
            changed = Results(Path(made))
            for trial in trials.values():
                for file in write_brief_trial(trial.record, results, suite.primary_metric, changed):
                    contents[file.relative_to(changed.root).as_posix()] = file
        write = _write if form == "plain" else _write_compact
        write(suite.name, dict(sorted(contents.items())), path.resolve())
    missing = {cell.trial for cell in lacking if cell.dataset in datasets}
    return Exported(len(trials), len(missing))


def _files_of(trial: FinishedTrial, weights: bool) -> list[Path]:
    """Return the files of a trial and of its later evaluation, each checked."""
    if weights and not (trial.folder / WEIGHTS_FILE).is_file():
        raise RequestError(f"The trial {trial.record.id} has no weights here.", "Leave --weights out.")
    names = [name for name in TRIAL_FILES if weights or name != WEIGHTS_FILE]
    wanted = [trial.folder / name for name in names]
    files = [file for file in wanted if file.name in trial.record.digests or file.is_file()]
    for file in files:
        check_file(file, trial.record)
    if trial.evaluation is not None:
        files += [trial.evaluation.folder / name for name in EVALUATION_FILES]
    return files


def _searches(suite: SuiteRecord, results: Results, datasets: Collection[str]) -> list[Path]:
    """Return the records of the suite's complete searches on the datasets, each checked."""
    rows = [row for row in suite.searches if row.dataset in datasets]
    ids = dict.fromkeys(row.search for row in rows if results.search(row.search).exists())
    return [results.search(read_search(results, search).id) for search in ids]


def _write(suite: str, contents: dict[str, Path], path: Path) -> None:
    listed = FileList(suite=suite, files={name: file_digest(file) for name, file in contents.items()})
    head = sealed_json(listed).encode()
    with new_file(path) as target, zipfile.ZipFile(target, "w") as archive:
        archive.writestr(entry(LIST_FILE, len(head)), head)
        for name, file in contents.items():
            size = file.stat().st_size
            with file.open("rb") as source, archive.open(entry(name, size), "w") as member:
                shutil.copyfileobj(source, member, CHUNK)


def _write_compact(suite: str, contents: dict[str, Path], path: Path) -> None:
    place = Path(tempfile.gettempdir())
    with tempfile.TemporaryFile(dir=place) as stream:
        with errors_name(place, place):
            head = sealed_json(write_packed(suite, contents, stream)).encode()
        size = stream.tell()
        stream.seek(0)
        with new_file(path) as target, zipfile.ZipFile(target, "w") as archive:
            archive.writestr(entry(LIST_FILE, len(head)), head)
            with archive.open(entry(PACKED_FILE, size), "w") as member:
                shutil.copyfileobj(stream, member, CHUNK)
