"""The page of a model, for ``lrbench list models NAME``: its stages, size, options and their sources."""

import inspect
import shutil
import sys
import textwrap
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, get_args, get_origin

from lrbench.config.training import TrainingConfig
from lrbench.evaluation.cost import count_parameters
from lrbench.models.base import AuthorsTraining, GradientStage, Model, ModelConfig
from lrbench.models.reasoning import ReasoningModel
from lrbench.registry import MODELS
from lrbench.wording import counted

__all__ = ["model_page"]

_ITEMS, _LENGTH = 10_000, 50

_wrapped = partial(textwrap.wrap, break_on_hyphens=False)  # names of models and values have hyphens


def model_page(name: str) -> str:
    """Return the page, as wide as the terminal."""
    model = MODELS.load(name)
    width = min(shutil.get_terminal_size().columns, 100)
    lines = [f"{name}: {model.summary}", "", *_about(model)]
    for paragraph in _notes(model):
        as_it_is = paragraph.startswith((" ", "* "))  # a table or a list
        lines += ["", *(paragraph.split("\n") if as_it_is else _wrapped(paragraph, width))]
    if model.authors_training is not None:
        lines += ["", *_wrapped(_authors_training(model.authors_training), width)]
    lines += ["", "Stages:"]
    for stage in model.stages:
        lines += _wrapped(_stage(model, stage), width, initial_indent="  ", subsequent_indent="    ")
    for source, options in _options_by_source(model.Config).items():
        heading = f"Options (defaults: {source}):" if source else "Options:"
        lines += ["", *_wrapped(heading, width, subsequent_indent="  ")]
        for option in options:
            field = model.Config.model_fields[option]
            lines.append(f"  {option} = {_written(field.default)}  ({_type(field.annotation)})")
            about = " ".join((field.description or "").split())
            lines += _wrapped(about, width, initial_indent="      ", subsequent_indent="      ")
    if not model.Config.model_fields:
        lines += ["", "It has no options."]
    return "\n".join(lines)


def _about(model: type[Model]) -> list[str]:
    config = model.Config()
    if model.reads_titles:
        lines = ["Its size is that of its base model. It reads the titles of items, and needs lrbench[llm]."]
    else:
        size = f"{count_parameters(model(config, _ITEMS, _LENGTH)):,} parameters by default"
        lines = [f"{size}, with {_ITEMS:,} items and histories of {_LENGTH}."]
    if issubclass(model, ReasoningModel):
        depth = model.configured_depth(config)
        lines.append(f"It takes {counted(depth, 'reasoning step')} by default. Its rows may have controls.")
    if not model.causal(config):
        stages = [stage for stage in model.stages.values() if issubclass(stage, GradientStage)]
        prefixes = any(stage.rows_for(model, config) == "prefixes" for stage in stages)
        rows = "every prefix is a training row" if prefixes else "whole sequences are training rows"
        lines.append(f"It is not causal: {rows}.")
    if model.deterministic:
        lines.append("It is deterministic: one run is enough for all seeds.")
    return lines


def _notes(model: type[Model]) -> list[str]:
    """Return the paragraphs of the module's docstring after its title.

    They describe the method, and how it differs from its source.
    """
    return (inspect.getdoc(sys.modules[model.__module__]) or "").split("\n\n")[1:]


def _authors_training(training: AuthorsTraining) -> str:
    about = f"Training settings of {training.whose}"
    if not training.settings:
        return f"{about}: {training.note}"
    return f"{about} that are not the defaults here: {_settings(training.settings)}. {training.note}".rstrip()


def _settings(settings: Mapping[str, Any]) -> str:
    """Return training settings as a suite file writes them."""
    return ", ".join(f"{name} = {_written(value)}" for name, value in settings.items())


def _options_by_source(config: type[ModelConfig]) -> dict[str, list[str]]:
    """Return options by the source of their defaults, those of the model before those of its base classes.

    A subclass may declare an option again, and its source then counts. It is empty if the class names none.
    """
    options: dict[str, list[str]] = {}
    left = set(config.model_fields)
    for owner in config.__mro__:
        declared = [name for name in inspect.get_annotations(owner) if name in left]
        if declared:
            options.setdefault(vars(owner).get("source", ""), []).extend(declared)
            left.difference_update(declared)
    return options


def _stage(model: type[Model], stage: str) -> str:
    place = model.default_stages.index(stage) + 1 if stage in model.default_stages else None
    runs = f"stage {place} by default" if place else "only if a suite names it"
    about = " ".join((model.stages[stage].__doc__ or "").split()).rstrip(".")
    own = model.stage_defaults.get(stage, {})
    usual = TrainingConfig()
    beside = ", ".join(
        f"{name} = {_written(value)} ({_written(getattr(usual, name))})" for name, value in own.items()
    )
    return f"{stage} ({runs}): {about}." + (
        f" Its own defaults, with the usual ones in brackets: {beside}." if own else ""
    )


def _written(value: Any) -> str:
    return "none" if value is None else f'"{value}"' if isinstance(value, str) else str(value).lower()


def _type(annotation: Any) -> str:
    """Return the annotation in the words of a suite file."""
    if isinstance(annotation, type):
        return {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}.get(
            annotation.__name__, annotation.__name__
        )
    if get_origin(annotation) is Literal:
        return " | ".join(map(_written, get_args(annotation)))
    return " or ".join("none" if part is type(None) else _type(part) for part in get_args(annotation))
