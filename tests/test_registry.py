"""Names from three places: built in, of other packages, of plug-in files."""

import math
import re
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from lrbench import registry
from lrbench.errors import RequestError
from lrbench.registry import Registry

PLUGGED = {"mine": (3, Path("mine.py"))}


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    points: list[EntryPoint] = []
    monkeypatch.setattr(registry, "entry_points", lambda group: [p for p in points if p.group == group])
    return points


def things(group: str | None = "things") -> Registry[object]:
    return Registry(
        "thing", {"pi": "math:pi"}, group, lambda: PLUGGED, lambda name, thing: "" if thing else "no"
    )


def test_names_of_all_places_lead_to_things(points: list[EntryPoint]) -> None:
    points.append(EntryPoint("tau", "math:tau", "things"))
    assert things().names() == ["pi", "mine", "tau"]
    assert [things().load(name) for name in ("pi", "mine", "tau")] == pytest.approx([3.14159, 3, 6.28318])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("pi", "math:tau", '"pi" is built in and also declared by another package'),
        ("mine", "math:tau", '"mine" of mine.py is also built in or declared by a package'),
        ("x", "math:nothing", '"x" of math:nothing cannot be loaded: AttributeError'),
        ("x", "no_such_module:x", "cannot be loaded: ModuleNotFoundError"),
        ("x", "builtins:__debug__.__class__.x", "cannot be loaded: AttributeError"),
        ("x", "sys:flags.isolated", 'declares a thing "x", but no'),
        ("y", "math:tau", 'There is no thing "x"'),
    ],
)
def test_wrong_declarations_are_sentences(
    name: str, value: str, message: str, points: list[EntryPoint]
) -> None:
    points.append(EntryPoint(name, value, "things"))
    with pytest.raises(RequestError, match=message):
        things().load("x" if name == "y" else name)


def test_an_unknown_name_may_be_elsewhere() -> None:
    named = Registry("thing", {"pi": "math:pi"}, elsewhere="Others need --file FILE.")
    with pytest.raises(RequestError) as caught:
        named.load("pie")
    assert caught.value.remedy == 'Did you mean "pi"? Others need --file FILE.'
    with pytest.raises(RequestError) as caught:
        registry.MODELS.load("fading")
    assert caught.value.remedy.endswith("A model in a file of your own needs --plugin FILE.")


def test_a_package_that_exits_when_it_is_imported_is_a_sentence(
    points: list[EntryPoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaving_package.py").write_text("raise SystemExit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    points.append(EntryPoint("x", "leaving_package:x", "things"))
    with pytest.raises(RequestError, match="cannot be loaded: SystemExit"):
        things().load("x")


def test_errors_in_a_package_name_it_and_its_line(
    points: list[EntryPoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("one = 1\nimport no_such_module\n", encoding="utf-8")
    (tmp_path / "faulty_package.py").write_text("def x():\n    return {}[1]\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    points += [
        EntryPoint("broken", "broken_package:x", "things"),
        EntryPoint("x", "faulty_package:x", "things"),
    ]
    things = Registry[Any]("thing", {}, group="things")
    where = f"The error is in line 2 of {tmp_path / 'broken_package.py'}."
    with pytest.raises(RequestError, match=re.escape(where)):
        things.load("broken")
    with pytest.raises(KeyError) as raised:
        things.load("x")()
    found = things.failed_package(raised.value)
    assert found == ("faulty_package:x", f"line 2 of {tmp_path / 'faulty_package.py'}")
    assert things.failed_package(KeyError()) is None


def test_two_packages_cannot_declare_one_name(points: list[EntryPoint]) -> None:
    points += [EntryPoint("x", "math:tau", "things"), EntryPoint("x", "math:e", "things")]
    with pytest.raises(RequestError, match="Both math:tau and math:e declare a thing"):
        things().names()


def test_a_thing_of_a_package_is_known_by_its_package_and_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    information = tmp_path / "tau_things-1.5.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: tau-things\nVersion: 1.5\n")
    (information / "entry_points.txt").write_text("[things]\ntau = math:tau\nmine = math:tau\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert [things().package(name) for name in ("tau", "mine", "pi", "none")] == [
        "tau-things 1.5",
        None,  # the plug-in file is used
        None,
        None,
    ]


def test_a_registry_without_a_group_asks_no_package(points: list[EntryPoint]) -> None:
    points.append(EntryPoint("tau", "math:tau", "things"))
    assert things(group=None).names() == ["pi", "mine"]


def test_packages_are_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look reads the metadata of every installed package, and a suite may have thousands of rows."""
    looks: list[str] = []
    monkeypatch.setattr(registry, "entry_points", lambda group: looks.append(group) or ())
    some = things()
    assert [some.load("pi"), some.load("mine")] == [math.pi, 3]
    assert looks == ["things"]
