"""``lrbench`` and ``python -m lrbench``: import the command line and run it.

This file imports almost nothing, so that an interrupt during the imports also ends in a sentence.
"""

import gc
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code."""
    gc.disable()  # imports leave little garbage, and looking for it takes a twentieth of their time
    try:
        from lrbench.cli.process import run_process  # noqa: PLC0415 (answers an interrupt while it is imported)

        code = run_process(sys.argv[1:])
    except KeyboardInterrupt:
        print("lrbench: Interrupted.", file=sys.stderr)
        code = 130  # the code that shells use after Ctrl-C
    sys.exit(code)


if __name__ == "__main__":
    main()
