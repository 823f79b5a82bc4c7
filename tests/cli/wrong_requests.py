"""Wrong requests: for every option of every verb some values that it cannot take.

The tables name kinds of values, not messages: what every wrong request must do is the same.
"""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

PLUGINS = {
    "leaves.py": "raise SystemExit(0)",
    "generates.py": "raise GeneratorExit",
    "recurses.py": "def again(): again()\nagain()",
    "fails.py": "raise ValueError('\\x1b[2J\\n' * 1000)",
    "empty.py": "",
    "named.py": "MODELS = {'../x': int}",
    "keyed.py": "MODELS = {3: int}",
    "classless.py": "MODELS = {'x': 3}",
}
"""Files of plug-ins that cannot be used."""

LONG = "x" * 300
STRANGE = ("", "nosuch", "\x1b]0;pwned\x07", "²", "../../x", LONG, "[a", "\udcff", "x" * 5000)
NUMBERS = ("", ",", "x", "-1", "1.5", "²", "٣", "5-2", "1-", "9" * 5000, "0-99999999999", "1e3", "0x1")
WHOLE = ("", "x", "0", "-1", "1.5", "²", "9" * 5000, "1e3", "true", "99999999999999999999")
FOLDERS = ("", "file", "file/x", "loop", "loop/x", LONG, "~nobody-of-this-name/x")
FILES = ("", "nosuch.toml", "folder", "loop", f"{LONG}.toml", "~nobody-of-this-name/x", "junk.toml", "pipe")
OUTPUTS = ("", "folder", "file/x.pdf", "file/x.parquet", f"{LONG}.pdf", f"{LONG}.parquet", "loop")
CHOICES = ("", "nosuch", "²", "\x1b[2J", "TERMINAL ")

BASE = {
    "fetch": ("fetch", "sample"),
    "inspect": ("inspect", "sample"),
    "run": ("run", "suite.toml", "--dry-run"),
    "status": ("status", "demo"),
    "report": ("report", "demo"),
    "compare": ("compare", "demo", "LARES", "SASRec"),
    "plot": ("plot", "groups", "demo"),
    "evaluate": ("evaluate", "TRIAL"),
    "recommend": ("recommend", "TRIAL"),
    "verify": ("verify", "TRIAL"),
    "logs": ("logs", "TRIAL"),
    "export": ("export", "demo", "--archive", "out.zip"),
    "import": ("import", "archive.zip"),
    "doctor": ("doctor",),
    "list": ("list", "datasets"),
}
"""A right request of every verb."""

OPTIONS: dict[str, Sequence[str]] = {
    "--results": FOLDERS,
    "--data-dir": FOLDERS,
    "--catalog": FILES,
    "--plugin": (
        *FILES,
        "suite.toml",
        "leaves.py",
        "generates.py",
        "recurses.py",
        "fails.py",
        "empty.py",
        "named.py",
        "keyed.py",
        "classless.py",
    ),
    "--output": OUTPUTS,
    "--to": CHOICES,
    "--archive": (*OUTPUTS, "-", "pipe"),
    "--groups": (*FILES, "suite.toml", "empty.py", "file", "unknown.csv", "crowded.csv"),
    "--published": (*FILES, "suite.toml", "empty.py"),
    "--seeds": (*NUMBERS, str(2**63), "0-10001"),
    "--gpus": (*NUMBERS, "7", "2000"),
    "--depth": (*NUMBERS, "1001"),
    "--top": (*WHOLE, "1000001"),
    "--split": CHOICES,
    "--workers": (*WHOLE, "1000000000"),
    "--threads": (*WHOLE, "1000000000"),
    "--draws": (*WHOLE, "10001"),
    "--digits": tuple(value for value in WHOLE if value != "0"),
    "--device": CHOICES,
    "--executor": CHOICES,
    "--address": STRANGE,
    "--partition": STRANGE,
    "--time": (*WHOLE, "1:2:3:4"),
    "--trials-per-gpu": (*WHOLE, "AUTO"),
    "--gpus-per-trial": (*WHOLE, "2", "2000"),
    "--rerun": CHOICES,
    "--format": CHOICES,
    "--protocol": STRANGE,
    "--datasets": (*STRANGE, ","),
    "--only": (*STRANGE, ",", "*,nosuch", "nosuch,*"),
    "--hide": (",", "", "nosuch", "*"),
    "--sort": STRANGE,
    "--rename": ("", "x", "=", "LARES=", "=x", "nosuch=x", "LARES=\x1b[2J", f"LARES={LONG}"),
    "--tables": (*STRANGE, ","),
    "--width": CHOICES,
    "--spread": CHOICES,
    "--metric": ("", "hit@10", "ndcg", "ndcg@²", "ndcg@" + "9" * 5000),
    "--cost": CHOICES,
    "--interventions": (*STRANGE[1:], ",", "zero,nosuch"),
    "--metrics": (
        "",
        ",",
        "hit@10",
        "ndcg",
        "ndcg@",
        "ndcg@0",
        "ndcg@²",
        "ndcg@-1",
        "ndcg@" + "9" * 5000,
        "\x1b",
    ),
    "--baseline": STRANGE,
    "--from": ("", "nosuch.csv", "~nobody-of-this-name/x", "http://", "ftp://x/y", "loop", LONG),
    "--columns": ("", ",", "user", "=", "user=", "=a", "user=a,user=b", "nosuch=a", "\x1b=a"),
}
"""Values that an option cannot take, wherever it is."""

