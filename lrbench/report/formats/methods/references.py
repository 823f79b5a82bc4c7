"""References of models and data as BibTeX."""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Literal

from lrbench.config.base import FrozenConfig, parse_config
from lrbench.report.report import Report

__all__ = ["Citation", "load_references", "references_of", "unknown_models"]


class Citation(FrozenConfig):
    """One entry of ``references.toml``."""

    key: str
    type: Literal["article", "inproceedings", "misc"]
    title: str
    author: str
    year: int
    booktitle: str = ""
    journal: str = ""
    volume: str = ""
    number: str = ""
    pages: str = ""
    doi: str = ""
    eprint: str = ""
    """The arXiv number."""

    models: tuple[str, ...] = ()
    """Registered names of the models that it describes."""

    datasets: tuple[str, ...] = ()
    """Prefixes of the names of datasets that it describes."""

    def bibtex(self) -> str:
        """Return the entry."""
        archive = {"eprint": self.eprint, "archiveprefix": "arXiv"} if self.eprint else {}
        venue = {"booktitle": self.booktitle, "journal": self.journal}
        place = {"volume": self.volume, "number": self.number, "pages": self.pages, "doi": self.doi}
        fields = {
            "author": self.author,
            "title": f"{{{self.title}}}",
            **venue,
            "year": self.year,
            **place,
            **archive,
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@{self.type}{{{self.key},", *lines, "}"])


@cache
def load_references() -> tuple[Citation, ...]:
    """Read the references that ship with lrbench."""
    path = files("lrbench.report.formats.methods").joinpath("references.toml")
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["reference"]
    return tuple(parse_config(Citation, entry, "references.toml") for entry in entries)


def references_of(report: Report) -> list[Citation]:
    """Return the references of the models and datasets of a report, each once."""
    models = _models(report)
    names = [note.summary.name for note in report.datasets]
    return [
        reference
        for reference in load_references()
        if any(model in reference.models for model in models)
        or any(name.startswith(begin) for name in names for begin in reference.datasets)
    ]


def unknown_models(report: Report) -> list[str]:
    """Return registered names that no reference describes, such as simple baselines and plug-ins."""
    known = {model for reference in load_references() for model in reference.models}
    return [model for model in _models(report) if model not in known]


def _models(report: Report) -> Sequence[str]:
    return list(dict.fromkeys(recipe.model for recipe in report.provenance.recipes))
