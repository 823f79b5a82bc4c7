"""A notebook that loads results is executed cell by cell, and shows tables, figures and the report."""

from typing import Any

import pytest
from synthetic_results import make_suite

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

pytestmark = pytest.mark.slow

CELLS = (
    "import lrbench, sys\nrun = lrbench.load('results')\nassert 'torch' not in sys.modules\nrun",
    "run.trials.select('label', 'dataset', 'seed', 'parameters')",
    "run.ranks.filter(split='test').head(3).collect()",
    "run.metrics('ndcg@10')",
    "run.history.columns[:3]",
    "run.compare('LARES', 'SASRec')",
    "print(run.report('markdown'))",
    "run.plot('convergence')",
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """The outputs of each cell."""
    folder = tmp_path_factory.mktemp("notebook")
    make_suite(folder / "results")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "jupyter"))
        client = nbclient.NotebookClient(
            notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        )
        client.execute()
    return [cell.outputs for cell in notebook.cells]


def shown(outputs: list[list[dict[str, Any]]], cell: int, kind: str) -> str:
    (output,) = outputs[cell]
    return str(output["data"][kind])


def test_a_suite_shows_its_answer_and_its_quality(outputs: list[list[dict[str, Any]]]) -> None:
    page = shown(outputs, 0, "text/html")
    assert "Better?" in page
    assert "LARES" in page


@pytest.mark.parametrize(("cell", "column"), [(1, "parameters"), (2, "rank"), (3, "value"), (5, "p_bh")])
def test_frames_are_shown_as_tables(outputs: list[list[dict[str, Any]]], cell: int, column: str) -> None:
    page = shown(outputs, cell, "text/html")
    assert "<table" in page
    assert column in page


def test_texts_and_figures_are_shown(outputs: list[list[dict[str, Any]]]) -> None:
    assert shown(outputs, 4, "text/plain") == "['label', 'dataset', 'seed']"
    (printed,) = outputs[6]
    assert printed["text"].startswith("## ")
    assert "<svg" in shown(outputs, 7, "image/svg+xml")
