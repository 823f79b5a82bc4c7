"""Every wrong request soon ends with one sentence and a remedy, and writes nothing."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from cli.wrong_requests import (
    ARGUMENTS,
    BASE,
    FIELDS,
    FLAGS,
    OPTIONS,
    ROW_FIELDS,
    SHAPES,
    SUITE,
    VALUES,
    write_files,
    wrong_requests,
    wrong_suites,
)
from synthetic_results import make_suite

from lrbench.cli.app import run, verb_with_options
from lrbench.cli.process import known_error
from lrbench.cli.verbs import SUMMARIES
from lrbench.config.suite import read_suite_file
from lrbench.config.suite_file import ComparisonTable, Entry, EvaluationTable, SuiteFile
from lrbench.config.tuning import Tune
from lrbench.errors import LrbenchError, RequestError
from lrbench.execution.rows import resolve_rows
from lrbench.plugins import PLUGINS
from lrbench.registry import MODELS
from lrbench.store.export_archive import export_archive
from lrbench.store.layout import Results
from lrbench.text import has_hidden

LONGEST = 2500

SLOW = "evaluate", "fetch", "plot", "report", "run", "verify"
"""Verbs with many options, whose wrong requests take seconds."""


def options_of() -> dict[str, list[str]]:
    """The options of every verb, as the application declares them."""
    return {
        name: [
            parameter.opts[0]
            for parameter in verb_with_options(name).params
            if parameter.opts[0].startswith("--")
        ]
        for name in SUMMARIES
    }


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("desk")
    write_files(folder)
    os.mkfifo(folder / "pipe")
    export_archive(
        make_suite(folder / "results"), Results(folder / "results"), folder / "archive.zip", ["sample"]
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("LRBENCH_DATA", str(folder / "data"))
        patch.delenv("LRBENCH_MIRROR", raising=False)
        patch.delenv(PLUGINS, raising=False)
        yield folder


def tree(folder: Path) -> set[tuple[str, int]]:
    return {(str(path), path.lstat().st_mtime_ns) for path in folder.rglob("*") if not path.is_dir()}


def said(arguments: Sequence[str]) -> LrbenchError | None:
    """Return the error with which a request ends; ``None``: it was done. Help counts as an error."""
    os.environ.pop(PLUGINS, None)
    try:
        code = run(arguments)
    except LrbenchError as error:
        return error
    except OSError as error:
        return known_error(error)
    return None if code == 0 else RequestError("It showed its help.", "Read it.")


def fault(error: LrbenchError | None) -> str:
    """Return how a wrong request ended if not with a sentence and a remedy; empty if it did."""
    if error is None:
        return "accepted"
    text = str(error)
    if error.exit_code != 2:
        return f"exit {error.exit_code}: {text}"
    if not error.cause.rstrip().endswith((".", "?", "!")) or not error.remedy:
        return f"no sentence with a remedy: {text}"
    if has_hidden(text.replace("\n", " ")) or len(text) > LONGEST or "Input should" in text:
        return f"not fit to be shown: {text!r}"
    return ""


def listed(faults: dict[str, str]) -> str:
    return "\n".join(f"{request[:80]!r}: {reason[:200]}" for request, reason in faults.items())


def test_the_tables_name_everything_that_can_be_asked() -> None:
    """A new verb, option, argument or field of a suite must be added to the tables."""
    assert SUMMARIES.keys() == BASE.keys()
    assert {option for options in options_of().values() for option in options} == {*OPTIONS, *FLAGS}
    for name in SUMMARIES:
        arguments = [
            parameter for parameter in verb_with_options(name).params if not parameter.opts[0].startswith("-")
        ]
        assert len(ARGUMENTS.get(name, ())) >= len(arguments), name
    assert FIELDS.keys() >= SuiteFile.model_fields.keys() | {
        f"{part}.{name}"
        for part, kind in (("tune", Tune), ("comparison", ComparisonTable), ("evaluation", EvaluationTable))
        for name in kind.model_fields
    }
    assert ROW_FIELDS.keys() == Entry.model_fields.keys()


@pytest.mark.parametrize(
    "verb",
    [pytest.param(verb, marks=pytest.mark.slow) if verb in SLOW else verb for verb in BASE],
)
def test_wrong_requests(verb: str, desk: Path) -> None:
    """Each wrong request must end with another error than the verb's right request does, if that fails.

    The same error would hide that the wrong request is accepted.
    """
    (trial, *_) = sorted(path.name for path in (desk / "results/trials").iterdir())

    def filled(request: Sequence[str]) -> list[str]:
        return [trial if part == "TRIAL" else part for part in request]

    right = str(said(filled(BASE[verb])))
    before = tree(desk)
    faults = {}
    for request in wrong_requests({verb: options_of()[verb]}):
        error = said(filled(request))
        reason = "accepted, and ends later" if str(error) == right else fault(error)
        if reason:
            faults[" ".join(request)] = reason
    assert not faults, listed(faults)
    assert tree(desk) == before


@pytest.mark.parametrize("request_", SHAPES, ids=" ".join)
def test_requests_that_are_wrong_as_a_whole(request_: Sequence[str], desk: Path) -> None:
    assert not fault(said(request_))


def error_of_suite(path: Path, text: str) -> LrbenchError | None:
    path.write_text(text, encoding="utf-8")
    try:
        resolve_rows(read_suite_file(path))
    except LrbenchError as error:
        return error
    return None


def test_wrong_suites(desk: Path) -> None:
    """Faults that are found later, such as unknown datasets, are among the requests above."""
    path = desk / "wrong.toml"
    faults = {}
    for count, text in enumerate(wrong_suites(), 1):  # noqa: B007
        if reason := fault(error_of_suite(path, text)):
            faults[text.replace("\n", " ; ")] = reason
    assert count > 300
    assert not faults, listed(faults)


WRONG_FOR = {
    "int": {"true", '"x"', "1.5", "inf", "nan", "[]", "[true]", "{}", "{ x = 1 }", "1979-05-27", "9" * 5000},
    "float": {"true", '"x"', "inf", "nan", "[]", "[true]", "{}", "{ x = 1 }", "1979-05-27", "9" * 5000},
    "bool": {*VALUES} - {"true"},
    "str": {*VALUES},
}
"""Type of an option → values that it cannot take; options of type ``str`` take some words alone."""


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS.names())
def test_wrong_options_of_models(
    model: str, desk: Path, campaign_size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each option gets one wrong value, another one than the option before. A larger campaign tries more."""
    faults, count = {}, 0
    for place, (option, field) in enumerate(MODELS.load(model).Config.model_fields.items()):
        kinds = {name for name in WRONG_FOR if name in str(field.annotation)} or {"str"}
        wrong = sorted(set.intersection(*(WRONG_FOR[kind] for kind in kinds)))
        start = place % len(wrong)
        for value in (wrong[start:] + wrong[:start])[:campaign_size]:
            count += 1
            params = f"{{ {option} = {value} }}"
            text = SUITE.replace('"popularity"', f'"{model}"\nparams = {params}')
            if reason := fault(error_of_suite(desk / "wrong.toml", text)):
                faults[f"{option} = {value}"] = reason
    with capsys.disabled():
        print(f"\n{model}: {count} wrong values of options, {len(faults)} faults")
    assert not faults, listed(faults)
