"""``lrbench doctor``: versions, devices, data, and a self-test with known answers."""

from pathlib import Path

import typer

from lrbench.cli.console import result_console
from lrbench.cli.options import DataDir, ResultsDir

__all__ = ["doctor"]


def doctor(data_dir: DataDir = None, results: ResultsDir = Path("results")) -> None:
    """Show versions, devices and folders, and run a self-test.

    The exit code is 1 if a check of the self-test fails.
    """
    import torch
    from rich.table import Table

    from lrbench.data.folders import find_folders
    from lrbench.machine import available_cores
    from lrbench.selftest import CHECKS
    from lrbench.store.layout import Results
    from lrbench.versions import versions
    from lrbench.wording import counted

    console = result_console()
    table = Table(box=None, show_header=False)
    for name, version in versions().items():
        table.add_row(name, version)
    table.add_row("cores", str(available_cores()))
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    table.add_row("GPUs", ", ".join(names) or "none")
    folders = find_folders(data_dir)
    prepared = sorted({path.parent.parent.name for path in folders.prepared.glob("*/*/dataset.json")})
    table.add_row("data folder", str(folders.data_dir))
    table.add_row("mirror", folders.shown_mirror or "none (LRBENCH_MIRROR is not set)")
    table.add_row("prepared datasets", ", ".join(prepared) or "none")
    complete = counted(len(Results(results).trials()), "complete trial")
    table.add_row("results", f"{results} ({complete})")
    console.print(table)
    broken = 0
    for check in CHECKS:
        complaint = check()
        broken += complaint is not None
        title = (check.__doc__ or check.__name__).strip().splitlines()[0].rstrip(".")
        console.print(
            f"{'ok  ' if complaint is None else 'FAIL'} {title}{f': {complaint}' if complaint else ''}"
        )
    if broken:
        raise typer.Exit(1)
