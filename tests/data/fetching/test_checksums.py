import gzip
import hashlib
import zipfile
from pathlib import Path

import pytest

from lrbench.data.catalogue import Checksums, Source
from lrbench.data.fetching.checksums import content_sha256, verify_checksum

ROWS = b"1\t2\t3\t4\n" * 1000
SHA256 = hashlib.sha256(ROWS).hexdigest()
GIT_BLOB = hashlib.sha1(b"blob 8000\0" + ROWS, usedforsecurity=False).hexdigest()


def source(checksum: dict[str, str], member: str = "") -> Source:
    options = {"member": member} if member else {}
    return Source(reader="movielens-tab", path="x", options=options, checksum=Checksums(**checksum))


def packed(folder: Path, kind: str) -> Path:
    file = folder / "file"
    match kind:
        case "plain":
            file.write_bytes(ROWS)
        case "gzip":
            file.write_bytes(gzip.compress(ROWS))
        case "zip":
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("ml-100k/README", "read me")
                archive.writestr("ml-100k/u.data", ROWS)
    return file


@pytest.mark.parametrize("kind", ["plain", "gzip", "zip"])
def test_the_content_is_the_same_in_any_container(tmp_path: Path, kind: str) -> None:
    file = packed(tmp_path, kind)
    assert content_sha256(file, "ml-100k/u.data") == SHA256
    for checksum in ({"content": SHA256}, {"git_blob": GIT_BLOB}):
        verdict = verify_checksum(file, source(checksum, "ml-100k/u.data"))
        assert (verdict.sha256, verdict.verified, verdict.complaint) == (SHA256, True, "")


def test_an_archive_without_a_member_is_its_own_content(tmp_path: Path) -> None:
    file = packed(tmp_path, "zip")
    assert content_sha256(file, "") == hashlib.sha256(file.read_bytes()).hexdigest()


def test_git_identifies_an_empty_file_as_everybody_knows(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert verify_checksum(
        tmp_path / "file", source({"git_blob": "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"})
    ).verified


def test_one_matching_checksum_is_enough(tmp_path: Path) -> None:
    file = packed(tmp_path, "gzip")
    of_file = hashlib.sha256(file.read_bytes()).hexdigest()
    assert verify_checksum(file, source({"file": of_file})).verified
    assert verify_checksum(file, source({"file": "0" * 64, "content": SHA256})).verified
    assert verify_checksum(file, source({"file": of_file, "content": "0" * 64})).verified


@pytest.mark.parametrize(
    ("checksum", "named"),
    [
        ({"file": "0" * 64}, "it has SHA-256"),
        ({"content": "0" * 64}, SHA256),
        ({"git_blob": "0" * 40}, GIT_BLOB),
    ],
)
def test_a_mismatch_names_both_checksums(tmp_path: Path, checksum: dict[str, str], named: str) -> None:
    verdict = verify_checksum(packed(tmp_path, "gzip"), source(checksum))
    assert not verdict.verified
    assert named in verdict.complaint
    assert f"expected {next(iter(checksum.values()))}" in verdict.complaint


def test_without_a_known_checksum_nothing_is_verified_and_nothing_refused(tmp_path: Path) -> None:
    verdict = verify_checksum(packed(tmp_path, "plain"), source({}))
    assert (verdict.sha256, verdict.verified, verdict.complaint) == (SHA256, False, "")


def test_damaged_archives_are_refused_even_without_a_checksum(tmp_path: Path) -> None:
    file = packed(tmp_path, "gzip")
    file.write_bytes(file.read_bytes()[:20])
    assert verify_checksum(file, source({})).complaint.startswith("it cannot be read")
    missing = verify_checksum(packed(tmp_path, "zip"), source({}, "ml-1m/ratings.dat"))
    assert "ml-1m/ratings.dat" in missing.complaint
