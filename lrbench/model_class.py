"""Checks whether a class of a plug-in file or of another package can be used as a model.

Base classes are recognised by name, so that this check does not import torch.
"""

import inspect
from collections.abc import Mapping, Sequence

from lrbench.names import name_fault
from lrbench.text import has_hidden, shortened

__all__ = ["model_fault"]


def model_fault(name: object, model: object) -> str:
    """Return why a model cannot be used under a name, as part of a sentence. Empty if it can.

    Args:
        name: the name that the plug-in or package gives.
        model: the value that should be a subclass of ``lrbench.models.base.Model``.
    """
    if not isinstance(name, str):
        return f"its name {shortened(repr(name))} is no text"
    if fault := name_fault(name):
        return f'its name "{shortened(name)}" is not allowed: {fault}'
    if not isinstance(model, type) or not _derives(model, "Model"):
        return "it is no subclass of lrbench.models.base.Model"
    if inspect.isabstract(model):
        return f"it lacks {', '.join(sorted(getattr(model, '__abstractmethods__', ())))}"
    return _attribute_fault(model)


def _attribute_fault(model: type) -> str:
    config = getattr(model, "Config", None)
    if not isinstance(config, type) or not _derives(config, "ModelConfig"):
        return "its Config is no subclass of lrbench.models.base.ModelConfig"
    required = [field for field, info in getattr(config, "model_fields", {}).items() if info.is_required()]
    if required:
        return f"option {required[0]} of its Config has no default"
    summary = getattr(model, "summary", None)
    if not isinstance(summary, str) or not summary.strip() or has_hidden(summary):
        return "its summary is no sentence on one line"
    stages, usual = getattr(model, "stages", None), getattr(model, "default_stages", None)
    if not isinstance(stages, Mapping) or not stages or not all(isinstance(stage, str) for stage in stages):
        return "its stages are no table from names to stages"
    listed = isinstance(usual, Sequence) and not isinstance(usual, str)
    if not listed or not usual or not all(isinstance(stage, str) and stage in stages for stage in usual):
        return "its default_stages are no list of its stages"
    return ""


def _derives(kind: type, base: str) -> bool:
    """Whether a class is or derives from the class ``base`` of ``lrbench.models.base``."""
    return any((cls.__module__, cls.__name__) == ("lrbench.models.base", base) for cls in kind.__mro__)
