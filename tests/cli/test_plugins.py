"""Models from elsewhere: a file given on the command line, and a package's entry point."""

import json
import re
import sys
from pathlib import Path

import pytest
from cli.test_run import SUITE, Desk

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
(EXAMPLE,) = (code for code in re.findall(r"```python\n(.*?)```", README, re.S) if "MODELS = " in code)
PLUGGED = (
    SUITE.replace('"sasrec"', '"fading"')
    .replace("SASRec", "Fading")
    .replace("{ width = 16, layers = 1, inner_width = 32 }", "{ width = 16 }")
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("plugins"))
    (desk.folder / "fading.py").write_text(EXAMPLE, encoding="utf-8")
    return desk


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.splitlines()) < 50
    assert sum(bool(line.strip()) for line in EXAMPLE.splitlines()) < 40


def test_the_example_of_the_readme_runs(desk: Desk) -> None:
    done = desk.run("run", desk.suite(PLUGGED), "--plugin", "fading.py", "--workers", "2")
    assert "4 of 4 trials done" in done.stderr
    report = json.loads(desk.run("report", "small", "--format", "json").stdout)
    recall = {row["label"]: row["mean"] for row in report["rows"] if row["metric"] == "recall@10"}
    assert recall["Fading"] > recall["Popularity"]
    listed = desk.run("list", "models", "fading", "--plugin", "fading.py").stdout
    assert "Fading sum of item embeddings." in listed
    assert "Weight of an item over that of the one after it." in listed
    trial = next(path for path in (desk.folder / "results/trials").iterdir() if "fading" in path.name)
    desk.run("verify", trial.name, "--plugin", "fading.py")
    assert "There is no model" in desk.run("verify", trial.name, code=2).stderr


def test_an_edited_file_means_other_trials(desk: Desk) -> None:
    desk.run("run", desk.suite(PLUGGED), "--plugin", "fading.py", "--seeds", "1")
    (trial,) = (path for path in (desk.folder / "results/trials").iterdir() if "fading-s1" in path.name)
    (desk.folder / "other").mkdir()
    (desk.folder / "other/fading.py").write_text(EXAMPLE + "\n# edited\n", encoding="utf-8")
    wrong = desk.run("verify", trial.name, "--plugin", "other/fading.py", code=1)
    assert "is not the one that this trial is of" in wrong.stderr
    dry = desk.run("run", "suite.toml", "--plugin", "other/fading.py", "--seeds", "1", "--dry-run").stdout
    assert "2 trials, 1 to run" in dry


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:\n", "cannot be loaded: SyntaxError"),
        ("import nothing_of_this_name\n", "cannot be loaded: ModuleNotFoundError"),
        ("MODEL = 1\n", "declares no models"),
        ("MODELS = {'x': 3}\n", 'a model "x" that is no model class'),
        (EXAMPLE.replace('{"fading": ', '{"sasrec": '), "is also built in"),
    ],
)
def test_wrong_files_get_one_sentence(desk: Desk, text: str, message: str) -> None:
    (desk.folder / "wrong.py").write_text(text, encoding="utf-8")
    assert message in desk.run("run", desk.suite(SUITE), "--plugin", "wrong.py", "--dry-run", code=2).stderr
    assert "There is no plug-in file" in desk.run("list", "models", "--plugin", "none.py", code=2).stderr


def test_an_option_that_the_model_has_no_part_for_is_refused_before_anything_trains(desk: Desk) -> None:
    """The example takes the losses' options over and does not say where its items are kept."""
    losses = "from lrbench.models.losses import NextItemLoss as ModelConfig"
    losing = EXAMPLE.replace("from lrbench.models.base import ModelConfig", losses)
    (desk.folder / "losing.py").write_text(losing, encoding="utf-8")
    suite = desk.suite(PLUGGED.replace("{ width = 16 }", "{ width = 16, item_dropout = 0.2 }"))
    wrong = desk.run("run", suite, "--plugin", "losing.py", "--dry-run", code=2).stderr
    assert "item_dropout needs Fading.item_table, which it does not have" in " ".join(wrong.split())


def test_a_package_adds_models_by_entry_point(desk: Desk) -> None:
    site = desk.folder / "site"
    information = site / "fading_models-1.0.dist-info"
    information.mkdir(parents=True)
    (site / "fading_models.py").write_text(EXAMPLE, encoding="utf-8")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: fading-models\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[lrbench.models]\nfading = fading_models:Fading\n")
    paths = [str(site), *filter(None, [desk.environment.get("PYTHONPATH")])]
    desk.environment["PYTHONPATH"] = ":".join(paths)
    try:
        done = desk.run("run", desk.suite(PLUGGED), "--seeds", "4", "--results", "by-package")
        assert "2 of 2 trials done" in done.stderr
    finally:
        del desk.environment["PYTHONPATH"]
    assert sys.modules.get("fading_models") is None
