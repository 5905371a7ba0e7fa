r"""Files of JSON lines that a job appends to while others read them.

A line ends with b"\n" and with nothing else: a JSON string may hold U+2028, U+0085 or other characters that
`str.splitlines` takes for the end of a line. A kill may cut off the last line: readers leave it out, and the next
`append` removes it.
"""

import os
from collections.abc import Iterable
from pathlib import Path


def lines_of(data: bytes) -> list[bytes]:
    """The lines of a file's content that are whole and not empty, without their ends."""
    return [line for line in data.split(b"\n")[:-1] if line.strip()]


def read(path: str | Path) -> list[bytes]:
    """The whole lines of a local file; empty where there is no such file."""
    try:
        return lines_of(Path(path).read_bytes())
    except FileNotFoundError:
        return []


def append(path: str | Path, lines: Iterable[str]) -> None:
    """Add lines with one write; what a kill left of a last line is removed. Only one process may append at a time."""
    data = "".join(f"{line}\n" for line in lines).encode()
    with Path(path).open("ab+") as file:
        _drop_torn_line(file.fileno())
        file.write(data)


def _drop_torn_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n":
        return
    os.ftruncate(descriptor, os.pread(descriptor, size, 0).rfind(b"\n") + 1)
