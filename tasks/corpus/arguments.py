"""Parameters of a template call."""

import re
from dataclasses import dataclass

from tasks.corpus.marks import GAP

_LINK = re.compile(r"\[\[[^\[\]]*+\]\]")
_HIDDEN_PIPE = "\x07"


@dataclass(frozen=True)
class Arguments:
    """``positional`` in order, from 1 by MediaWiki's count; ``named`` by name. Values are stripped."""

    positional: list[str]
    named: dict[str, str]

    def get(self, *names: str) -> str:
        """The first of these parameters (a name or a number) that is given and not empty; else ""."""
        for name in names:
            found = self.named.get(name) or self._at(name)
            if found.strip(GAP):
                return found
        return ""

    def _at(self, name: str) -> str:
        if name == "-1":
            return self.positional[-1] if self.positional else ""
        return self.positional[int(name) - 1] if name.isdecimal() and 0 < int(name) <= len(self.positional) else ""

    def is_on(self, name: str) -> bool:
        """Whether a switch such as ``df=yes`` is set."""
        return self.named.get(name, "no").lower() not in ("no", "n", "off", "0", "")


def parse_arguments(body: str) -> Arguments:
    """The parameters in what follows a template's name, nested templates already being replaced."""
    positional: list[str] = []
    named: dict[str, str] = {}
    for piece in _split(body):
        name, equals, value = piece.partition("=")
        if equals and "<" not in name and "[" not in name:
            named[name.strip()] = value.strip()
        else:
            positional.append(piece.strip())
    return Arguments(positional, named)


def _split(body: str) -> list[str]:
    """Pieces between pipes, but for the pipes of links."""
    if "[[" not in body:
        return body.split("|")
    hidden = _LINK.sub(lambda link: link[0].replace("|", _HIDDEN_PIPE), body)
    return [piece.replace(_HIDDEN_PIPE, "|") for piece in hidden.split("|")]
