"""Contestants of several labels, roots and seeds, compared question by question."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from schemas.errors import BadInput
from tasks.evaluation.entries import Entry
from tasks.evaluation.metrics import Columns
from tasks.evaluation.scores import Difference, differences_of


class Repeats:
    """One contestant: the answers of one label, or of several that differ only by seeds."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = list(entries)

    @property
    def conditions(self) -> dict[str, object]:
        return self.entries[0].conditions

    @cached_property
    def columns(self) -> dict[tuple[str, str], Columns]:
        """By set and decoding: means over the seeds."""
        common = [name for name in self.entries[0].columns if all(name in entry.columns for entry in self.entries)]
        return {name: Columns.pooled([entry.columns[name] for entry in self.entries]) for name in common}

    def name(self, is_short: bool) -> str:
        """The label, or the path; with the number of seeds if there are several."""
        first = self.entries[0].label if is_short else self.entries[0].path
        return first if len(self.entries) == 1 else f"{first} ({len(self.entries)} seeds)"


class Compared(NamedTuple):
    """A metric of contestant ``a`` minus that of contestant ``b``, named as in the table."""

    a: str
    b: str
    set: str
    decoding: str
    difference: Difference


def sides_of(entries: Sequence[Entry]) -> dict[str, Repeats]:
    """The contestants by name, in the order in which they are given.

    Raises:
        BadInput: a folder is given twice, or there is only one contestant.
    """
    folders = [entry.ledger.folder("answers", entry.label) for entry in entries]
    for entry, folder in zip(entries, folders, strict=True):
        if folders.count(folder) > 1:
            raise BadInput(f"{entry.path}: given twice: give the folders of different answers")
    pooled: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        pooled.setdefault((entry.making, repr(sorted(entry.conditions.items()))), []).append(entry)
    sides = [Repeats(members) for members in pooled.values()]
    if len(sides) < 2:
        raise BadInput(
            f"{len(entries)} label{'s' * (len(entries) > 1)} of one contestant (labels that differ only by seeds are "
            "pooled): give the answers of a second contestant"
        )
    short = {side.name(is_short=True): side for side in sides}
    return short if len(short) == len(sides) else {side.name(is_short=False): side for side in sides}


def differing(sides: dict[str, Repeats]) -> list[str]:
    """The conditions in which a contestant differs from the first, in words."""
    (name, first), *others = sides.items()
    return [
        f"{field} is {_shown(first.conditions, field)} for {name} and {_shown(side.conditions, field)} for {other}"
        for other, side in others
        for field in sorted(first.conditions.keys() | side.conditions.keys())
        if first.conditions.get(field) != side.conditions.get(field)
    ]


def _shown(conditions: dict[str, object], field: str) -> str:
    return str(conditions.get(field, "not set"))


def compared(sides: dict[str, Repeats], resamples: int) -> Iterator[Compared]:
    """The first contestant minus each other, by set, decoding, level and metric, over common questions.

    Raises:
        BadInput: two contestants answered no question in common.
    """
    (name, first), *others = sides.items()
    for other, side in others:
        rows = [
            Compared(name, other, *group, difference)
            for group in first.columns
            if group in side.columns
            for difference in differences_of(first.columns[group], side.columns[group], resamples)
        ]
        if not rows:
            raise BadInput(f"{name} and {other} answered no question in common: give answers to the same set")
        yield from rows
