"""Files into which a verb writes rows: CSV or Parquet, by the ending of the name."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from lrbench.errors import RequestError
from lrbench.files import write_bytes
from lrbench.wording import listed

if TYPE_CHECKING:
    import polars as pl

__all__ = ["check_ending", "write_rows"]

FORMS = {".csv": "CSV", ".parquet": "Parquet"}


def check_ending(output: Path | None, *endings: str) -> None:
    """Refuse a file of another form, before its rows are computed.

    Raises:
        RequestError: its name ends in none of ``endings``.
    """
    if output is not None and output.suffix not in endings:
        forms = listed([FORMS[ending] for ending in endings], "or")
        raise RequestError(
            f"{output} is no {forms} file.", f"Give a name that ends in {listed(list(endings), 'or')}."
        )


def write_rows(frames: "Sequence[pl.DataFrame]", output: Path) -> None:
    """Write the rows of all frames into one file, in one step."""
    import polars as pl

    packed, rows = BytesIO(), pl.concat(frames)
    if output.suffix == ".csv":
        rows.write_csv(packed)
    else:
        rows.write_parquet(packed)
    write_bytes(output, packed.getvalue())
