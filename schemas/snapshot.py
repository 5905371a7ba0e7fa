"""Snapshots: the state of a wiki or of a corpus of passages at a date, named like ``enwiki-20261101``."""

import re
from typing import Annotated

from pydantic import AfterValidator

_PATTERN = re.compile(r"(?P<wiki>[a-z][a-z0-9_]*)-(?P<date>\d{8})")
# Lazy: the language ends at the first "wiki" that ends a word, so that enwiki_sample is English.
_LANGUAGE = re.compile(r"(?P<language>[a-z_]+?)wiki(?:$|[^a-z])")


def is_snapshot(name: str) -> bool:
    return bool(_PATTERN.fullmatch(name))


def snapshot_in(name: str) -> str | None:
    """``law-20261101`` for ``law-20261101.jsonl.gz``; None if the name does not begin with a snapshot."""
    found = re.match(rf"{_PATTERN.pattern}(?!\d)", name)
    return found[0] if found else None


def _checked(name: str) -> str:
    if not is_snapshot(name):
        raise ValueError(f"a snapshot is named wiki-YYYYMMDD, as in enwiki-20261101, not {name!r}")
    return name


SnapshotName = Annotated[str, AfterValidator(_checked)]


def wiki_of(snapshot: str) -> str:
    """``enwiki`` for ``enwiki-20261101``."""
    return snapshot.rpartition("-")[0]


def date_of(snapshot: str) -> str:
    """``20261101`` for ``enwiki-20261101``."""
    return snapshot.rpartition("-")[2]


def language_of(snapshot: str) -> str:
    """``en`` for ``enwiki-…``; ``en`` also where the wiki's name has no language (``smallworld-…``)."""
    found = _LANGUAGE.match(wiki_of(snapshot))
    return found["language"].replace("_", "-") if found else "en"
