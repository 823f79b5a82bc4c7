"""Sessions: tests on every supported Python found here, lint, types, benchmarks."""

import nox

nox.options.sessions = ["tests", "lint", "types"]
nox.options.error_on_missing_interpreters = False
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests; those on real data run where LRBENCH_MIRROR is set."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install("ruff>=0.8")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    session.install(".[lint,plots]")
    session.run("mypy")


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Time the pieces; nothing here can fail for being slow."""
    session.install(".[test]")
    session.run("pytest", "benchmarks/bench_engine.py", "--benchmark-only", *session.posargs)
