"""The journal of a part: its answered requests until the part is complete, so that a killed job repeats no request.

It has one JSON line per request. Each is appended with one write, so that it survives the death of the process; the
file is synced to disk at most once a second, so that a power cut loses at most a second. An incomplete line is dropped
with all lines after it; those requests are sent again.
"""

import io
import json
import os
import time
from pathlib import Path
from typing import Generic, TypeVar

from schemas.records import Record

Row = TypeVar("Row", bound=Record)

_SYNC_EVERY_SECONDS = 1.0


class Journal(Generic[Row]):
    """Rows by the digest of their request. One process writes at a time. The file is opened by the first `append`, so
    that a stage with thousands of parts does not hold thousands of open files."""

    def __init__(self, path: Path, model: type[Row]) -> None:
        """Read the journal of an earlier run, if there is one, and cut off its incomplete end."""
        self._path = path
        self._file: io.FileIO | None = None
        self._synced = time.monotonic()
        self.rows: dict[str, Row] = {}
        if path.exists():
            os.truncate(path, self._read(model))

    def _read(self, model: type[Row]) -> int:
        """Read the complete lines into `rows`; returns the byte offset at which they end."""
        end = 0
        for line in self._path.read_bytes().split(b"\n")[:-1]:
            try:
                entry = json.loads(line)
                row = model.model_validate(entry["row"])
            except (ValueError, TypeError, KeyError):
                break
            self.rows[entry["request"]] = row
            end += len(line) + 1
        return end

    def append(self, request: str, row: Row) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = io.FileIO(self._path, "a")
        line = f'{{"request": {json.dumps(request)}, "row": {row.model_dump_json()}}}\n'
        self._file.write(line.encode())
        self.rows[request] = row
        if time.monotonic() - self._synced >= _SYNC_EVERY_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and close the file, which stays for the next run."""
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Close and delete the file, once the part is committed."""
        self.close()
        self._path.unlink(missing_ok=True)
