"""What the folder of a dump says of its files: ``dumpstatus.json`` and lists of sha1 sums, as Wikimedia publishes them.

Both are looked for beside a file by the names that its own name gives, so that nothing needs to be listed.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.errors import BadInput
from tasks.ledger import storage

_SNAPSHOT = re.compile(r"(?P<wiki>[a-z][a-z0-9_]*)-(?P<date>\d{8})-")
_SUM = re.compile(r"(?P<sha1>[0-9a-fA-F]{40})\s+\*?(?:.*/)?(?P<name>[^\s/]+)")
STATUS = "dumpstatus.json"


class _Listed(BaseModel):
    """One file of a job. A file that is not finished has no size yet."""

    model_config = ConfigDict(extra="ignore")

    size: int | None = None
    sha1: str | None = None


class _Job(BaseModel):
    model_config = ConfigDict(extra="ignore")

    status: str = "done"
    files: dict[str, _Listed] = Field(default_factory=dict)


class _Status(BaseModel):
    model_config = ConfigDict(extra="ignore")

    jobs: dict[str, _Job] = Field(default_factory=dict)


@dataclass(frozen=True)
class Sums:
    """Sizes in bytes and sha1 sums by file name, ``siblings``, the files of the same job, and the states of jobs that
    are not done. ``place`` is what stands before the names in a path."""

    place: str
    sizes: dict[str, int] = field(default_factory=dict)
    sha1s: dict[str, str] = field(default_factory=dict)
    siblings: dict[str, frozenset[str]] = field(default_factory=dict)
    unfinished: dict[str, str] = field(default_factory=dict)

    def check_files(self, sizes: dict[str, int], is_dump: re.Pattern[str] | None) -> None:
        """Whether these files (bytes by name) are finished and of the right size; with ``is_dump``, whether all of a
        dump's files whose names it matches are there.

        Raises:
            BadInput: naming the first that is not.
        """
        for name, size in sizes.items():
            if name in self.unfinished:
                raise BadInput(f"{self.place}{name}: {STATUS} says that it is {self.unfinished[name]}; wait for it")
            if size != self.sizes.get(name, size):
                raise BadInput(
                    f"{self.place}{name}: has {size:,} bytes and should have {self.sizes[name]:,}; fetch it again"
                )
            absent = sorted(self.siblings.get(name, frozenset()) - sizes.keys())
            missing = [other for other in absent if is_dump is not None and is_dump.fullmatch(other)]
            if missing:
                raise BadInput(f"{self.place}{missing[0]}: missing, {STATUS} lists it as part of this dump; fetch it")

    def check_sha1(self, name: str, sha1: str) -> None:
        """Raises BadInput where a file's sha1 is known and another."""
        if sha1 != self.sha1s.get(name, sha1):
            raise BadInput(f"{self.place}{name}: its sha1 is {sha1} and should be {self.sha1s[name]}; fetch it again")


def snapshot_of_name(name: str) -> str | None:
    """``enwiki-20261101`` for ``enwiki-20261101-pages-articles.xml.bz2``; None where the name does not tell."""
    found = _SNAPSHOT.match(name)
    return f"{found['wiki']}-{found['date']}" if found else None


def read_sums(place: str, names: Iterable[str]) -> Sums:
    """What is said at a place about the files of these names.

    Raises:
        BadInput: it is there and cannot be read.
    """
    status = _status(place)
    sums = Sums(place)
    for job in status.jobs.values():
        for name, listed in job.files.items():
            sums.siblings[name] = frozenset(job.files)
            if job.status != "done":
                sums.unfinished[name] = job.status
            if listed.size is not None:
                sums.sizes[name] = listed.size
            if listed.sha1 is not None:
                sums.sha1s[name] = listed.sha1.lower()
    for listing in sorted({listing for name in names for listing in _lists_of(name)}):
        for line in (_text(place + listing) or "").split("\n"):
            if found := _SUM.fullmatch(line.strip()):
                sums.sha1s[found["name"]] = found["sha1"].lower()
    return sums


def _lists_of(name: str) -> Iterable[str]:
    snapshot = snapshot_of_name(name)
    return [f"sha1sums-{name}.txt", "sha1sums.txt", *([f"{snapshot}-sha1sums.txt"] if snapshot else [])]


def _status(place: str) -> _Status:
    text = _text(f"{place}{STATUS}")
    try:
        return _Status.model_validate(json.loads(text)) if text is not None else _Status()
    except (ValueError, ValidationError) as error:
        raise BadInput(f"{place}{STATUS}: cannot be read ({' '.join(str(error).split())}); fetch it again") from None


def _text(path: str) -> str | None:
    """None where there is no such file, or where one may not ask (some stores say so instead)."""
    try:
        with storage.opened(path) as file:
            return file.read().decode("utf-8", "replace")
    except (FileNotFoundError, PermissionError):
        return None
