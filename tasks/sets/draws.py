"""Draws by hash: the same rows whatever their order, of any number of rows in little memory."""

from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Draw(Generic[Item]):
    """The ``count`` items of the smallest keys among all that it is given; it holds twice as many at most."""

    def __init__(self, count: int, key: Callable[[Item], str]) -> None:
        self._count, self._key = count, key
        self._held: list[tuple[str, Item]] = []
        self.given = 0
        """How many items it was given."""

    def add(self, item: Item) -> None:
        self.given += 1
        self._held.append((self._key(item), item))
        if len(self._held) >= 2 * self._count:
            self._trim()

    def drawn(self) -> list[Item]:
        """Ordered by their keys; all that it was given where these are fewer."""
        self._trim()
        return [item for _, item in self._held]

    def _trim(self) -> None:
        self._held.sort(key=lambda held: held[0])
        del self._held[self._count :]
