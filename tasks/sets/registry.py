"""The layouts of question sets, one for each kind of `SetSettings`."""

from collections.abc import Iterator

from schemas.corpus_settings import SETS, SetSettings
from schemas.errors import BadInput
from tasks.sets.datasets import Published
from tasks.sets.interface import Layout, SetText

_LAYOUTS: dict[str, type[Layout]] = {"published": Published}


def read_set(settings: SetSettings) -> Iterator[SetText]:
    """All questions of a set, and the passages that it names as evidence.

    Raises:
        BadInput: there is no such file, or it is not in the layout.
    """
    layout = (_LAYOUTS.get(settings.kind) or SETS.extension(settings.kind, Layout))(settings)
    try:
        yield from layout.read(settings.path)
    except FileNotFoundError:
        raise BadInput(f"{settings.path}: no such file of questions") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(
            f"{settings.path} is not of the layout {settings.kind}: {type(error).__name__}: {error}"
        ) from None
