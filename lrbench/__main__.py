"""``lrbench`` and ``python -m lrbench``: import the command line and run it.

This file imports next to nothing, so that an interrupt of the imports is answered by a sentence, too.
"""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        from lrbench.cli.process import run_process  # noqa: PLC0415 (answers an interrupt while it is imported)

        code = run_process(sys.argv[1:])
    except KeyboardInterrupt:
        print("lrbench: Interrupted.", file=sys.stderr)
        code = 130  # as shells have it for Ctrl-C
    sys.exit(code)


if __name__ == "__main__":
    main()
