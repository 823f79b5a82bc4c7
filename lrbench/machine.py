"""What this machine offers."""

import os
import re
from contextlib import suppress
from pathlib import Path

__all__ = ["available_cores", "kills_for_memory", "out_of_memory"]


def available_cores() -> int:
    """Return how many CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux alone has it
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def kills_for_memory() -> int:
    """Return how many processes the system has killed for lack of memory. Linux counts them; elsewhere 0.

    In a container the count is that of the container, otherwise that of the machine.
    """
    for path in ("/sys/fs/cgroup/memory.events", "/proc/vmstat"):
        with suppress(OSError):
            found = re.search(r"^oom_kill (\d+)$", Path(path).read_text(encoding="ascii"), re.MULTILINE)
            if found is not None:
                return int(found[1])
    return 0


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, that of this machine or that of a GPU.

    Torch's allocator for the CPU raises a plain RuntimeError. Torch's own class is known by its name, since
    torch is slow to import.
    """
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "DefaultCPUAllocator" in str(error)
    )
