"""Archives that are damaged, foreign or hostile: one sentence, and nothing is written."""

import errno
import hashlib
import json
import lzma
import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from filelock import FileLock
from synthetic_results import (
    MOMENT,
    Made,
    evaluated_later,
    files,
    make_ranks,
    make_search,
    make_suite,
    rewrite_record,
    sealed_trial,
)

from lrbench.errors import CheckError, RequestError
from lrbench.files import write_bytes
from lrbench.store.archive_form import LIST_FILE, PACKED_FILE, ArchiveForm, FileList, entry, trial_of
from lrbench.store.claims import claimed
from lrbench.store.declarations import Look, read_looks, record_look
from lrbench.store.evaluations import keep_evaluation, read_evaluation
from lrbench.store.export_archive import export_archive
from lrbench.store.import_archive import import_archive
from lrbench.store.integrity import stored_faults
from lrbench.store.layout import HISTORY_FILE, LOG_FILE, RANKS_FILE, RECORD_FILE, Results
from lrbench.store.packed_archive import read_packed
from lrbench.store.packed_table import pack
from lrbench.store.seal import content_digest, file_digest, sealed_json
from lrbench.store.searches import read_search, write_search
from lrbench.store.suites import TunedRow, find_suite_record, write_suite
from lrbench.store.trials import read_record

Contents = dict[str, bytes]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Results:
    results = Results(tmp_path_factory.mktemp("origin"))
    make_suite(results.root, seeds=[1, 2])
    for trial in results.trials():
        sealed_trial(results.root, trial.name)
    return results


