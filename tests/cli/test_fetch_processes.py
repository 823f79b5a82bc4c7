"""``lrbench fetch`` as a process: interrupted, killed, and several at once."""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event
from time import sleep

import processes
import pytest
from file_server import FileServer, Served, running
from hostile_server import STALLS, Behaviour, Exchange, misbehaving

from lrbench.config.protocol import Filters
from lrbench.data.dataset import check_prepared
from lrbench.data.obtain import open_library

ROWS = ("user,item,time\n" + "".join(f"u{n % 997},i{n % 499},{n}\n" for n in range(30_000))).encode()

KILLS = 3


def catalogue(folder: Path, address: str) -> Path:
    file = folder / "my.toml"
    file.write_text(
        f'[dataset.shop]\nedition = "orders"\nreader = "csv"\noptions = {{ time = "time" }}\n'
        f'path = "shop/shop.csv"\nurls = ["{address}"]\nfilters = {{ k_core = 0 }}\n',
        encoding="utf-8",
    )
    return file


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    kept.pop("LRBENCH_MIRROR", None)
    return processes.start(
        [sys.executable, "-m", "lrbench", *arguments],
        folder,
        {**kept, "LRBENCH_DATA": str(folder / "data"), "COLUMNS": "200"},
        stdout=subprocess.DEVNULL,
    )


def ended(process: "subprocess.Popen[str]", seconds: float = 100) -> tuple[int, str]:
    code, _, said = processes.ended(process, seconds)
    return code, said


def files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(str(path.relative_to(folder)) for path in found)


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", STALLS[:5], ids=lambda behaviour: behaviour.name)
def test_ctrl_c_ends_a_stalled_fetch(behaviour: Behaviour, tmp_path: Path) -> None:
    """The server would keep the process for half a minute at least; the wait here is shorter."""
    asked = Event()

    def answer(exchange: Exchange) -> None:
        asked.set()
        behaviour.answer(exchange)

    with misbehaving(answer) as address:
        catalogue(tmp_path, address)
        process = start(tmp_path, "fetch", "shop", "--catalog", "my.toml")
        assert asked.wait(60)
        sleep(0.3)
        process.send_signal(signal.SIGINT)
        code, said = ended(process, 10)
    assert code == 130, said
    assert "Interrupted" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_several_at_once_fetch_and_prepare_once(tmp_path: Path) -> None:
    count = 3
    with running(FileServer()) as server:
        server.files["shop.csv"] = Served(ROWS, pace=0.1)
        catalogue(tmp_path, server.url("shop.csv"))
        processes = [start(tmp_path, "fetch", "shop", "--catalog", "my.toml") for _ in range(count)]
        outcomes = [ended(process) for process in processes]
        assert [code for code, _ in outcomes] == [0] * count, outcomes
        assert len(server.requests) == 1
    assert all("997 users, 499 items, 30,000 interactions" in said for _, said in outcomes)
    assert not [name for name in files(tmp_path / "data") if "part" in name or "unread" in name]


@pytest.mark.slow
def test_killing_fetch_again_and_again_leaves_nothing_half_written(
    tmp_path: Path, campaign_size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fetch that is killed at a random moment; afterwards everything visible is whole."""
    source = random.Random(1)
    kills = ends = 0
    with running(FileServer()) as server:
        server.files["shop.csv"] = Served(ROWS, pace=0.15)
        file = catalogue(tmp_path, server.url("shop.csv"))
        data = tmp_path / "data"
        while kills < KILLS * campaign_size:
            process = start(tmp_path, "fetch", "shop", "--catalog", "my.toml")
            try:
                process.wait(timeout=source.uniform(1.5, 6.0))
                ends += 1
                forget_some(data, source)
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
            ended(process)
            for record in data.rglob("[!.]*/dataset.json"):
                if not any(part.startswith(".") for part in record.relative_to(data).parts):
                    check_prepared(record.parent)
        code, said = ended(start(tmp_path, "fetch", "shop", "--catalog", "my.toml"))
        assert code == 0, said
    dataset = open_library(data, file).obtain("shop", Filters(k_core=0))
    assert dataset.record.final.interactions == 30_000
    assert not [name for name in files(data) if ".part" in name or ".unread" in name]
    with capsys.disabled():
        print(f"\nfetch: {kills} kills, {ends} ends before the kill, 0 half-written, nothing left over")


def forget_some(data: Path, source: random.Random) -> None:
    """Remove a finished fetch or its preparation, so that the next one has something to do."""
    shutil.rmtree(data / "prepared")
    if source.random() < 0.5:
        shutil.rmtree(data / "raw")
