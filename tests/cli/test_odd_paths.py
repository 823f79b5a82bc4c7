"""Every verb and option that takes a path takes any name, and never reads it as a pattern or an address.

All files are in a folder with an odd name and have odd names themselves. Beside them are decoys, whose names
match if an odd name is taken as a pattern or an address. A decoy cannot be read, so a request that takes it
fails.
"""

import inspect
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

import lrbench as package
from lrbench.cli.app import app, verb_with_options
from lrbench.cli.verbs import SUMMARIES, load_verb
from lrbench.paths import expanded
from lrbench.plugins import PLUGINS

PACKAGE = Path(package.__file__).parent
ODD = "~o[d] *? %41 'q' \"r\" 😀"
DECOYS = ("~od xy %41 'q' \"r\" 😀", "~o[d] *? A 'q' \"r\" 😀", "~od xy A 'q' \"r\" 😀", "~o[d] *")
"""The odd name as a pattern, as an address, as both, and cut where a shell would cut it."""

RESULTS = "--results {results}"
DATA = "--data-dir {data}"
PLUGGED = "--plugin {plugin}"
ALL = f"{RESULTS} {DATA} --catalog {{catalog}} {PLUGGED}"
REQUESTS = (
    "fetch own --from {csv} --columns user=user,item=item,time=time --data-dir {new}",
    "fetch shop --catalog {catalog} --data-dir {new}",
    "fetch mirrored --catalog {catalog} --from {mirror} --data-dir {newer}",
    "LRBENCH_MIRROR={mirror} fetch mirrored --catalog {catalog} --data-dir {newest}",
    "LRBENCH_DATA={data} inspect shop --catalog {catalog}",
    f"inspect shop --catalog {{catalog}} {DATA}",
    f"list datasets --catalog {{catalog}} {DATA}",
    f"list models {PLUGGED}",
    f"LRBENCH_PLUGINS={{plugin}} list models odd-one {RESULTS}",
    f"run {{suite}} {ALL} --dry-run",
    f"run {{suite}} {ALL} --workers 1 --threads 1",
    f"status {{suite}} {RESULTS} {PLUGGED}",
    f"list trials {{suite}} {RESULTS}",
    f"report {{suite}} {ALL} --groups {{groups}} --published {{published}} --output {{report}}.txt",
    f"report {{suite}} {RESULTS} --format json --output {{report}}.json",
    f"compare {{suite}} Popularity Markov {RESULTS}",
    f"plot groups {{suite}} {ALL} --groups {{groups}} --output {{figure}}.svg",
    f"evaluate {{trial}} {ALL} --output {{ranks}}.parquet",
    f"evaluate {{suite}} {ALL}",
    f"recommend {{trial}} {ALL} --top 3 --output {{lists}}.csv",
    f"recommend {{suite}} {ALL} --top 3",
    f"verify {{trial}} {ALL}",
    f"verify {{suite}} {ALL}",
    f"verify {ALL}",
    f"logs {{trial}} {RESULTS}",
    f"export {{suite}} {RESULTS} --archive {{archive}}.zip",
    f"export {{suite}} {RESULTS} --to tensorboard --output {{board}}",
    "import {archive}.zip --results {copy}",
    f"doctor {DATA} {RESULTS}",
)
"""Requests in the order in which they are made, as a shell reads them; ``{…}`` are the paths."""

SUITE = """
name = "odd"
protocol = "loo-50"
datasets = ["shop"]
seeds = [1]
[[models]]
label = "Popularity"
model = "popularity"
[[models]]
label = "Markov"
model = "markov"
[comparison]
proposed = ["Markov"]
"""
CATALOGUE = """
[dataset.shop]
edition = "x"
reader = "csv"
options = { time = "time" }
path = "FILE"

[dataset.mirrored]
edition = "x"
reader = "csv"
options = { time = "time" }
path = "shop/FILE"
urls = ["http://127.0.0.1:9/nothing"]
"""
PUBLISHED = """
[sources."Own 2026"]
title = "A paper"
year = 2026
link = "https://example.org"

[[value]]
dataset = "shop"
protocol = "loo-50"
masked = false
models = ["popularity"]
metrics = { "ndcg@10" = 0.5 }
source = "Own 2026"
differs = "nothing"
"""


def table(users: int) -> str:
    rows = (f"u{user},i{(user + step) % 6},{step}\n" for user in range(users) for step in range(6))
    return "user,item,time\n" + "".join(rows)


def contents() -> dict[str, str]:
    """Return placeholder and ending of a file → its content."""
    quoted = f"{ODD}.csv".replace("'", "\\u0027").replace('"', '\\"')
    return {
        "csv .csv": table(7),
        "catalog .toml": CATALOGUE.replace("FILE", quoted),
        "suite  suite.toml": SUITE,
        "plugin .py": "from lrbench.models.classical.popularity import Popularity\n"
        'MODELS = {"odd-one": Popularity}\n',
        "groups  groups.csv": "user,country\n" + "".join(f"u{user},{'xy'[user % 2]}\n" for user in range(7)),
        "published  published.toml": PUBLISHED,
    }