@pytest.fixture(scope="module")
def archive(origin: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "demo.zip"
    export_archive(find_suite_record(origin, "demo"), origin, path, ["sample"])
    return path


def contents_of(archive: Path) -> Contents:
    with zipfile.ZipFile(archive) as file:
        return {name: file.read(name) for name in file.namelist() if name != LIST_FILE}


def written(contents: Contents, path: Path, **fields: object) -> Path:
    """Write an archive of any contents, with a right list of their names and digests."""
    files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    head = sealed_json(FileList(suite="demo", files=files))
    if fields:
        head = json.dumps({**json.loads(head), "digest": "", **fields})
    with zipfile.ZipFile(path, "w") as file:
        for name, content in {LIST_FILE: head.encode(), **contents}.items():
            file.writestr(entry(name, len(content)), content)
    return path


def refusal(path: Path) -> str:
    """Return the message with which an import is refused; it must leave nothing on disk."""
    target = path.parent / "new" / "results"
    with pytest.raises(RequestError) as refused:
        import_archive(path, Results(target))
    assert not target.parent.exists()
    assert ".part" not in str(refused.value)
    assert refused.value.remedy
    return refused.value.cause


@pytest.mark.parametrize("name", [HISTORY_FILE, LOG_FILE])
def test_a_trial_that_lacks_a_file_is_not_exported(name: str, origin: Results, tmp_path: Path) -> None:
    """Nobody could import the archive."""
    copy = Results(Path(shutil.copytree(origin.root, tmp_path / "copy")))
    suite = find_suite_record(copy, "demo")
    folder = copy.trial(suite.trials[1].trial)
    (folder / LOG_FILE).write_text("made here", encoding="utf-8")
    sealed_trial(copy.root, folder.name)
    (folder / name).unlink()
    with pytest.raises(CheckError, match=f"{name} is missing"):
        export_archive(suite, copy, tmp_path / "x.zip", ["sample"])
    assert not (tmp_path / "x.zip").exists()


def test_missing_trials_are_counted_on_the_datasets_of_the_archive(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A"), Made("B")], datasets=("sample", "ml-100k"), proposed=[])
    for cell in suite.trials:
        if (cell.dataset, cell.label) == ("ml-100k", "B") or (cell.dataset, cell.seed) == ("sample", 3):
            shutil.rmtree(Results(tmp_path).trial(cell.trial))
    written = export_archive(suite, Results(tmp_path), tmp_path / "x.zip", ["sample"])
    assert (written.trials, written.missing) == (4, 2)


def test_an_archive_written_by_these_tests_is_imported(archive: Path, tmp_path: Path) -> None:
    """Each refusal below is therefore due to what its test changed."""
    path = written(contents_of(archive), tmp_path / "x.zip")
    assert path.read_bytes() == archive.read_bytes()
    assert import_archive(path, Results(tmp_path / "new")).new == 7


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated(archive: Path, tmp_path: Path, share: float) -> None:
    path, content = tmp_path / "x.zip", archive.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "cut off" in refusal(path)


def test_every_kind_of_single_damage_is_refused(archive: Path, tmp_path: Path) -> None:
    """A byte is changed at many places: in contents, in headers and in the zip file's directory."""
    content, path = archive.read_bytes(), tmp_path / "x.zip"
    for place in range(0, len(content), len(content) // 40):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            import_archive(path, Results(tmp_path / "new" / "results"))
        except RequestError:
            assert not (tmp_path / "new").exists()
        else:  # a byte that says nothing, such as a date
            shutil.rmtree(tmp_path / "new")


@pytest.mark.parametrize(
    "name",
    [
        "/etc/x",
        "../x",
        "trials/../../x",
        "trials/../trial.json",
        "trials/.hidden/trial.json",
        "trials/a/b/trial.json",
        "trials/a/other.txt",
        "trials\\a\\trial.json",
        "C:/x",
        "suites/other.json",
        "suites/demo.lock",
        "evaluations/../evaluation.json",
        "evaluations/a/b/evaluation.json",
        "evaluations/a/weights.safetensors",
        "searches/../x.json",
        "searches/.x.json",
        "searches/a/b.json",
        "searches/a.lock",
        "running/a/checkpoint.pt",
        "trials/" + "a" * 201 + "/trial.json",
    ],
)
def test_entries_that_lead_elsewhere(archive: Path, tmp_path: Path, name: str) -> None:
    assert "is no file of a suite or a trial" in refusal(
        written({**contents_of(archive), name: b"x"}, tmp_path / "x.zip")
    )
    assert not (tmp_path / "x").exists()


def rewritten(archive: Path, path: Path, change: Callable[[zipfile.ZipInfo], None]) -> Path:
    """Write an archive again with the head of one entry changed."""
    contents = contents_of(archive)
    written(contents, path)
    with zipfile.ZipFile(path) as file:
        everything = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, content in everything.items():
            info = entry(name, len(content))
            if name.endswith(RECORD_FILE):
                change(info)
            file.writestr(info, content, info.compress_type)
    return path


def test_links(archive: Path, tmp_path: Path) -> None:
    def link(info: zipfile.ZipInfo) -> None:
        info.external_attr = (stat.S_IFLNK | 0o777) << 16

    assert "is a link or no plain file" in refusal(rewritten(archive, tmp_path / "x.zip", link))


def test_a_bomb_is_not_unpacked(archive: Path, tmp_path: Path) -> None:
    def compressed(info: zipfile.ZipInfo) -> None:
        info.compress_type = zipfile.ZIP_DEFLATED

    assert "is compressed" in refusal(rewritten(archive, tmp_path / "x.zip", compressed))


def test_entries_that_overlap(archive: Path, tmp_path: Path) -> None:
    """Many names for the same bytes: a small file would fill the disk."""
    path = written(contents_of(archive), tmp_path / "x.zip")
    with zipfile.ZipFile(path, "a") as file:
        last = file.infolist()[-1]
        for number in range(500):
            info = entry(f"trials/a{number}/{RANKS_FILE}", last.file_size)
            info.compress_size, info.CRC, info.header_offset = last.file_size, last.CRC, last.header_offset
            file.filelist.append(info)
        file._didModify = True  # type: ignore[attr-defined]
    assert "its entries overlap" in refusal(path)


def test_two_entries_of_one_name(archive: Path, tmp_path: Path) -> None:
    path = written(contents_of(archive), tmp_path / "x.zip")
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr(entry(LIST_FILE, 1), b"x")
    assert "two entries of one name" in refusal(path)


def test_a_table_that_would_fill_the_memory(archive: Path, tmp_path: Path) -> None:
    """Equal rows take almost no bytes in Parquet: the number of rows is read before the rows."""
    contents = contents_of(archive)
    name = next(name for name in contents if name.endswith(RANKS_FILE))
    columns = {"rank": pl.Series([1.0]).new_from_index(0, 3_000_000)}
    bomb = tmp_path / "bomb.parquet"
    pl.DataFrame(columns).write_parquet(bomb, row_group_size=3_000_000)
    assert bomb.stat().st_size < 100_000
    contents[name] = bomb.read_bytes()
    assert "more than a file of its size can hold" in refusal(written(contents, tmp_path / "x.zip"))


def test_a_wrong_digest_in_the_list(archive: Path, tmp_path: Path) -> None:
    contents = contents_of(archive)
    files = dict.fromkeys(contents, "0" * 64)
    assert "digest" in refusal(written(contents, tmp_path / "x.zip", files=files))


@pytest.mark.parametrize("file", [RANKS_FILE, RECORD_FILE, "demo.json"])
def test_a_changed_file_with_a_right_digest_in_the_list(archive: Path, tmp_path: Path, file: str) -> None:
    """The records carry digests of their own."""
    contents = contents_of(archive)
    name = next(name for name in contents if name.endswith(file))
    if file == RANKS_FILE:
        ranks = pl.read_parquet(contents[name]).with_columns(rank=pl.lit(1.0))
        ranks.write_parquet(tmp_path / "ranks.parquet")
        contents[name] = (tmp_path / "ranks.parquet").read_bytes()
    else:
        contents[name] = contents[name].replace(b"sample", b"simple", 1)
    assert f"{name} was changed" in refusal(written(contents, tmp_path / "x.zip"))


def test_better_means_than_the_ranks_give(origin: Results, archive: Path, tmp_path: Path) -> None:
    """A record with right digests must still agree with its ranks."""
    copy = Results(Path(shutil.copytree(origin.root, tmp_path / "copy")))
    trial = copy.trials()[0].name
    metrics = read_record(copy.trial(trial)).metrics
    metrics["test"] = {depth: {"ndcg@10": 0.99} for depth in metrics["test"]}
    rewrite_record(copy.root, trial, metrics=metrics)
    contents = contents_of(archive)
    contents[f"trials/{trial}/{RECORD_FILE}"] = (copy.trial(trial) / RECORD_FILE).read_bytes()
    assert "gives a test ndcg@10 of" in refusal(written(contents, tmp_path / "x.zip"))


@pytest.mark.parametrize("file", [RANKS_FILE, "history.parquet", RECORD_FILE, "demo.json"])
def test_a_file_that_is_missing(archive: Path, tmp_path: Path, file: str) -> None:
    contents = contents_of(archive)
    contents.pop(next(name for name in contents if name.endswith(file)))
    refusal(written(contents, tmp_path / "x.zip"))


def test_evaluations_and_searches_of_others(archive: Path, tmp_path: Path) -> None:
    """Every file was written by lrbench, but belongs to another suite."""
    other = Results(tmp_path / "other")
    suite = make_suite(other.root, seeds=[9])
    cell = suite.trials[-1]
    evaluated_later(other.root, Made(cell.label, depth=4, depths=(16,)), "sample", 9, cell.trial)
    make_search(other.root, read_record(other.trial(cell.trial)).config)
    for folder, cause in (
        ("evaluations", "belongs to a trial that is not in it"),
        ("searches", "is no search of the suite demo"),
    ):
        files = {
            path.relative_to(other.root).as_posix(): path.read_bytes()
            for path in (other.root / folder).rglob("*.*")
            if path.is_file()
        }
        assert cause in refusal(written({**contents_of(archive), **files}, tmp_path / "x.zip"))


def test_an_evaluation_whose_ranks_are_none(origin: Results, archive: Path, tmp_path: Path) -> None:
    """Its digests are right."""
    copy = Results(Path(shutil.copytree(origin.root, tmp_path / "copy")))
    cell = next(cell for cell in find_suite_record(copy, "demo").trials if cell.label == "LARES")
    impossible = make_ranks(Made("LARES", depths=(16,)), "sample", 1).with_columns(rank=pl.lit(0.5))
    keep_evaluation(copy, read_record(copy.trial(cell.trial)), impossible, {}, "cpu", {})
    folder = copy.evaluation(cell.trial)
    files = {f"evaluations/{cell.trial}/{path.name}": path.read_bytes() for path in folder.iterdir()}
    assert "not finite or below 1" in refusal(written({**contents_of(archive), **files}, tmp_path / "x.zip"))


def test_a_trial_that_is_not_of_the_suite(archive: Path, tmp_path: Path) -> None:
    other = Results(tmp_path / "other")
    make_suite(other.root, seeds=[9])
    sealed_trial(other.root, trial := other.trials()[0].name)
    files = {f"trials/{trial}/{path.name}": path.read_bytes() for path in other.trial(trial).iterdir()}
    assert "its trials are not those of its suite" in refusal(
        written({**contents_of(archive), **files}, tmp_path / "x.zip")
    )


@pytest.mark.parametrize(
    "fields", [{"version": 2}, {"version": 3}, {"suite": "../x"}, {"suite": "other"}, {"files": 3}]
)
def test_another_list(archive: Path, tmp_path: Path, fields: dict[str, object]) -> None:
    refusal(written(contents_of(archive), tmp_path / "x.zip", **fields))


@pytest.fixture(scope="module")
def compact(origin: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compact") / "demo.zip"
    export_archive(find_suite_record(origin, "demo"), origin, path, ["sample"], "compact")
    return path


def with_list(compact: Path, path: Path, **fields: object) -> Path:
    """A compact archive with other fields in its list, and a right seal."""
    contents = contents_of(compact)
    with zipfile.ZipFile(compact) as file:
        values = json.loads(file.read(LIST_FILE))
    head = sealed_json(FileList.model_validate({**values, **fields})).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in {LIST_FILE: head, **contents}.items():
            file.writestr(entry(name, len(content)), content)
    return path


def listed(compact: Path) -> FileList:
    with zipfile.ZipFile(compact) as file:
        return FileList.model_validate_json(file.read(LIST_FILE))


def test_a_compact_archive_written_by_these_tests_is_imported(compact: Path, tmp_path: Path) -> None:
    path = with_list(compact, tmp_path / "x.zip")
    assert path.read_bytes() == compact.read_bytes()
    assert import_archive(path, Results(tmp_path / "new")).new == 7


def test_damage_to_a_compact_archive(compact: Path, tmp_path: Path) -> None:
    content, path = compact.read_bytes(), tmp_path / "x.zip"
    for place in range(0, len(content), len(content) // 12):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            import_archive(path, Results(tmp_path / "new" / "results"))
        except RequestError:
            assert not (tmp_path / "new").exists()
        else:  # a byte that says nothing, such as a date
            shutil.rmtree(tmp_path / "new")


def test_a_compact_archive_that_would_fill_the_disk(compact: Path, tmp_path: Path) -> None:
    sizes = {**listed(compact).sizes, "suites/demo.json": 1 << 40}
    assert "far more space" in refusal(with_list(compact, tmp_path / "x.zip", sizes=sizes))


@pytest.mark.parametrize("more", [1, -1])
def test_a_stream_that_is_not_as_listed(compact: Path, tmp_path: Path, more: int) -> None:
    known = listed(compact)
    last = list(known.sizes)[-1]
    sizes = {**known.sizes, last: known.sizes[last] + more}
    refusal(with_list(compact, tmp_path / "x.zip", sizes=sizes))
    files = dict.fromkeys(known.files, "0" * 64)
    assert "digest" in refusal(with_list(compact, tmp_path / "x.zip", files=files))


def with_stream(compact: Path, path: Path, stream: bytes) -> Path:
    """A compact archive with another stream."""
    with zipfile.ZipFile(compact) as file:
        contents = {name: file.read(name) for name in file.namelist()} | {PACKED_FILE: stream}
    with zipfile.ZipFile(path, "w") as file:
        for name, content in contents.items():
            file.writestr(entry(name, len(content)), content)
    return path


def stream_of(compact: Path) -> bytes:
    return contents_of(compact)[PACKED_FILE]


def test_a_stream_may_arrive_in_pieces_that_give_nothing(compact: Path, tmp_path: Path) -> None:
    stream = stream_of(compact)
    pieces = (stream[place : place + 7] for place in range(0, len(stream), 7))
    read_packed(pieces, listed(compact), tmp_path)
    import_archive(compact, Results(tmp_path / "new"))
    for name in listed(compact).files:
        assert (tmp_path / name).read_bytes() == (tmp_path / "new" / name).read_bytes()


@pytest.mark.parametrize("junk", [b"\0", bytes(3 << 20)])
def test_bytes_after_the_stream(compact: Path, tmp_path: Path, junk: bytes) -> None:
    """They would raise the size that the content may take."""
    path = with_stream(compact, tmp_path / "x.zip", stream_of(compact) + junk)
    assert "end" in refusal(path)


def with_table(compact: Path, path: Path, table: bytes, place: str, **fields: object) -> Path:
    """A compact archive in which another packed table is in one place."""
    known, contents = listed(compact), lzma.decompress(stream_of(compact))
    start = sum(size for name, size in list(known.sizes.items())[: list(known.sizes).index(place)])
    stream = lzma.compress(contents[:start] + table + contents[start + known.sizes[place] :])
    sizes = {**known.sizes, place: len(table)}
    files = {**known.files, place: hashlib.sha256(table).hexdigest()}
    return with_list(with_stream(compact, path, stream), path, sizes=sizes, files=files, **fields)


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (b"[" * 100_000 + b"\n", "no packed table"),
        (
            json.dumps(
                {
                    "rows": 1,
                    "columns": [{"name": "a", "kind": "String", "nulls": [], "texts": ["x" * 1001]}],
                }
            ).encode()
            + b"\n\0\0\0\0",
            "a text has more than 1,000 characters",
        ),
    ],
)
def test_packed_tables_made_to_fill_the_memory(compact: Path, tmp_path: Path, table: bytes, why: str) -> None:
    place = listed(compact).tables[0]
    assert why in refusal(with_table(compact, tmp_path / "x.zip", table, place))


def test_a_table_in_the_place_of_a_record(compact: Path, tmp_path: Path) -> None:
    table, place = pack(pl.DataFrame({"a": [1]})), "suites/demo.json"
    tables = (*listed(compact).tables, place)
    path = with_table(compact, tmp_path / "x.zip", table, place, tables=tables)
    assert "suites/demo.json is too large for a table, or is none" in refusal(path)


def test_a_table_of_too_many_bytes(compact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrbench.store.packed_archive.LARGEST_TABLE", 100)
    assert "is too large for a t" in refusal(compact)


def test_a_compact_archive_of_too_many_files(
    compact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each could be empty, so their sizes alone do not limit them."""
    path = Path(shutil.copy(compact, tmp_path / "x.zip"))
    monkeypatch.setattr("lrbench.store.read_archive.MOST_ENTRIES", 7)
    assert "it has more than 7 files" in refusal(path)


@pytest.mark.parametrize("form", ["compact", "brief"])
def test_a_history_with_a_column_of_another_type(form: ArchiveForm, origin: Results, tmp_path: Path) -> None:
    """A plain archive may have brought it. The file is archived as it is."""
    copy = Results(Path(shutil.copytree(origin.root, tmp_path / "copy")))
    suite = find_suite_record(copy, "demo")
    path = copy.trial(suite.trials[1].trial) / HISTORY_FILE
    pl.read_parquet(path).with_columns(reset=pl.lit(True)).write_parquet(path)
    sealed_trial(copy.root, path.parent.name)
    export_archive(suite, copy, tmp_path / "x.zip", ["sample"], form)
    results = Results(tmp_path / "results")
    import_archive(tmp_path / "x.zip", results)
    assert (results.trial(path.parent.name) / HISTORY_FILE).read_bytes() == path.read_bytes()


def test_names_in_a_compact_archive_that_lead_elsewhere(compact: Path, tmp_path: Path) -> None:
    known = listed(compact)
    files, sizes = ({**values, "../x": value} for values, value in ((known.files, "0"), (known.sizes, 1)))
    path = with_list(compact, tmp_path / "x.zip", files=files, sizes=sizes)
    assert "is no file of a suite or a trial" in refusal(path)


def through_versions_of_polars(copy: Results, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Export with one version, and import with another, which writes the same values as other bytes."""
    monkeypatch.setattr(pl, "__version__", "earlier")
    export_archive(find_suite_record(copy, "demo"), copy, folder / "x.zip", ["sample"], "compact")
    monkeypatch.undo()

    def written(table: pl.DataFrame, name: str) -> bytes:
        table.write_parquet(folder / name, compression="lz4")
        return (folder / name).read_bytes()

    monkeypatch.setattr("lrbench.store.packed_archive._parquet", written)
    results = Results(folder / "results")
    assert import_archive(folder / "x.zip", results).new == 7
    return results


def test_tables_of_another_version_of_polars(
    origin: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version may write the same values as other bytes. The records then get the new digests."""
    copy = Results(Path(shutil.copytree(origin.root, tmp_path / "copy")))
    cell = next(cell for cell in find_suite_record(copy, "demo").trials if cell.label == "LARES")
    evaluated_later(copy.root, Made("LARES", depth=4, depths=(16,)), "sample", 1, cell.trial)
    results = through_versions_of_polars(copy, tmp_path, monkeypatch)
    for trial in copy.trials():
        own, other = (pl.read_parquet(folder / RANKS_FILE) for folder in (trial, results.trial(trial.name)))
        assert own.equals(other)
        assert file_digest(trial / RANKS_FILE) != file_digest(results.trial(trial.name) / RANKS_FILE)
        assert not stored_faults(results.trial(trial.name))
    assert read_evaluation(results, read_record(results.trial(cell.trial))) is not None


def test_later_ranks_alone_of_another_version_of_polars(
    origin: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older version wrote the trial, so its tables are archived as they are. It was evaluated since."""
    copy = Results(Path(shutil.copytree(origin.root, tmp_path / "copy")))
    cell = next(cell for cell in find_suite_record(copy, "demo").trials if cell.label == "LARES")
    for name in (RANKS_FILE, HISTORY_FILE):
        path = copy.trial(cell.trial) / name
        pl.read_parquet(path).write_parquet(path, compression="snappy")
    sealed_trial(copy.root, cell.trial)
    evaluated_later(copy.root, Made("LARES", depth=4, depths=(16,)), "sample", 1, cell.trial)
    results = through_versions_of_polars(copy, tmp_path, monkeypatch)
    trial, there = copy.trial(cell.trial), results.trial(cell.trial)
    assert (trial / RECORD_FILE).read_bytes() == (there / RECORD_FILE).read_bytes()
    own, other = (read_evaluation(where, read_record(where.trial(cell.trial))) for where in (copy, results))
    assert own is not None
    assert other is not None
    assert own.read().equals(other.read())


def test_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    assert "There is no file" in refusal(path)
    (folder := tmp_path / "folder").mkdir()
    assert refusal(folder) == f"{folder} is no file."
    path.write_bytes(b"\x1f\x8b" * 1000)
    assert "written by another program" in refusal(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("hello.txt", "hello")
    assert f"it has no {LIST_FILE}" in refusal(path)


def test_a_trial_that_is_running_is_left_alone(archive: Path, tmp_path: Path) -> None:
    results = Results(tmp_path / "results")
    trials = [trial for name in contents_of(archive) if (trial := trial_of(name))]
    lock = results.lock(max(trials))
    lock.parent.mkdir(parents=True)
    with FileLock(lock), pytest.raises(RequestError, match="is running in"):
        import_archive(archive, results)
    assert not results.trials()
    assert not results.suites()


def test_a_trial_that_is_evaluated_is_left_alone(origin: Results, tmp_path: Path) -> None:
    copy = Results(Path(shutil.copytree(origin.root, tmp_path / "copy")))
    cell = next(cell for cell in find_suite_record(copy, "demo").trials if cell.label == "LARES")
    evaluated_later(copy.root, Made("LARES", depth=4, depths=(16,)), "sample", 1, cell.trial)
    export_archive(find_suite_record(copy, "demo"), copy, tmp_path / "x.zip", ["sample"])
    results = Results(tmp_path / "results")
    lock = results.evaluation_lock(cell.trial)
    lock.parent.mkdir(parents=True)
    with FileLock(lock), pytest.raises(RequestError, match="is being evaluated in"):
        import_archive(tmp_path / "x.zip", results)
    assert not results.trials()
    assert not results.evaluations()


def test_looks_of_both_machines_are_in_the_order_of_their_times(origin: Results, tmp_path: Path) -> None:
    copy = Results(Path(shutil.copytree(origin.root, tmp_path / "copy")))
    looks = [Look(time=MOMENT + timedelta(hours=hour), seeds=hour) for hour in range(1, 5)]
    for look in looks[:3:2]:
        record_look(copy.looks("demo"), look)
    export_archive(find_suite_record(copy, "demo"), copy, tmp_path / "x.zip", ["sample"])
    results = Results(tmp_path / "results")
    results.looks("demo").parent.mkdir(parents=True)
    for look in looks[1::2]:
        record_look(results.looks("demo"), look)
    for _ in range(2):
        import_archive(tmp_path / "x.zip", results)
        assert read_looks(results.looks("demo")) == looks


def test_another_outcome_of_the_same_search_is_refused(origin: Results, tmp_path: Path) -> None:
    copy = Results(Path(shutil.copytree(origin.root, tmp_path / "copy")))
    suite = find_suite_record(copy, "demo")
    search = make_search(copy.root, read_record(copy.trial(suite.trials[1].trial)).config)
    row = TunedRow(label=suite.labels[1], dataset="sample", search=search)
    write_suite(suite.model_copy(update={"searches": (row,)}), copy.suite("demo"))
    export_archive(find_suite_record(copy, "demo"), copy, tmp_path / "x.zip", ["sample"])
    results = Results(tmp_path / "results")
    write_search(read_search(copy, search).model_copy(update={"chosen": 0}), results)
    before = files(results.root)
    with pytest.raises(RequestError, match="the same search was made twice"):
        import_archive(tmp_path / "x.zip", results)
    assert files(results.root) == before


def resealed(content: bytes, **changes: object) -> bytes:
    values = {**json.loads(content), **changes}
    values.pop("digest", None)
    return json.dumps({**values, "digest": content_digest(values)}).encode()


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("trial.json", {"started": "2020-01-01T00:00:00"}),
        ("trial.json", {"ended": "2020-01-01T00:00:00"}),
        ("suites/demo.json", {"primary_metric": "foo@bar"}),
        ("evaluation.json", {"evaluated": "2020-01-01T00:00:00"}),
    ],
)
def test_values_with_which_no_report_can_be_made(
    file: str, changes: dict[str, object], origin: Results, tmp_path: Path
) -> None:
    copy = Results(tmp_path / "copy")
    shutil.copytree(origin.root, copy.root)
    suite = find_suite_record(copy, "demo")
    cell = suite.trials[0]
    evaluated_later(copy.root, Made(cell.label), cell.dataset, cell.seed, cell.trial)
    export_archive(suite, copy, tmp_path / "whole.zip", ["sample"])
    contents = contents_of(tmp_path / "whole.zip")
    name = next(name for name in contents if name.endswith(file))
    contents[name] = resealed(contents[name], **changes)
    assert file in refusal(written(contents, tmp_path / "changed.zip"))


def test_a_suite_without_any_trial(archive: Path, tmp_path: Path) -> None:
    contents = {name: content for name, content in contents_of(archive).items() if trial_of(name) is None}
    assert "its trials are not those of its suite" in refusal(written(contents, tmp_path / "x.zip"))


def test_what_a_killed_import_left_is_removed_by_the_next(archive: Path, tmp_path: Path) -> None:
    left = tmp_path / ".import.0123abcd.part"
    (left / "trials").mkdir(parents=True)
    (left / "lock").touch()
    import_archive(archive, Results(tmp_path))
    assert not list(tmp_path.glob(".import*"))


def test_an_import_that_just_begins_is_left_alone(archive: Path, tmp_path: Path) -> None:
    """It has made its folder, and not yet its lock."""
    (other := tmp_path / ".import.0123abcd.part").mkdir()
    import_archive(archive, Results(tmp_path))
    assert other.is_dir()


def test_what_an_import_left_that_was_killed_before_it_had_its_lock_is_removed(
    archive: Path, tmp_path: Path
) -> None:
    (left := tmp_path / ".import.0123abcd.part").mkdir()
    (foreign := tmp_path / ".import.4567cdef.part").mkdir()
    (foreign / "notes.txt").touch()
    for folder in (left, foreign):
        os.utime(folder, (0, 0))
    import_archive(archive, Results(tmp_path))
    assert (left.exists(), foreign.exists()) == (False, True)


def test_a_trial_that_arrives_meanwhile_is_compared_and_kept(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another import, or a run, may finish it after this import has begun."""
    results, other = Results(tmp_path / "results"), Results(tmp_path / "other")
    import_archive(archive, other)
    first = min(trial.name for trial in other.trials())

    @contextmanager
    def claimed_late(lock: Path) -> Iterator[object]:
        if lock == results.lock(first):
            shutil.copytree(other.trial(first), results.trial(first))
        with claimed(lock) as claim:
            yield claim

    monkeypatch.setattr("lrbench.store.import_archive.claimed", claimed_late)
    imported = import_archive(archive, results)
    assert (imported.new, imported.kept) == (6, 1)
    assert files(results.root) == files(other.root)


@pytest.mark.parametrize("late", [False, True])
def test_an_interrupt_at_any_step_leaves_all_as_it_was(
    late: bool, origin: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may come before a step or right after it. A reader never sees half a trial."""
    copy = Results(Path(shutil.copytree(origin.root, tmp_path / "copy")))
    suite = find_suite_record(copy, "demo")
    cell = next(cell for cell in suite.trials if cell.label == "LARES")
    results = Results(Path(shutil.copytree(copy.root, tmp_path / "results")))
    for root, depth in ((copy.root, 16), (copy.root, 32), (results.root, 16)):
        evaluated_later(root, Made("LARES", depth=4, depths=(depth,)), "sample", 1, cell.trial)
    record_look(copy.looks("demo"), Look(time=MOMENT, seeds=2))
    export_archive(suite, copy, tmp_path / "x.zip", ["sample"])
    for trial in results.trials():
        if trial.name != cell.trial:
            shutil.rmtree(trial)
    results.suite("demo").unlink()
    before, step = files(results.root), 0
    rename = Path.rename

    for number in range(20):
        step = 0

        def interrupted(path: Path, target: Path, number: int = number) -> Path:
            nonlocal step
            step += 1
            if step - 1 == number and not late:
                raise KeyboardInterrupt
            moved = rename(path, target)
            if step - 1 == number:
                raise KeyboardInterrupt
            return moved

        monkeypatch.setattr(Path, "rename", interrupted)
        try:
            import_archive(tmp_path / "x.zip", results)
        except KeyboardInterrupt:
            assert files(results.root) == before
        else:
            break
        finally:
            monkeypatch.undo()
    assert number == 8  # six trials, and an evaluation in the place of another one
    assert files(results.root) == files(copy.root)


def test_a_full_disk_is_told_of_the_results_folder(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's error names no file, or one that is removed."""

    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lrbench.store.read_archive._unpack", full)
    with pytest.raises(OSError, match="No space left") as caught:
        import_archive(archive, Results(tmp_path / "new" / "results"))
    assert caught.value.filename == str(tmp_path / "new" / "results")
    assert not (tmp_path / "new").exists()


def test_an_import_under_way_is_left_alone(archive: Path, tmp_path: Path) -> None:
    other = tmp_path / ".import.0123abcd.part"
    other.mkdir()
    with FileLock(other / "lock"):
        import_archive(archive, Results(tmp_path))
        assert other.is_dir()


@pytest.mark.parametrize("before", [0, 1])
def test_a_failed_import_adds_no_looks(
    before: int, origin: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The suite's record is written last. If that fails, the looks are those of before."""
    copy = Results(Path(shutil.copytree(origin.root, tmp_path / "copy")))
    record_look(copy.looks("demo"), Look(time=MOMENT, seeds=2))
    export_archive(find_suite_record(copy, "demo"), copy, tmp_path / "x.zip", ["sample"])
    results = Results(tmp_path / "results")
    file, own = results.looks("demo"), [Look(time=MOMENT, seeds=1)][:before]
    file.parent.mkdir(parents=True)
    for look in own:
        record_look(file, look)

    def write_bytes_or_fail(path: Path, content: bytes) -> None:
        if path == results.suite("demo"):
            raise OSError(errno.ENOSPC, "No space left on device")
        write_bytes(path, content)

    monkeypatch.setattr("lrbench.store.undo.write_bytes", write_bytes_or_fail)
    with pytest.raises(OSError, match="No space left"):
        import_archive(tmp_path / "x.zip", results)
    assert read_looks(file) == own
    assert file.exists() == bool(before)
