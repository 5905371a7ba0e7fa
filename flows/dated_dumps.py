"""Dumps of one wiki that lie where a config's ``dump`` says, each under its date."""

import glob
import re

from schemas.errors import BadInput
from tasks.dumps.dumps import find_dump
from tasks.ledger import storage


def dated(dump: str, wiki: str) -> list[str]:
    """The dates (YYYYMMDD) of the dumps of a wiki that are there, oldest first; whole or not.

    Raises:
        BadInput: the path holds no {date}, or cannot be looked at.
    """
    if "{date}" not in dump:
        raise BadInput(f"{dump}: dumps are looked for by their date: the config's dump must hold {{date}}")
    before, *rest = dump.replace("{wiki}", wiki).split("{date}")
    behind = "{date}".join(rest)
    try:
        filesystem, pattern = storage.located(("[0-9]" * 8).join(map(glob.escape, [before, *rest])))
        paths = filesystem.glob(pattern)
    except Exception as error:  # stores have no error in common
        raise BadInput(f"{dump}: cannot be opened: {' '.join(str(error).split())}") from None
    # Told by the path's end: its beginning may be a scheme, or relative.
    shape = re.compile(r"(\d{8})" + re.escape(behind).replace(re.escape("{date}"), r"\1") + "/?$")
    return sorted({told[1] for path in paths if (told := shape.search(path))})


def latest(dump: str, wiki: str) -> str:
    """The snapshot of the newest dump that is whole: one that is still being written is passed over.

    Raises:
        BadInput: there is none; where one is not whole it says why.
    """
    why = ""
    for date in reversed(dated(dump, wiki)):
        try:
            find_dump(dump.replace("{wiki}", wiki).replace("{date}", date))
        except BadInput as error:
            why = why or f"; the newest is not whole: {error}"
        else:
            return f"{wiki}-{date}"
    raise BadInput(f"{dump}: no whole dump of {wiki} is there{why}")