FLAGS = (
    *("--dry-run", "--answer", "--brief", "--full", "--percent", "--masked", "--controls", "--follow"),
    *("--weights", "--compact"),
)
"""Options without a value: any value is wrong."""

ARGUMENTS = {
    "fetch": (STRANGE,),
    "inspect": (STRANGE,),
    "run": ((*STRANGE, *FILES, "suite"),),
    "status": ((*STRANGE, "nosuch.toml", "junk.toml", "folder"),),
    "report": ((*STRANGE, "nosuch.toml", "junk.toml", "folder"),),
    "compare": ((*STRANGE, "junk.toml"), STRANGE, STRANGE),
    "plot": (CHOICES, (*STRANGE, "junk.toml")),
    "evaluate": ((*STRANGE, ".", "..", "*", "folder", "trials"),),
    "recommend": ((*STRANGE, ".", "..", "*", "folder", "trials"),),
    "verify": ((*STRANGE, ".", "..", "*", "folder", "trials"),),
    "logs": ((*STRANGE, ".", "..", "*", "folder", "trials"),),
    "export": ((*STRANGE, "nosuch.toml", "junk.toml", "folder"),),
    "import": ((*FILES, "file", "suite.toml", "../../x"),),
    "list": (CHOICES, STRANGE),
}
"""Values that the arguments of a verb cannot take."""

SHAPES = (
    ("nosuch",),
    ("--nosuch",),
    ("-x",),
    ("run",),
    ("fetch",),
    ("list",),
    ("logs",),
    ("import",),
    ("export", "demo"),
    ("export", "demo", "--to", "tensorboard"),
    ("export", "demo", "--to", "tensorboard", "--output", "folder"),
    ("export", "demo", "--to", "tensorboard", "--output", "file/x"),
    ("export", "demo", "--to", "tensorboard", "--output", "new", "--weights"),
    ("export", "demo", "--to", "tensorboard", "--output", "new", "--archive", "out.zip"),
    ("export", "demo", "--archive", "out.zip", "--output", "new"),
    ("export", "demo", "--archive", "out.zip", "--weights"),
    ("export", "demo", "--archive", "out.zip", "--weights", "--brief"),
    ("report", "demo", "other"),
    ("report", "--metrics"),
    ("status", "--depth", "1"),
    ("list", "datasets", "ml", "more"),
    ("list", "datasets", "--controls"),
    ("run", "suite.toml", "--device", "cpu", "--gpus", "0"),
    ("run", "suite.toml", "--executor", "ray", "--address", "nonsense"),
    ("run", "suite.toml", "--executor", "ray", "--address", "127.0.0.1:65537"),
    ("run", "suite.toml", "--executor", "ray", "--gpus", "0"),
    ("run", "suite.toml", "--executor", "slurm", "--time", "soon"),
    ("run", "suite.toml", "--executor", "slurm", "--partition", "nosuch"),
    ("run", "suite.toml", "--executor", "slurm", "--trials-per-gpu", "2"),
    ("run", "suite.toml", "--gpus", "0,1", "--gpus-per-trial", "2", "--trials-per-gpu", "2"),
    ("run", "suite.toml", "--executor", "ray", "--gpus-per-trial", "2"),
    ("evaluate", "demo", "--only", "LARSE"),
    ("plot", "depth", "demo", "--groups", "known.csv"),
    ("plot", "depth", "demo", "more"),
    ("plot", "tuning", "demo"),
    ("plot", "grid"),
    ("plot", "grid", "demo"),
    ("plot", "grid", "nosuch", "demo"),
    ("plot", "grid", "nosuch", "demo", "more"),
    ("compare",),
    ("compare", "demo"),
    ("compare", "demo", "LARES", "LARES"),
    ("list", "trials", "nosuch"),
    ("list", "trials", "demo", "--controls"),
    ("verify", "TRIAL", "TRIAL"),
    ("verify", "TRIAL", "--only", "LARES"),
    ("verify", "demo", "--only", "LARSE"),
    ("verify", "--only", "LARES"),
    ("doctor", "more"),
    ("evaluate", "demo", "--interventions", "zeros"),
    ("evaluate", "TRIAL", "--only", "LARES"),
    ("fetch", "sample", "--columns", "user=a,item=b"),
    ("fetch", "own", "--columns", "user=user,item=country,member=x", "--from", "known.csv"),
    ("fetch", "own", "--columns", "user=user,item=country", "--from", "ftp://x/known.csv"),
    ("fetch", "a", "b", "--from", "file"),
)
"""Requests that are wrong as a whole."""


