"""A browser shows the page as it is meant: in light and dark, on a phone, on paper, and sorted."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lrbench.report.report import Report

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed"),
]
PROBE = """<script>
const table = document.querySelector("#quality table"), head = table.tHead.rows[0].cells;
const column = () => [...table.tBodies[0].rows].map((row) => row.cells[5].dataset.value).join(" ");
head[5].querySelector("button").click();
const shown = (place) => getComputedStyle(document.querySelector(place));
const falling = column(), state = head[5].getAttribute("aria-sort");
head[5].querySelector("button").click();
document.documentElement.dataset.probe = JSON.stringify({
  fits: document.documentElement.scrollWidth <= window.innerWidth,
  frames: [...document.querySelectorAll(".scroll")].every((frame) => frame.clientWidth <= window.innerWidth),
  paper: getComputedStyle(document.body).backgroundColor,
  line: getComputedStyle(document.documentElement).getPropertyValue("--line-0").trim(),
  filled: shown("figure svg use").fill === shown("body").color,
  falling, state, rising: column(),
});
</script>"""


def browse(page: str, folder: Path, *options: str) -> str:
    """Return what the browser prints for the page."""
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    common = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={folder / 'profile'}",
    ]
    command = [*common, *options, file.as_uri()]
    return subprocess.run(command, capture_output=True, check=True, timeout=120, text=True).stdout


WINDOWS = {
    "phone": ("--window-size=390,900",),
    "tablet": ("--window-size=800,900", "--blink-settings=preferredColorScheme=0"),
    "desk": ("--window-size=1280,900",),
}


@pytest.fixture(scope="module")
def probes(html_page: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what a script on the page measures in each window; the tablet's window is dark."""
    page = html_page.replace("</body>", f"{PROBE}</body>")
    shown = {}
    for name, options in WINDOWS.items():
        found = re.search(
            r'data-probe="([^"]*)"', browse(page, tmp_path_factory.mktemp(name), "--dump-dom", *options)
        )
        assert found
        shown[name] = found[1].replace("&quot;", '"')
    return shown


@pytest.mark.parametrize("window", WINDOWS)
def test_no_page_is_wider_than_its_window(probes: dict[str, str], window: str) -> None:
    assert '"fits":true' in probes[window]
    assert '"frames":true' in probes[window]


def test_light_and_dark(probes: dict[str, str]) -> None:
    assert '"paper":"rgb(255, 255, 255)","line":"#0072B2"' in probes["desk"]
    assert '"paper":"rgb(21, 24, 28)","line":"#62B5E8"' in probes["tablet"]
    assert '"filled":true' in probes["tablet"]  # what is drawn in black on paper is light here


def test_a_click_on_a_head_sorts(report: Report, probes: dict[str, str]) -> None:
    means = [row.mean for row in report.rows if (row.dataset, row.metric) == ("sample", "ndcg@10")]
    falling = " ".join(f"{mean:.4f}" for mean in sorted(means, reverse=True))
    probe = probes["desk"]
    assert f'"falling":"{falling}","state":"descending"' in probe
    assert f'"rising":"{" ".join(reversed(falling.split()))}"' in probe


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
def test_paper_holds_every_column(report: Report, html_page: str, tmp_path: Path) -> None:
    paper = tmp_path / "page.pdf"
    browse(html_page, tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={paper}")
    boxes = subprocess.run(
        ["pdftotext", "-bbox", str(paper), "-"], capture_output=True, check=True, text=True
    ).stdout
    width, height = map(float, re.search(r'<page width="([\d.]+)" height="([\d.]+)"', boxes).groups())  # type: ignore[union-attr]
    assert width > height
    words = re.findall(
        r'<word xMin="([\d.]+)" yMin="[\d.]+" xMax="([\d.]+)" yMax="[\d.]+">(.*?)</word>', boxes
    )
    assert all(float(left) >= 0 and float(right) <= width for left, right, _ in words)
    shown = [word for _, _, word in words]
    for metric in report.metrics:
        assert any(word.startswith(("NDCG", "Recall")) and word.lower() == metric for word in shown)
    for row in report.rows:
        assert f"{row.mean:.4f}" in shown
