"""Answered requests of a part that is not whole yet, so that a killed job asks nothing twice.

One JSON line a request, appended with one write, so that it outlives the process; synced to disk at most once a second.
A line that a kill or a power cut tore is dropped, with all after it: those requests are asked again.
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
    """Rows by the digest of the request that they answer. Written by one process at a time; open once it is written."""

    def __init__(self, path: Path, model: type[Row]) -> None:
        """Read what an earlier run left, if there is anything."""
        self._path = path
        self._file: io.FileIO | None = None
        self._synced = time.monotonic()
        self.rows: dict[str, Row] = {}
        if path.exists():
            os.truncate(path, self._read(model))

    def _read(self, model: type[Row]) -> int:
        """Read whole lines into `rows`; gives back where they end."""
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
        """Sync and close; the file stays for the next run."""
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Close and forget: the part is committed."""
        self.close()
        self._path.unlink(missing_ok=True)
