"""The cases that are measured, each with its peer."""

from dataclasses import dataclass, field
from typing import Any

SASREC = {"steps": 2, "width": 64, "inner_width": 256, "input_dropout": 0.5, "temperature": 1.0}


@dataclass(frozen=True)
class Case:
    """One measurement of lrbench and the peer to compare it with."""

    name: str
    model: str
    peer: str | None = None  # a model of RecBole, or one rebuilt from its parts
    params: dict[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()


COARSE = ("--precision", "bfloat16")
LARES = {"alignment_rows": "sequence"}
LARES_LENGTH = ("--max-length", "20", "--batch-size", "1024")
LONG_STEPS = {"LARES": 3, "LARES, reinforced": 3}  # steps to time for peers whose 15 steps take minutes
CASES = (
    Case("SASRec", "sasrec", "SASRec"),
    Case("SASRec, bfloat16", "sasrec", "SASRec", options=COARSE),
    Case("GRU4Rec", "gru4rec", "GRU4Rec"),
    Case("BERT4Rec", "bert4rec", "BERT4Rec"),
    Case("Caser", "caser", "Caser", options=("--steps", "30")),
    Case("BSARec", "bsarec", "BSARec", options=("--steps", "12")),
    Case("FMLP-Rec", "fmlp", "FMLP-Rec", options=("--steps", "12")),
    Case("DuoRec", "duorec", "DuoRec", params=LARES),
    Case("HSTU", "hstu"),
    Case("eSASRec", "esasrec"),
    Case("ReaRec ERL", "erl", "ReaRec ERL", params=SASREC, options=("--steps", "20")),
    Case("ReaRec ERL, bfloat16", "erl", "ReaRec ERL", params=SASREC, options=("--steps", "20", *COARSE)),
    Case("ReaRec PRL", "prl", "ReaRec PRL", params=SASREC, options=("--steps", "20")),
    Case("ReaRec PRL, bfloat16", "prl", "ReaRec PRL", params=SASREC, options=("--steps", "20", *COARSE)),
    Case("PLR, bfloat16", "plr", options=("--steps", "12", *COARSE)),
    Case("LARES SPT", "lares", "LARES", params=LARES, options=("--steps", "30", *LARES_LENGTH)),
    Case(
        "LARES SPT, bfloat16",
        "lares",
        "LARES",
        params=LARES,
        options=("--steps", "30", *LARES_LENGTH, *COARSE),
    ),
    Case(
        "LARES RPT, bfloat16",
        "lares",
        "LARES, reinforced",
        # With this cutoff all targets of an untrained network pass the filter.
        params={**LARES, "filter_cutoff": 12_101},
        options=("--stage", "rpt", "--steps", "4", *LARES_LENGTH, *COARSE),
    ),
)
