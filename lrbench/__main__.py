"""``lrbench`` and ``python -m lrbench``: run the command line, and say errors in a sentence."""

import sys

from lrbench.cli.app import app
from lrbench.errors import LrbenchError

__all__ = ["main"]


def main() -> None:
    """Run the command line; a known error is one message and its exit code, ``--debug`` shows where."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(arguments)
    except LrbenchError as error:
        if debug:
            raise
        print(f"lrbench: {error.cause}", file=sys.stderr)
        if error.remedy:
            print(f"  {error.remedy}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone, as in `lrbench report | head`
        sys.exit(1)


if __name__ == "__main__":
    main()
