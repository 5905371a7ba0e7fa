"""The layouts of question sets, one for each kind of `SetSettings`, and what is read with them."""

from collections.abc import Iterator

from schemas.errors import BadInput
from schemas.set_settings import SETS, SetSettings
from tasks.sets.datasets import Published
from tasks.sets.interface import Layout, SetQuestion, SetText

_LAYOUTS: dict[str, type[Layout]] = {"published": Published}


def layout_for(settings: SetSettings) -> Layout:
    """What reads the file of a set.

    Raises:
        BadInput: the package that has the layout cannot be used.
    """
    layout: type[Layout] = _LAYOUTS.get(settings.kind) or SETS.extension(settings.kind, Layout)
    return layout(settings)


def read_records(settings: SetSettings) -> Iterator[SetQuestion | SetText]:
    """All records of a set, in the order of its file.

    Raises:
        BadInput: there is no such file, or it is not in the layout.
    """
    layout = layout_for(settings)
    try:
        yield from layout.read(settings.path)
    except FileNotFoundError:
        raise BadInput(f"{settings.path}: no such file of questions: check the path") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(
            f"{settings.path} is not of the layout {settings.kind}: {type(error).__name__}: {error}"
        ) from None


def read_set(settings: SetSettings) -> Iterator[SetText]:
    """All questions of a set, and the passages that it names as evidence, for the leak check.

    Raises:
        BadInput: as `read_records`.
    """
    for row in read_records(settings):
        yield from [row] if isinstance(row, SetText) else row.texts
