"""Published facts about the files of a dump: ``dumpstatus.json`` and lists of sha1 sums, as Wikimedia writes them.

Both are opened under names that follow from the dump file's name, because many web servers cannot list a folder.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.errors import BadInput
from tasks.ledger import storage

_SNAPSHOT = re.compile(r"(?P<wiki>[a-z][a-z0-9_]*)-(?P<date>\d{8})-")
# Lines of sha1sum: an asterisk marks binary mode, and some lists give a path before the name.
_SUM = re.compile(r"(?P<sha1>[0-9a-fA-F]{40})\s+\*?(?:.*/)?(?P<name>[^\s/]+)")
STATUS = "dumpstatus.json"


class _Listed(BaseModel):
    """One file of a dump job. An unfinished file has no size yet."""

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
    """Published facts by file name."""

    prefix: str
    """Comes before the names in a path."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes."""
    sha1s: dict[str, str] = field(default_factory=dict)
    siblings: dict[str, frozenset[str]] = field(default_factory=dict)
    """All files of the same dump job."""
    unfinished: dict[str, str] = field(default_factory=dict)
    """The status of the file's job, for jobs that are not done."""

    def check_files(self, sizes: dict[str, int], is_dump: re.Pattern[str] | None) -> None:
        """Check that these files (bytes by name) are finished and have the published sizes.

        With ``is_dump``, all files of the same job whose names it matches must be among them.

        Raises:
            BadInput: names the first file that is unfinished, missing or has another size.
        """
        for name, size in sizes.items():
            if name in self.unfinished:
                raise BadInput(
                    f"{self.prefix}{name}: unfinished, its status in {STATUS} is {self.unfinished[name]}; "
                    f"wait until it is done and fetch the file and {STATUS} again"
                )
            if size != self.sizes.get(name, size):
                raise BadInput(
                    f"{self.prefix}{name}: has {size:,} bytes but {STATUS} lists {self.sizes[name]:,}; fetch it again"
                )
            absent = sorted(self.siblings.get(name, frozenset()) - sizes.keys())
            missing = [other for other in absent if is_dump is not None and is_dump.fullmatch(other)]
            if missing:
                raise BadInput(f"{self.prefix}{missing[0]}: missing, {STATUS} lists it as part of this dump; fetch it")

    def check_sha1(self, name: str, sha1: str) -> None:
        """Raises BadInput if the published sha1 of the file differs."""
        if sha1 != self.sha1s.get(name, sha1):
            raise BadInput(
                f"{self.prefix}{name}: its sha1 is {sha1}, the published sha1 is {self.sha1s[name]}; fetch it again"
            )


def snapshot_of_name(name: str) -> str | None:
    """``enwiki-20261101`` for ``enwiki-20261101-pages-articles.xml.bz2``; None if the name contains no snapshot."""
    found = _SNAPSHOT.match(name)
    return f"{found['wiki']}-{found['date']}" if found else None


def read_sums(prefix: str, names: Iterable[str]) -> Sums:
    """The published facts about the files of these names, each behind ``prefix``.

    Raises:
        BadInput: dumpstatus.json exists and cannot be read.
    """
    status = _status(prefix)
    sums = Sums(prefix)
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
        for line in (_text(prefix + listing) or "").split("\n"):
            if found := _SUM.fullmatch(line.strip()):
                sums.sha1s[found["name"]] = found["sha1"].lower()
    return sums


def _lists_of(name: str) -> Iterable[str]:
    snapshot = snapshot_of_name(name)
    return [f"sha1sums-{name}.txt", "sha1sums.txt", *([f"{snapshot}-sha1sums.txt"] if snapshot else [])]


def _status(prefix: str) -> _Status:
    text = _text(f"{prefix}{STATUS}")
    try:
        return _Status.model_validate(json.loads(text)) if text is not None else _Status()
    except (ValueError, ValidationError) as error:
        raise BadInput(f"{prefix}{STATUS}: cannot be read ({' '.join(str(error).split())}); fetch it again") from None


def _text(path: str) -> str | None:
    """None if the file does not exist or may not be read: some stores answer "forbidden" for files that are missing."""
    try:
        with storage.opened(path) as file:
            content: bytes = file.read()
            return content.decode("utf-8", "replace")
    except (FileNotFoundError, PermissionError):
        return None
