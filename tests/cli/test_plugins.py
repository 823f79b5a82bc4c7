"""Models from elsewhere: a file given on the command line, and a package's entry point."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from desk import SUITE, Desk

from lrbench.cli.listing import Kind, listing
from lrbench.config.controls import CONTROLS
from lrbench.errors import RequestError
from lrbench.plugins import PLUGINS, add_plugins

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
(EXAMPLE,) = (code for code in re.findall(r"```python\n(.*?)```", README, re.S) if "MODELS = " in code)
GUIDE = (Path(__file__).parents[2] / "docs/extending.md").read_text(encoding="utf-8")
GUIDED_MODEL, GUIDED_TEST = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
PLUGGED = (
    SUITE.replace('"sasrec"', '"fading"')
    .replace("SASRec", "Fading")
    .replace("{ width = 16, layers = 1, inner_width = 32 }", "{ width = 16 }")
)

PONDERING = '''
"""The mean of a history's items so far, thought over by one small network again and again.

Training settings: the defaults.
"""

from typing import Any

import torch
from torch import Tensor, nn

from lrbench.models.next_item import NextItemModel
from lrbench.models.reasoning import ReasoningModel, Recipe
from lrbench.models.sequential.sasrec import SASRecConfig
from lrbench.models.supervised import Supervised


class PonderingConfig(SASRecConfig):
    steps: int = 2
    """Thoughts."""


class Pondering(NextItemModel, ReasoningModel):
    Config = PonderingConfig
    summary = "Pondered mean of item embeddings."
    stages = {"supervised": Supervised}
    default_stages = ("supervised",)

    def __init__(self, config: PonderingConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        width = config.width
        self.items = nn.Embedding(n_items, width)
        self.ponder = nn.Sequential(nn.Linear(width, 8 * width), nn.Tanh(), nn.Linear(8 * width, width))

    def history(self, sequences) -> Tensor:
        return sequences.by_group(lambda part: part.cumsum(1), self.items(sequences.items))

    def thoughts(self, history: Tensor, steps: int, noise=None) -> list[Tensor]:
        states = [history]
        for _ in range(steps):
            states.append(self.ponder(self.carried(states[-1], noise)))
        return states

    def token_states(self, sequences) -> Tensor:
        return self.thoughts(self.history(sequences), self.config.steps)[-1]

    def encode(self, sequences, depths, noise) -> Tensor:
        last = self.history(sequences).index_select(0, sequences.last)
        states = self.thoughts(last, max(depths), noise)
        return torch.stack([states[depth] for depth in depths])

    def item_vectors(self) -> Tensor:
        return self.items.weight

    @classmethod
    def configured_depth(cls, config: Any) -> int:
        return config.steps

    @classmethod
    def without_reasoning(cls, config: Any) -> Recipe:
        return Recipe({**config.model_dump(), "steps": 0})

    @classmethod
    def without_recurrence(cls, config: Any) -> Recipe:
        return Recipe(config.model_dump(exclude={"steps"}), model="sasrec")

    @classmethod
    def same_losses(cls, config: Any) -> Recipe:
        return cls.without_reasoning(config)


MODELS = {"pondering": Pondering}
'''
PONDERED = """
name = "pondered"
protocol = "loo-20"
datasets = ["walks"]
seeds = [1]

[training]
max_epochs = 1
batch_size = 256

[[models]]
label = "Pondering"
model = "pondering"
params = { width = 16, inner_width = 32 }
controls = "all"

[comparison]
proposed = ["Pondering"]
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("plugins"))
    (desk.folder / "fading.py").write_text(EXAMPLE, encoding="utf-8")
    return desk


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.splitlines()) < 40


@pytest.mark.slow
def test_the_example_of_the_readme_runs(desk: Desk) -> None:
    own = ("--results", "readme")  # other tests train some of the same trials in the common folder
    done = desk.run("run", desk.suite(PLUGGED), "--plugin", "fading.py", "--workers", "2", *own)
    assert "4 of 4 trials done" in done.stderr
    report = json.loads(desk.run("report", "small", "--format", "json", *own).stdout)
    recall = {row["label"]: row["mean"] for row in report["rows"] if row["metric"] == "recall@10"}
    assert recall["Fading"] > recall["Popularity"]
    listed = desk.run("list", "models", "fading", "--plugin", "fading.py").stdout
    assert "Fading sum of item embeddings." in listed
    assert "Weight of an item over that of the one after it." in listed
    trial = next(path for path in (desk.folder / "readme/trials").iterdir() if "fading" in path.name)
    desk.run("verify", trial.name, "--plugin", "fading.py", *own)
    for shown in ("report", "status"):  # both compare the rows of the file with those that ran
        assert "fading" in desk.run(shown, desk.suite(PLUGGED), "--plugin", "fading.py", *own).stdout.lower()
    assert "There is no model" in desk.run("verify", trial.name, *own, code=2).stderr
    said = " ".join(desk.run("verify", *own, code=1).stderr.split())
    assert f'{trial.name} is not ranked again. There is no model "fading".' in said
    assert "needs --plugin FILE" in said
    assert "have a model or data that are not known here, so they were not ranked again" in said
    assert "not as they were stored" not in said


