"""The rows of a suite, refused as early as ``lrbench run`` would refuse them."""

from lrbench.cli.run_request import RunRequest
from lrbench.execution.row_places import check_data_parallel, check_graph_device
from lrbench.execution.rows import Row, resolve_rows
from lrbench.execution.searches import check_optuna

__all__ = ["checked_rows"]


def checked_rows(request: RunRequest) -> tuple[Row, ...]:
    """Return the rows of the request's suite.

    Raises:
        RequestError: a row is wrong or cannot be trained where the user asks, ``--only`` names no row, or a
            search needs a package that is not installed.
    """
    rows = resolve_rows(request.suite)
    if request.suite.tune is not None:
        check_optuna()
    check_data_parallel(rows, request.only, request.place.processes)
    request.place.check()
    check_graph_device(rows, request.place.device)
    return rows