@pytest.fixture(params=["absolute", "relative", "from home"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Write the files and the decoys, and return placeholder → path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path if request.param == "from home" else tmp_path / "home"))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "home"))
    for name in ("LRBENCH_MIRROR", "LRBENCH_DATA", PLUGINS):
        monkeypatch.delenv(name, raising=False)
    odd = {"absolute": tmp_path / ODD, "relative": Path(ODD), "from home": Path("~", ODD)}[request.param]
    paths = {}
    for folder in (ODD, *DECOYS):
        for name in (ODD, *DECOYS):
            right = folder == name == ODD
            for kind, text in contents().items():
                key, _, ending = kind.partition(" ")
                file = Path(folder) / f"{name}{ending}"
                for path in (file, Path(folder) / name / "shop" / file.name):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(text if right else "\0 no such thing", encoding="utf-8")
                paths.setdefault(key, str(odd / file.name))
    folders = ("data", "results", "new", "newer", "newest", "copy", "board")
    outputs = ("report", "figure", "ranks", "lists", "archive")
    paths |= {name: str(odd / f"{ODD} {name}") for name in (*folders, *outputs)}
    return {**paths, "mirror": str(odd / ODD)}


def words_of(request: str) -> tuple[dict[str, str], list[str]]:
    """Return the environment variables that a request begins with, and its words."""
    words = request.split()
    variables = dict(word.split("=", 1) for word in words if word.startswith("LRBENCH_"))
    return variables, words[len(variables) :]


def test_every_path_that_a_verb_takes_is_tried() -> None:
    """The parameters that take paths are read from the application, by their types or their metavars."""
    verbs = {name: verb_with_options(name) for name in SUMMARIES}
    taken, tried = set(), set()
    for name, verb in verbs.items():
        parameters = inspect.signature(load_verb(name)).parameters
        annotations = {word: str(given.annotation) for word, given in parameters.items()}
        taken |= {
            (name, parameter.name)
            for parameter in verb.params
            if "pathlib.Path" in annotations.get(parameter.name, "")
            or re.search("FILE|DIR|PATH|SUITE|TRIAL", parameter.metavar or "")
        }
    for request in REQUESTS:
        verb, *words = words_of(request)[1]
        given, _, _ = verbs[verb].make_parser(verbs[verb].context_class(verbs[verb])).parse_args(words)
        tried |= {(verb, name) for name, value in given.items() if "{" in str(value)}
    assert len(taken) > 40
    assert taken - tried == set()


def test_every_path_of_the_environment_is_tried() -> None:
    sources = (path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    variables = {name for text in sources for name in re.findall(r"LRBENCH_[A-Z]+", text)}
    assert variables == {name for request in REQUESTS for name in words_of(request)[0]}


def lrbench(request: str, paths: dict[str, str]) -> str:
    variables, words = words_of(request)
    environment = {name: text.format(**paths) for name, text in {PLUGINS: "", **variables}.items()}
    outcome = CliRunner().invoke(
        app, [word.format(**paths) for word in words], env=environment, catch_exceptions=False
    )
    assert outcome.exit_code == 0, f"{request}: {outcome.output}"
    return outcome.output


def tree(folder: Path) -> dict[Path, bytes]:
    """All files outside the folder of the odd name and the home, where Matplotlib keeps its fonts."""
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in (ODD, "home")
    }


def test_looking_at_data(place: dict[str, str], tmp_path: Path) -> None:
    before = tree(tmp_path)
    for request in REQUESTS:
        verb = words_of(request)[1][0]
        if verb == "fetch":
            assert "7 users, 6 items, 42 interactions" in lrbench(request, place)
    place["data"] = place["new"]
    assert "42" in lrbench("LRBENCH_DATA={data} inspect shop --catalog {catalog}", place)
    assert "mirrored" in lrbench("list datasets --catalog {catalog} --data-dir {data}", place)
    assert "2 trials, 2 to run" in lrbench(f"run {{suite}} {ALL} --dry-run", place)
    assert tree(tmp_path) == before


@pytest.mark.slow
def test_every_verb(place: dict[str, str], tmp_path: Path) -> None:
    before = tree(tmp_path)
    lrbench("fetch shop --catalog {catalog} --data-dir {data}", place)
    for request in REQUESTS:
        if "tensorboard" in request and find_spec("tensorboard") is None:
            continue
        if "{trial}" in request:
            trials = Path(place["results"], "trials")
            place["trial"] = str(trials / next(expanded(trials).iterdir()).name)
        lrbench(request, place)
    assert tree(tmp_path) == before
    assert {path.name for path in tmp_path.iterdir()} <= {ODD, *DECOYS, "home"}
