"""What a path in a config or on the command line means: a URL of a known form, or a path of this machine.

A URL begins with ``scheme://``. Everything else is a local path and is taken literally: "::", "#", "?", "%", "*" and
brackets have no special meaning. ``~/`` at the beginning is the home folder, and ``file://`` is removed.
"""

import re
from pathlib import Path

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")
_CHAIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*::.*://")  # the "://" behind it sets it apart from a file named a::b


def scheme_of(path: str) -> str | None:
    """The scheme of a URL; None for a local path, including one that begins with ``file://``.

    Raises:
        ValueError: the path is a chain of file systems (``simplecache::s3://…``).
    """
    if _CHAIN.match(path):
        raise ValueError("a chain of file systems is not supported: give the last path alone")
    found = _SCHEME.match(path)
    scheme = found["scheme"] if found else "file"
    return None if scheme in ("file", "local") else scheme


def local_path(path: str) -> str:
    """A local path with ``file://`` removed and ``~`` expanded; a URL unchanged."""
    if scheme_of(path) is not None:
        return path
    found = _SCHEME.match(path)
    if found:
        return path[found.end() :]
    return str(Path.home()) + path[1:] if path == "~" or path.startswith("~/") else path
