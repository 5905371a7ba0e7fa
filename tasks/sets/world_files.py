"""The question sets that a made-up world has beside its dump."""

from typing import Literal

from schemas.set_settings import LayoutName, PublishedSet
from tasks.corpus.smallworld import CLAIMS, QUESTIONS
from tasks.ledger import storage

_FILES: dict[str, tuple[str, LayoutName]] = {"questions": (QUESTIONS, "steps"), "claims": (CLAIMS, "claims")}


def world_file(world: Literal["questions", "claims"], folder: str) -> PublishedSet:
    """The file of the world's questions, or of its claims, in the folder of its dump."""
    name, layout = _FILES[world]
    return PublishedSet(path=storage.join(folder, name), layout=layout)
