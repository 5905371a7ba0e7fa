"""Parameters of a template call, and which of them its rule has read.

A rule that reads a parameter is responsible for showing it. A parameter that is given and not read is visible on the
wiki and missing here: `Arguments.unread` names it, and the caller marks the loss.
"""

import re
from collections.abc import Iterable

from tasks.templates.marks import GAP

# Possessive: a link that nothing closes fails at once instead of being tried at every length.
_LINK = re.compile(r"\[\[[^\[\]]*+\]\]")
_HIDDEN_PIPE = "\x07"
"""Stands for a pipe within a link: XML does not allow this character, so dumps do not contain it."""


class Arguments:
    """Stripped values by name; parameters without a name are called "1", "2", … as MediaWiki counts them."""

    def __init__(self, values: dict[str, str], n_positional: int) -> None:
        self._values = values
        self._n_positional = n_positional
        self._read: set[str] = set()

    def get(self, *names: str) -> str:
        """The first of these parameters that is given and not empty, otherwise ""; all of them count as read.

        "-1" is the last parameter without a name.
        """
        found = ""
        for name in names:
            if name == "-1":
                name = str(self._n_positional)
            self._read.add(name)
            if not found:
                value = self._values.get(name, "")
                found = value if value.strip(GAP) else ""
        return found

    def all(self, start: int = 1) -> list[str]:
        """The parameters "1", "2", … from ``start`` up to the first that is missing, including empty parameters."""
        found: list[str] = []
        while (name := str(start + len(found))) in self._values:
            self._read.add(name)
            found.append(self._values[name].strip(GAP))
        return found

    def named(self) -> dict[str, str]:
        """The given parameters that have a name, in order; they do not count as read."""
        return {name: value for name, value in self._values.items() if not name.isdecimal() and value.strip(GAP)}

    def is_on(self, name: str) -> bool:
        """Whether a switch such as ``df=yes`` is set."""
        self._read.add(name)
        return self._values.get(name, "no").lower() not in ("no", "n", "off", "0", "")

    def ignore(self, names: Iterable[str]) -> None:
        """Count parameters as read because a reader does not see them."""
        self._read.update(names)

    def ignore_all(self) -> None:
        self._read.update(self._values)

    def unread(self, invisible: frozenset[str]) -> list[str]:
        """The given parameters that the rule has not read, except the ``invisible`` ones, which readers never see."""
        if len(self._values) == len(self._read & self._values.keys()):
            return []
        return [
            name
            for name, value in self._values.items()
            if name not in self._read and name not in invisible and value.strip(GAP)
        ]


def parse_arguments(body: str, with_names: bool = True) -> Arguments:
    """The parameters in the text behind a template's name, in which nested templates are already replaced.

    Parameters of parser functions have no names: ``with_names`` is False.
    """
    values: dict[str, str] = {}
    count = 0
    for piece in _split(body):
        name, equals, value = piece.partition("=")
        if equals and with_names and "<" not in name and "[" not in name:
            values[name.strip()] = value.strip()
        else:
            count += 1
            values[str(count)] = piece.strip()
    return Arguments(values, count)


def no_arguments() -> Arguments:
    return Arguments({}, 0)


def _split(body: str) -> list[str]:
    """The pieces between pipes, except pipes within links."""
    if "[[" not in body:
        return body.split("|")
    hidden = _LINK.sub(lambda link: link[0].replace("|", _HIDDEN_PIPE), body)
    return [piece.replace(_HIDDEN_PIPE, "|") for piece in hidden.split("|")]