def wrong_requests(options_of: dict[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Yield every wrong request.

    Args:
        options_of: the options of every verb, as the application declares them.
    """
    for verb, options in options_of.items():
        for option in options:
            if option in FLAGS:
                yield (*BASE[verb], f"{option}=true")
                continue
            for value in OPTIONS[option]:
                yield (*BASE[verb], option, value)
                if value.startswith("-"):
                    yield (*BASE[verb], f"{option}={value}")
        for place, values in enumerate(ARGUMENTS.get(verb, ()), 1):
            for value in values:
                yield (*BASE[verb][:place], value, *BASE[verb][place + 1 :])


def write_files(folder: Path) -> None:
    """Write the files that the requests name."""
    (folder / "file").write_text("x", encoding="utf-8")
    (folder / "folder").mkdir()
    (folder / "known.csv").write_text("user,country\nu1,x\n", encoding="utf-8")
    (folder / "unknown.csv").write_text("user,country\nnobody,x\n", encoding="utf-8")
    crowd = "\n".join(f"u{user},{user}" for user in range(13))
    (folder / "crowded.csv").write_text(f"user,country\n{crowd}\n", encoding="utf-8")
    (folder / "loop").symlink_to("loop")
    (folder / "junk.toml").write_bytes(bytes(range(256)))
    (folder / "suite.toml").write_text(SUITE, encoding="utf-8")
    for name, text in PLUGINS.items():
        (folder / name).write_text(text, encoding="utf-8")


SUITE = """
name = "s"
protocol = "loo-20"
datasets = ["sample"]
seeds = [1]
[[models]]
label = "Popularity"
model = "popularity"
"""

DEEP = 5000
VALUES = (
    *("true", "3", "-1", '"x"', "1.5", "inf", "nan", "[]", "[true]", "{}", "{ x = 1 }", "1979-05-27"),
    "9" * 5000,
)
"""Values of TOML, as written."""

FIELDS = {
    "name": ('"x"',),
    "protocol": (),
    "datasets": ('"x"',),
    "seeds": (),
    "dataset_seeds": ("{}",),
    "primary_metric": (),
    "training": ("{}",),
    "evaluation": ("{}",),
    "models": (),
    "comparison": ("{}",),
    "accounts": (),
    "tune": (),
    "tune.trials": ("3",),
    "tune.seed": ("3",),
    "tune.users": ("3",),
    "tune.warm_up": ("3",),
    "tune.finalists": ("3",),
    "tune.finalist_runs": (),
    "tune.sampler": (),
    "tune.pruning": (),
    "tune.controls": (),
    "tune.space": ("{}",),
    "tune.space.dropout": (),
    "comparison.margin": ("1.5",),
    "evaluation.depths": ("[]",),
    "evaluation.draws": ("3",),
    "training.max_epochs": ("3",),
    "training.patience": ("3",),
    "training.batch_size": ("3",),
    "training.learning_rate": ("3", "1.5"),
    "training.optimiser": (),
    "comparison.proposed": ("[]",),
    "comparison.against": ("[]",),
    "evaluation.interventions": ("[]",),
}
"""Fields of a suite, with those of ``VALUES`` that they take."""

ROW_FIELDS = {
    "label": ('"x"',),
    "model": (),
    "extends": (),
    "params": ("{}",),
    "stages": (),
    "training": ("{}",),
    "controls": ("[]",),
    "grid": ("{}",),
    "accounts": ("{}",),
    "search": ("{}",),
    "tune": ("true",),
    "settings_of": (),
}
LABELS = (
    *("", " ", r"\u001b[2J", r"a\nb", r"a\u0007", r"\u2028", r"\u202e", "x" * 201),
    *(
        "{width:>99999999999}",
        "{width.__class__}",
        "{width!r}",
        "{width[0]}",
        "{",
        "}",
        "{}",
        "{0}",
        "{nosuch}",
    ),
)
"""Labels of a row whose only option is ``width``."""


def wrong_suites() -> Iterator[str]:
    """Yield the text of every wrong suite file."""
    lines = {"name": '"s"', "protocol": '"loo-20"', "datasets": '["sample"]', "seeds": "[1]"}
    row = {"label": '"P"', "model": '"popularity"'}
    for field, value in itertools.product(FIELDS, VALUES):
        if value not in FIELDS[field]:
            yield _suite({**lines, field: value}, None if field == "models" else [row])
    for field, value in itertools.product(ROW_FIELDS, VALUES):
        if value not in ROW_FIELDS[field]:
            yield _suite(lines, [{**row, field: value}])
    for label in LABELS:
        yield _suite(lines, [{"label": f'"{label}"', "model": '"sasrec"', "params": "{ width = 8 }"}])
    for name in ("../x", "a/b", "x" * 65, "-x", "a b", r"\u001b", "²", ".", ".."):
        yield _suite({**lines, "name": f'"{name}"'}, [row])
        yield _suite(lines, [{**row, "model": f'"{name}"'}])
        yield _suite({**lines, "datasets": f'["{name}"]'}, [row])
    for nested in ("[" * DEEP + "]" * DEEP, "{ a = " * DEEP + "1" + " }" * DEEP, "[" * 30 + "]" * 30):
        yield _suite({**lines, "training": nested}, [row])
    yield _suite({**lines, ".".join("a" * DEEP): "1"}, [row])
    yield _suite(
        lines, [{**row, "grid": "{ " + ", ".join(f"o{n} = {[*range(64)]}" for n in range(5)) + " }"}]
    )
    yield _suite({**lines, "seeds": str([*range(10_001)])}, [row])
    yield _suite({**lines, "seeds": "[1, 1]"}, [row])
    yield _suite({**lines, "datasets": '["x", "x"]'}, [row])
    yield _suite({**lines, "tune.trials": "3", "tune.space.dropout": "[0.1, 0.1]"}, [row])
    for option in ("layers = 1_000_000", "width = 1_000_000_000"):
        yield _suite(lines, [{**row, "model": '"sasrec"', "params": f"{{ {option} }}"}])
    for option in ("max_epochs", "patience", "batch_size"):
        yield _suite({**lines, f"training.{option}": "1_000_000_000"}, [row])
    yield _suite({**lines, "nosuch": "1"}, [row])
    yield _suite(lines, [{**row, "nosuch": "1"}])
    yield _suite(lines, [row, row])
    for twin in ("P ", " P", r"P\u200d", r"P\u200c"):
        yield _suite(lines, [row, {**row, "label": f'"{twin}"'}])
    yield _suite(lines, [{**row, "label": r'"\u00e9"'}, {**row, "label": r'"e\u0301"'}])
    yield _suite(lines, [{**row, "model": '"sasrec"', "params": "{ width = 7 }"}])
    yield _suite(lines, [])
    yield "\x00"
    yield "name = "
    yield ""


def _suite(lines: dict[str, str], rows: "Sequence[dict[str, str]] | None") -> str:
    parts = [f"{name} = {value}" for name, value in lines.items()]
    for row in rows or ():
        parts += ["[[models]]", *(f"{name} = {value}" for name, value in row.items())]
    return "\n".join(parts) + "\n"