def test_the_page_names_no_source_where_a_configuration_names_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "pondering.py"
    plugin.write_text(PONDERING, encoding="utf-8")
    monkeypatch.setenv(PLUGINS, str(plugin))
    listing(Kind.models, "pondering")
    page = capsys.readouterr().out
    own, inherited = page.split("\nOptions:\n")[1].split("\nOptions (defaults: SASRec of RecBole 1.2.1):\n")
    assert own.startswith("  steps = 2")
    assert "layers" not in own
    assert "  layers = 2" in inherited
    assert "Training settings: the defaults." in page


@pytest.mark.slow
def test_a_model_that_reasons_gets_its_controls(desk: Desk) -> None:
    (desk.folder / "pondering.py").write_text(PONDERING, encoding="utf-8")
    desk.run("run", desk.suite(PONDERED), "--plugin", "pondering.py", "--workers", "2")
    report = json.loads(desk.run("report", "pondered", "--format", "json").stdout)
    mean = {row["label"]: row["mean"] for row in report["rows"] if row["metric"] == "ndcg@10"}
    names = {control: f"Pondering: {control.replace('-', ' ')}" for control in CONTROLS}
    assert list(mean) == ["Pondering", *names.values()]
    assert report["controls"] == {
        label: {"of": "Pondering", "control": control} for control, label in names.items()
    }
    assert mean[names["no-reasoning"]] != mean["Pondering"] != mean[names["noise-only"]]
    matched = {names["parameter-matched"], names["flops-matched"]}
    assert {match["label"] for match in report["matches"]} == matched


@pytest.mark.slow
def test_the_reasoning_model_of_the_guide_passes_its_test_and_has_all_controls(
    desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "pondering.py").write_text(GUIDED_MODEL, encoding="utf-8")
    (tmp_path / "test_pondering.py").write_text(GUIDED_TEST, encoding="utf-8")
    asked = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_pondering.py"]
    tested = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout
    assert "derive this test from" not in tested.stdout
    plugin = str(tmp_path / "pondering.py")
    done = desk.run("run", desk.suite(PONDERED), "--plugin", plugin, "--results", "guided", "--workers", "2")
    assert "5 of 5 trials done" in done.stderr


def test_a_fault_of_a_plug_in_names_its_line(desk: Desk) -> None:
    faulty = EXAMPLE.replace("return self.items.weight", "return self.items.weights")
    (desk.folder / "faulty.py").write_text(faulty.replace('"fading"', '"faulty"'), encoding="utf-8")
    suite = desk.suite(PLUGGED.replace('"fading"', '"faulty"').replace('name = "small"', 'name = "faulty"'))
    desk.run("fetch", "walks", "--protocol", "loo-20")  # a dry run takes steps where the data is prepared
    told = desk.run("run", suite, "--plugin", "faulty.py", "--dry-run", code=2).stderr
    number = next(place for place, text in enumerate(faulty.splitlines(), 1) if "weights" in text)
    assert f"The plug-in failed in line {number} of {desk.folder / 'faulty.py'}: AttributeError" in told
    assert "fault of lrbench" not in told


