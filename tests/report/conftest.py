"""One small suite with all its trials, and its report, shared by the tests of this folder."""

from pathlib import Path

import pytest
from synthetic_results import make_suite

from lrbench.report.build import build_report
from lrbench.report.formats.html import Html
from lrbench.report.report import Report
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="session")
def suite(root: Path) -> SuiteRecord:
    return make_suite(root, datasets=("sample", "amazon-2014-beauty"))


@pytest.fixture(scope="session")
def report(suite: SuiteRecord, root: Path) -> Report:
    return build_report(suite, Results(root))


@pytest.fixture(scope="session")
def html_page(report: Report) -> str:
    """The report as a page: its figures take a second to draw."""
    return Html().render(report)
