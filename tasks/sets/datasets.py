"""Question sets as they are published (the kind `published`), each record read by its layout (tasks/sets/layouts)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

from schemas.errors import BadInput
from schemas.set_settings import LayoutName, PublishedSet
from tasks.ledger import storage
from tasks.sets.fields import Record
from tasks.sets.interface import Layout, SetQuestion, SetText
from tasks.sets.layouts.interface import RecordLayout
from tasks.sets.layouts.registry import LAYOUTS, PLAIN, layout_of
from tasks.sets.records import records_of

_REMEDY = (
    f"name its layout (--layout, or layout in a config: {', '.join(get_args(LayoutName))} or an installed one), or "
    "rename its fields to question and answer"
)


class Published(Layout):
    """A file of one layout: that of the settings, or that of its first record."""

    settings: PublishedSet

    def read(self, path: str) -> Iterator[SetQuestion | SetText]:
        name: str | None = self.settings.layout
        layout: RecordLayout | None = None
        for number, record in enumerate(records_of(path), 1):
            where = f"{path}, record {number}"
            if not isinstance(record, dict):
                raise BadInput(
                    f"{where}: in no known layout: {type(record).__name__} in place of an object: write each question "
                    "as an object with the fields question and answer"
                )
            name = name or _detected(where, record)
            layout = layout or LAYOUTS[name](path)
            try:
                row = layout.read(record)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise _misfit(where, name, error, is_detected=self.settings.layout is None and number == 1) from None
            if not (layout.fits(record) or (layout.reads_pairs and layout_of(record) == PLAIN)):
                raise BadInput(f"{where}: not in the layout {name}: its fields are {', '.join(map(str, record))}")
            yield _aligned(row, record)


def files_of(path: str, layout: str | None) -> list[str]:
    """The file of a set, and files beside it that its layout reads, too; of any layout, if it is detected."""
    layouts = [LAYOUTS[layout]] if layout is not None else LAYOUTS.values()
    beside = {file for each in layouts for file in each.beside(path)}
    return [path, *(file for file in sorted(beside) if storage.kind_of(file) is not None)]


def detected_layout(path: str) -> str:
    """The layout of a file by its first record.

    Raises:
        BadInput: the file has no records, or the first is in no known layout.
    """
    first = next(records_of(path), None)
    if not isinstance(first, dict):
        raise BadInput(f"{path}: it has no records, or they are no objects: give a file of questions")
    return _detected(f"{path}, record 1", first)


def read_texts(path: str) -> Iterator[SetText]:
    """All questions of a published set, and the passages that it names as evidence.

    Raises:
        BadInput: there is no such file, or its layout is unknown.
    """
    for row in Published(PublishedSet(path=path)).read(path):
        yield from [row] if isinstance(row, SetText) else row.texts


def _detected(where: str, record: Record) -> str:
    name = layout_of(record)
    if name is None:
        fields = ", ".join(map(str, record))
        raise BadInput(f"{where}: neither question nor passage in the fields {fields}: {_REMEDY}")
    return name


def _misfit(where: str, layout: str, error: Exception, *, is_detected: bool) -> BadInput:
    what = f"it has no field {error.args[0]}" if isinstance(error, KeyError) else str(error)
    if is_detected:
        return BadInput(f"{where}: in no known layout: it is like {layout}, but {what}: {_REMEDY}")
    return BadInput(f"{where}: not in the layout {layout}: {what}")


def _aligned(row: SetQuestion | SetText, record: dict[Any, Any]) -> SetQuestion | SetText:
    """The row; a question from more cells than columns has a problem, because its cells may be in wrong columns."""
    if isinstance(row, SetQuestion) and None in record:
        return replace(row, problem="the row has more cells than the header: quote cells that hold a separator")
    return row
