"""Polars' panics end in one sentence, and nothing else of descriptor 2 is lost."""

import ast
import io
import os
import random
import subprocess
import sys
from pathlib import Path
from threading import Barrier, Thread

import polars as pl
import pytest

import lrbench
from lrbench.data.readers import read
from lrbench.errors import LrbenchError, RequestError
from lrbench.panics import panics_as_errors

PACKAGE = Path(lrbench.__file__).parent
PANIC = b"\nthread 'async-executor-0' panicked at x.rs:1:1:\nit failed\n"


def table(**options: object) -> bytes:
    content = io.BytesIO()
    rows = {"user": [f"u{n % 7}" for n in range(40)], "item": range(40), "rating": [1.5] * 40}
    pl.DataFrame(rows).write_parquet(content, **options)  # type: ignore[arg-type]
    return content.getvalue()


def damaged(content: bytes, seed: int) -> bytes:
    """Change, remove or insert bytes in a few places."""
    chance, changed = random.Random(seed), bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 4])):
        place = chance.randrange(4, len(changed))
        match chance.randrange(4):
            case 0:
                changed[place] ^= 1 << chance.randrange(8)
            case 1:
                changed[place] = chance.choice([0, 255, 127, 128])
            case 2:
                del changed[place : place + chance.randrange(1, 8)]
            case 3:
                changed[place:place] = chance.randbytes(chance.randrange(1, 5))
    return bytes(changed)


@pytest.mark.parametrize(
    "options", [{}, {"compression": "uncompressed"}, {"compression": "snappy", "row_group_size": 5}], ids=str
)
def test_damaged_tables_print_nothing_of_their_own(
    options: dict[str, object], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sound, path, refused = table(**options), tmp_path / "x.parquet", 0
    for seed in range(80):
        path.write_bytes(damaged(sound, seed))
        try:
            read("parquet", path, {"rating": "rating"}).collect()
        except RequestError as error:
            assert "x.parquet" in error.cause
            refused += 1
        assert capfd.readouterr() == ("", "")
    assert refused > 15


def test_a_panic_is_an_error_of_polars_that_keeps_its_text(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(pl.exceptions.ComputeError, match="it failed") as caught, panics_as_errors():
        os.write(2, b"a warning\n" + PANIC)
        raise pl.exceptions.PanicException("it failed")
    assert "x.rs:1:1" in caught.value.__notes__[0]
    assert capfd.readouterr().err == "a warning\n"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (RequestError("No."), ""),
        (OSError("No."), ""),
        (pl.exceptions.ColumnNotFoundError("No."), ""),
        (ZeroDivisionError("No."), PANIC.decode()),
        (KeyboardInterrupt(), PANIC.decode()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_panic_is_shown_where_no_sentence_explains_it(
    error: BaseException, shown: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(type(error)), panics_as_errors():
        os.write(2, PANIC)
        raise error
    assert capfd.readouterr().err == shown


def test_a_caught_error_of_an_inner_block_explains_a_panic(capfd: pytest.CaptureFixture[str]) -> None:
    with panics_as_errors():
        with pytest.raises(LrbenchError), panics_as_errors():
            os.write(2, PANIC)
            raise LrbenchError("No.")
        os.write(1, b"on")
    assert capfd.readouterr() == ("on", "")


def test_python_and_everything_but_panics_get_through(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (as the interpreter opens it)
    monkeypatch.setattr(sys, "stderr", own)
    with panics_as_errors():
        print("soon", file=sys.stderr)
        assert capfd.readouterr().err == "soon\n"
        os.write(2, b"later\n")
        assert capfd.readouterr().err == ""
    assert sys.stderr is own
    print("at the end", file=sys.stderr, flush=True)
    assert capfd.readouterr().err == "later\nat the end\n"


def test_threads_share_the_descriptor(capfd: pytest.CaptureFixture[str]) -> None:
    together = Barrier(8)

    def work(number: int) -> None:
        for _ in range(20):
            together.wait(10)
            with panics_as_errors():
                os.write(2, b"%d" % number)

    threads = [Thread(target=work, args=(number,)) for number in range(8)]
    before = os.fstat(2)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert os.path.samestat(before, os.fstat(2))
    assert sorted(capfd.readouterr().err) == sorted("01234567" * 20)


def test_a_closed_descriptor_stays_closed() -> None:
    read_and_look = (
        "import os; from lrbench.panics import panics_as_errors\n"
        "with panics_as_errors(): print('on')\n"
        "os.fstat(2)"
    )
    shell = f'exec "{sys.executable}" -c "{read_and_look}" >/dev/null 2>&-'
    assert subprocess.run(["/bin/sh", "-c", shell], check=False, timeout=60).returncode == 1


def test_no_other_file_lets_polars_read() -> None:
    """What a scan finds is read by functions that know panics."""
    calls = [
        f"{path.relative_to(PACKAGE)}, line {node.lineno}: {node.attr}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in ("collect", "collect_schema", "collect_batches", "fetch", "sink_parquet")
        and not (isinstance(node.value, ast.Name) and node.value.id in ("gc", "raw", "cls", "self"))
        and path.name != "polars_files.py"
    ]
    assert calls == []
