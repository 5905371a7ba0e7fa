"""Local paths are taken literally; only a URL names another store."""

from pathlib import Path

import pytest

from schemas.paths import local_path, scheme_of
from schemas.runtime import RuntimeSettings


@pytest.mark.parametrize(
    ("path", "scheme"),
    [
        ("s3://bucket/a::b", "s3"),
        ("https://host/x", "https"),
        ("memory://bucket", "memory"),
        ("file:///tmp/x", None),
        ("runs/a::b", None),
        ("a::b", None),
        ("C:thing", None),
        ("x/s3://y", None),
        ("runs/ü [1] #2?%20*", None),
        ("", None),
    ],
)
def test_a_url_begins_with_its_scheme(path: str, scheme: str | None) -> None:
    assert scheme_of(path) == scheme


def test_a_chain_of_file_systems_is_refused_and_not_taken_for_a_folder() -> None:
    with pytest.raises(ValueError, match="chain of file systems"):
        scheme_of("simplecache::s3://bucket/x")
    with pytest.raises(ValueError, match="chain of file systems"):
        RuntimeSettings(root="simplecache::s3://bucket/x")


def test_home_and_file_urls_are_paths_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    assert local_path("~/runs") == "/home/me/runs" == RuntimeSettings(root="~/runs").root
    assert local_path("a/~/b") == "a/~/b"
    assert local_path("~other") == "~other"
    assert local_path("file:///data/x") == "/data/x"
    assert local_path("s3://b/~/x") == "s3://b/~/x"
