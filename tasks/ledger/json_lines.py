r"""Files of JSON lines that a job appends to while others read them.

Only b"\n" ends a line: a JSON string may hold U+2028, U+0085 or other characters that `str.splitlines` takes for the
end of a line. A kill may cut off the last line: readers skip such a line, and the next `append` removes it.
"""

import os
from collections.abc import Iterable
from pathlib import Path


def lines_of(data: bytes) -> list[bytes]:
    """The complete, non-empty lines of a file's content, without line feeds."""
    return [line for line in data.split(b"\n")[:-1] if line.strip()]


def read(path: str | Path) -> list[bytes]:
    """The complete lines of a local file; empty if the file does not exist."""
    try:
        return lines_of(Path(path).read_bytes())
    except FileNotFoundError:
        return []


def append(path: str | Path, lines: Iterable[str]) -> None:
    """Add lines with one write, after removing a last line that a kill cut off. Only one process may append at a time.

    One write, so that a reader sees at most one incomplete line.
    """
    data = "".join(f"{line}\n" for line in lines).encode()
    with Path(path).open("ab+") as file:
        _drop_torn_line(file.fileno())
        file.write(data)


def _drop_torn_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n":
        return
    os.ftruncate(descriptor, os.pread(descriptor, size, 0).rfind(b"\n") + 1)
