"""The verbs of the command line: what each does in a sentence, and where its function is.

A verb's file is imported only when that verb is asked for, so no verb waits for the others.
"""

from collections.abc import Callable
from importlib import import_module

__all__ = ["SUMMARIES", "load_verb"]

SUMMARIES = {
    "fetch": "Download, verify and prepare datasets.",
    "inspect": "Show a dataset's sizes, lengths, ties, repeats and leakage, and whether its order matters.",
    "run": "Train and evaluate the trials of a suite that are not done yet.",
    "status": "Show how many trials of a suite are done, running, interrupted, failed and to do.",
    "logs": "Print the log of a trial. For a failed trial, print its error and the last lines of its log.",
    "report": "Show what a suite found: the answer in words, means over seeds, tests, costs and warnings.",
    "compare": "Compare rows of a suite after the runs: difference, 95 % interval and verdict by dataset.",
    "plot": "Draw a figure as PDF, PNG or SVG, in the size in which it will be printed.",
    "evaluate": "Rank with the stored weights at other depths, without training.",
    "recommend": "List the items that stored weights rank highest for each user.",
    "verify": "Compare stored files with their digests, and stored ranks with those of the stored weights.",
    "export": "Write a suite and its finished trials into one file, which another machine can import.",
    "doctor": "Show versions, devices and folders, and run a self-test.",
    "import": "Import a suite and its trials from an archive. The whole archive is checked first.",
    "list": "List datasets, models, suites or protocols, or the trials of a suite.",
}
"""Name of each verb → the first paragraph of its help, in the order of the list of verbs."""

_FILES = {"import": "import_suite", "list": "listing"}
"""Verbs whose file and function cannot have their name."""


def load_verb(name: str) -> Callable[..., None]:
    """Import the function of a verb. Its parameters are the verb's arguments and options."""
    file = _FILES.get(name, name)
    verb: Callable[..., None] = getattr(import_module(f"lrbench.cli.{file}"), file)
    return verb
