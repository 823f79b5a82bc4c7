"""The Typer application. Each verb lives in a file of its own, see ``verbs.py``."""

import gc
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import lrbench
from lrbench.cli.verbs import SUMMARIES, load_verb
from lrbench.errors import InterruptError, RequestError

__all__ = ["app", "run", "verb_with_options"]

_ClickError: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""The base of all errors of the parser; newer releases of Typer carry a Click of their own."""


_ARGUMENTS = "lrbench.arguments"
"""Key of the arguments in the parser's context."""


class _Verbs(TyperGroup):
    """The verbs, with two rules for all of them: empty arguments are refused, and Ctrl-C is an error.

    The group itself knows the verbs by name and summary alone. Only the verb that is asked for is imported,
    and gets its options, since both take long.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the verb that the arguments name, with its options, and what is left of the arguments."""
        name, known, rest = super().resolve_command(ctx, args)
        return name, known and verb_with_options(str(known.name)), rest

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse an empty option or name. It would mean the current folder, or everything."""
        for before, argument in zip(["", *args], args, strict=False):
            option, equals, value = argument.partition("=")
            if not argument:
                what = f"The value of {before}" if before.startswith("-") else "An argument"
                raise RequestError(f"{what} is empty.", "Give a value, or leave it out.")
            if option.startswith("--") and equals and not value:
                raise RequestError(f"The value of {option} is empty.", "Give a value, or leave it out.")
        ctx.meta[_ARGUMENTS] = tuple(args)
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed

    def make_context(self, *args: Any, **more: Any) -> Any:
        """Parse the arguments."""
        with _interrupt_as_error():
            return super().make_context(*args, **more)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb, with the garbage collection that was off during the imports."""
        gc.enable()
        with _interrupt_as_error():
            from lrbench.commands import repeating

            with repeating(ctx.meta[_ARGUMENTS]):
                return super().invoke(ctx)


@contextmanager
def _interrupt_as_error() -> Iterator[None]:
    """Turn an interrupt into an error with a message, before Typer turns it into an exit code without one."""
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptError from None


app = typer.Typer(
    name="lrbench",
    cls=_Verbs,
    help="Benchmark latent-reasoning recommenders: one protocol, isolating controls, honest statistics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code.

    Raises:
        RequestError: an unknown verb or option, or a value that an option does not take.
    """
    try:
        code = app(list(arguments), prog_name="lrbench", standalone_mode=False)
    except _ClickError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            return 2
        raise RequestError(_sentence(error.format_message()), _help_for(error)) from None
    return code if isinstance(code, int) else 0


_WORDS = {
    r"Value error, ": "",
    r"Input should be a valid integer[^.]*": "it must be a whole number",
    r"Input should be a valid number[^.]*": "it must be a number",
    r"Input should be (greater than or equal to|at least)": "it must be at least",
    r"Input should be (less than or equal to|at most)": "it must be at most",
    r"Input should be": "it must be",
}
"""Wording of the libraries that parse options → our wording."""


def _sentence(text: str) -> str:
    """Return the parser's message as one sentence in our own words."""
    text = " ".join(text.split())
    for theirs, ours in _WORDS.items():
        text = re.sub(theirs, ours, text)
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _help_for(error: Any) -> str:
    context = getattr(error, "ctx", None)
    return f"See its options: {context.command_path if context else 'lrbench'} --help"


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"lrbench {lrbench.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Benchmark latent-reasoning recommenders: one protocol, isolating controls, honest statistics."""


def verb_with_options(name: str) -> Any:
    """Import a verb, and return it as the parser takes it."""
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    single.command(name)(load_verb(name))
    return typer.main.get_command(single)


def _without_options() -> None:
    """Stand in for a verb in the list of verbs."""


for name, summary in SUMMARIES.items():
    app.command(name, help=summary)(_without_options)
