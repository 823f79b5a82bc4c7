"""Suites and plans from a few rows, without any data."""

from typing import Any

from lrbench.config.suite import Suite, resolve_suite
from lrbench.config.suite_file import SuiteFile
from lrbench.execution.plan import Plan, make_plan
from lrbench.execution.rows import resolve_rows

__all__ = ["plan", "suite"]


def suite(*models: dict[str, Any], **fields: Any) -> Suite:
    values = {"name": "s", "protocol": "loo-20", "datasets": ["a"], "seeds": [1, 2], "models": models}
    return resolve_suite(SuiteFile.model_validate(values | fields), "test.toml")


def plan(*models: dict[str, Any], datasets: tuple[str, ...] = ("a",), **fields: Any) -> Plan:
    resolved = suite(*models, **fields)
    return make_plan(resolved, resolve_rows(resolved), {name: f"print of {name}" for name in datasets})
