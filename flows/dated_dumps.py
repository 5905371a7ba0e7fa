"""Finds the dumps or corpora of a wiki by the dates in their paths, from the path in the config."""

import glob
import re

from schemas.errors import BadInput
from tasks.corpus.passage_files import find_files
from tasks.dumps.dumps import find_dump
from tasks.ledger import storage


def dated(dump: str, wiki: str) -> list[str]:
    """The dates (YYYYMMDD) of a wiki's existing dumps, oldest first, including incomplete dumps.

    Raises:
        BadInput: the path has no {date}, or its store cannot be opened.
    """
    if "{date}" not in dump:
        raise BadInput(
            f"{dump}: dumps cannot be found by date: write {{date}} in the path of the config's dump or corpus"
        )
    before, *rest = dump.replace("{wiki}", wiki).split("{date}")
    behind = "{date}".join(rest)
    try:
        filesystem, pattern = storage.located(("[0-9]" * 8).join(map(glob.escape, [before, *rest])))
        paths = filesystem.glob(pattern)
    except Exception as error:  # stores share no base class of errors
        raise BadInput(f"{dump}: cannot be opened: {' '.join(str(error).split())}") from None
    # Matched at the end of the path, because a store may return it without scheme, or a relative path as an absolute
    # one. A folder may come back with a slash at its end. `\1`: a further {date} must be the same date.
    shape = re.compile(r"(\d{8})" + re.escape(behind).replace(re.escape("{date}"), r"\1") + "/?$")
    return sorted({match[1] for path in paths if (match := shape.search(path))})


def latest(dump: str, wiki: str, is_corpus: bool = False) -> str:
    """The snapshot of the newest complete dump; a dump that is still being written is skipped.

    Of a corpus it is not known whether it is complete: the newest that has files of passages is taken.

    Raises:
        BadInput: there is no complete dump; the error says why the newest one is incomplete.
    """
    why = ""
    for date in reversed(dated(dump, wiki)):
        try:
            (find_files if is_corpus else find_dump)(dump.replace("{wiki}", wiki).replace("{date}", date))
        except BadInput as error:
            why = why or f"; the newest is incomplete: {error}"
        else:
            return f"{wiki}-{date}"
    raise BadInput(f"{dump}: no complete dump of {wiki} exists{why}")