@pytest.mark.slow
def test_an_edited_file_means_other_trials(desk: Desk) -> None:
    desk.run("run", desk.suite(PLUGGED), "--plugin", "fading.py", "--seeds", "1")
    (trial,) = (path for path in (desk.folder / "results/trials").iterdir() if "fading-s1" in path.name)
    (desk.folder / "other").mkdir()
    (desk.folder / "other/fading.py").write_text(EXAMPLE + "\n# edited\n", encoding="utf-8")
    wrong = desk.run("verify", trial.name, "--plugin", "other/fading.py", code=1)
    told = " ".join(wrong.stderr.split())
    assert re.search(
        r"comes from a plug-in file with the hash (\w{16})\. Here .* the hash (?!\1)\w{16}\.", told
    )
    dry = desk.run(
        "run", desk.suite(PLUGGED), "--plugin", "other/fading.py", "--seeds", "1", "--dry-run"
    ).stdout
    assert "2 trials, 1 to run" in dry


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:\n", "cannot be loaded: SyntaxError"),
        ("import nothing_of_this_name\n", "cannot be loaded: ModuleNotFoundError"),
        ("MODEL = 1\n", "declares no models"),
        ("MODELS = {'x': 3}\n", 'a model "x", but it is no subclass'),
        ("MODELS = {3: 3}\n", "its name 3 is no text"),
        ("raise SystemExit(0)\n", "cannot be loaded: SystemExit: 0"),
        ("raise ValueError('a\\x1b[2J\\nb')\n", r"ValueError: a\x1b[2J\x0ab"),
        (EXAMPLE.replace('{"fading": ', '{"../../x": '), 'its name "../../x" is not allowed'),
        (EXAMPLE.replace('summary = "', 'summery = "'), "its summary is no sentence"),
        (EXAMPLE.replace('{"fading": ', '{"sasrec": '), "is also built in"),
    ],
)
def test_wrong_files_get_one_sentence(desk: Desk, text: str, message: str) -> None:
    (desk.folder / "wrong.py").write_text(text, encoding="utf-8")
    assert message in desk.run("run", desk.suite(SUITE), "--plugin", "wrong.py", "--dry-run", code=2).stderr
    assert "There is no plug-in file" in desk.run("list", "models", "--plugin", "none.py", code=2).stderr


@pytest.mark.slow
def test_an_option_that_the_model_has_no_part_for_is_refused_before_anything_trains(desk: Desk) -> None:
    """The example has the options of the losses, but no ``item_table``, which one of them needs."""
    losses = "from lrbench.models.next_item_loss import LossOptions as ModelConfig"
    losing = EXAMPLE.replace("from lrbench.models.base import ModelConfig", losses)
    (desk.folder / "losing.py").write_text(losing, encoding="utf-8")
    suite = desk.suite(PLUGGED.replace("{ width = 16 }", "{ width = 16, item_dropout = 0.2 }"))
    wrong = desk.run("run", suite, "--plugin", "losing.py", "--dry-run", code=2).stderr
    assert "item_dropout needs Fading.item_table, which it does not have" in " ".join(wrong.split())


@pytest.mark.slow
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
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: fading-models\nVersion: 1.1\n")
        (trial,) = (path for path in (desk.folder / "by-package/trials").iterdir() if "fading" in path.name)
        wrong = desk.run("verify", trial.name, "--results", "by-package", code=1).stderr
        told = " ".join(wrong.split())
        assert (
            "of this trial comes from the package fading-models 1.0. Here it comes from the package " in told
        )
        assert "fading-models 1.1." in told
        command = ("run", desk.suite(PLUGGED), "--seeds", "4", "--results", "by-package", "--dry-run")
        assert "2 trials, 1 to run" in desk.run(*command).stdout
    finally:
        del desk.environment["PYTHONPATH"]
    assert sys.modules.get("fading_models") is None


def test_a_path_that_the_environment_cannot_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder may hold the separator even if the name that was given does not."""
    folder = tmp_path / f"a{os.pathsep}b"
    folder.mkdir()
    (folder / "plain.py").write_text("MODELS = {}")
    monkeypatch.chdir(folder)
    monkeypatch.setenv(PLUGINS, "")
    with pytest.raises(RequestError, match="Rename the file or its folder"):
        add_plugins([Path("plain.py")])


@pytest.mark.slow
def test_loading_leaves_no_compiled_code_in_the_users_folder(tmp_path: Path) -> None:
    (tmp_path / "fading.py").write_text(EXAMPLE, encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "lrbench", "list", "models", "fading", "--plugin", "fading.py"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert [path.name for path in tmp_path.iterdir()] == ["fading.py"]


def test_what_a_file_prints_while_it_is_loaded_is_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output may go to a program, as that of ``lrbench report --format json``."""
    (tmp_path / "loud.py").write_text("print('loaded')\n" + EXAMPLE, encoding="utf-8")
    monkeypatch.setenv(PLUGINS, "")
    add_plugins([tmp_path / "loud.py"])
    assert capsys.readouterr() == ("", "loaded\n")
