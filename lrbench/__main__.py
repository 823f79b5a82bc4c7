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
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone, as in `lrbench report | head`
        sys.exit(1)
    except (LrbenchError, OSError) as error:
        if debug:
            raise
        known = error if isinstance(error, LrbenchError) else _refused(error)
        print(f"lrbench: {known.cause}", file=sys.stderr)
        if known.remedy:
            print(f"  {known.remedy}", file=sys.stderr)
        sys.exit(known.exit_code)


def _refused(error: OSError) -> LrbenchError:
    """What the system would not do, and with which file."""
    cause = str(error) if error.filename is None else f"{error.filename}: {error.strerror}."
    return LrbenchError(cause, "The system refused this; run it again with --debug to see where.")


if __name__ == "__main__":
    main()
