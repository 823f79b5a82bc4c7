"""Sessions of nox: tests, style, types, documentation and benchmarks."""

from pathlib import Path

import nox

nox.options.sessions = ["tests", "lint", "types"]
nox.options.error_on_missing_interpreters = False
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


TORCH_OLDEST, TORCH_NEWEST = "2.9.*", "2.13.*"
"""The oldest and the newest torch that pyproject.toml admits."""


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run all tests on all cores, once for each supported Python found here.

    Tests on real data run if LRBENCH_MIRROR is set.
    """
    session.install(".[test]")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session(name="tests-fast")
def tests_fast(session: nox.Session) -> None:
    """Run the tests that are not marked slow, on all cores, with few examples of each property.

    Two cores take about two minutes.
    """
    session.install(".[test]")
    session.run("pytest", "-n", "auto", "-m", "not slow", "--hypothesis-profile", "fast", *session.posargs)


@nox.session
def campaigns(session: nox.Session) -> None:
    """Run the campaigns in full: 60 kills, races, full disks, Ray and Slurm. It takes hours."""
    session.install(".[test]")
    limits = ("--timeout", "7200", "-o", "faulthandler_timeout=7260")
    session.run("pytest", "-s", "--campaign-size", "20", *limits, "tests/campaigns", *session.posargs)


@nox.session(name="tests-torch")
@nox.parametrize("torch", [TORCH_OLDEST, TORCH_NEWEST])
def tests_torch(session: nox.Session, torch: str) -> None:
    """Run the fast tests with the oldest and the newest torch that pyproject.toml admits."""
    session.install(f"torch=={torch}", ".[test]")
    session.run("pytest", "-n", "auto", "-m", "not slow", "--hypothesis-profile", "fast", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and spelling."""
    session.install("ruff>=0.8", "codespell>=2.3")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("codespell")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    session.install(".[lint,plots]")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into site/. A broken link or anchor is an error."""
    session.install(".[docs]")
    session.run("mkdocs", "build", "--strict", *session.posargs)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Time single pieces. Nothing here can fail for being slow."""
    session.install(".[test]")
    session.run("pytest", "benchmarks/bench_engine.py", "--benchmark-only", *session.posargs)


@nox.session
def simulate(session: nox.Session) -> None:
    """Simulate the error rates and power of all tests, and write benchmarks/ERROR_RATES.md."""
    session.install(".[test]")
    session.run("python", "benchmarks/error_rates.py", *session.posargs)


@nox.session(name="bench-peers")
def bench_peers(session: nox.Session) -> None:
    """Time peers and lrbench in turn, and write benchmarks/RESULTS.md.

    It fetches amazon-beauty and installs RecBole. It takes about half an hour.
    """
    session.install(".")
    scratch = Path(session.create_tmp()).resolve()
    peer = scratch / "recbole"
    if not peer.exists():
        session.run("python", "-m", "venv", str(peer))
        # recbole 1.2.1 needs numpy 1, pandas 2 and a setuptools with pkg_resources. It declares none.
        needs = ("recbole==1.2.1", "torch==2.13.0", "numpy<2", "pandas<3", "setuptools<81")
        session.run(str(peer / "bin" / "pip"), "install", "--quiet", *needs, external=True)
    session.run("lrbench", "fetch", "amazon-beauty", "--data-dir", str(scratch / "data"))
    (prepared,) = (scratch / "data" / "prepared" / "amazon-2014-beauty").glob("*/dataset.json")
    paths = {"recbole": peer / "bin" / "python", "data": prepared.parent, "scratch": scratch}
    options = [text for name, path in paths.items() for text in (f"--{name}", str(path))]
    session.run("python", "benchmarks/peers/compare.py", *options, *session.posargs)


@nox.session(name="bench-preparation")
def bench_preparation(session: nox.Session) -> None:
    """Time lrbench, DuckDB and a Polars script on 1, 10 and 100 million ratings.

    It writes benchmarks/PREPARATION.md. It needs 9 GB of memory and 20 GB of disk, and takes ten minutes on
    two free cores. Give ``--rows 1000000,10000000,100000000,571000000`` for as many as Amazon has in 2023.
    lrbench alone prepares so many. That takes 60 GB of disk.
    """
    session.install(".", "duckdb")
    scratch = str(Path(session.create_tmp()).resolve())
    session.run("python", "benchmarks/peers/preparation.py", "--scratch", scratch, *session.posargs)


@nox.session(name="bench-gpu")
def bench_gpu(session: nox.Session) -> None:
    """Measure lrbench on one GPU in eight minutes, and write benchmarks/RESULTS-GPU.md.

    It fetches amazon-beauty first. Give ``--recbole PYTHON`` to time RecBole's SASRec on the same device.
    """
    session.install(".")
    data = str(Path(session.create_tmp()).resolve() / "data")
    session.run("lrbench", "fetch", "amazon-beauty", "--protocol", "loo-50", "--data-dir", data)
    session.run("python", "benchmarks/gpu.py", "--data-dir", data, *session.posargs)
