"""Templates of wikitext, replaced by what a reader sees of them; which ones and how is data (templates.yaml).

Calls are replaced from the innermost outwards, so that a template's parameters never hold another template. What a
template stands for is wikitext again; what is unknown leaves a mark (tasks/corpus/marks.py).
"""

import fnmatch
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from tasks.corpus.arguments import Arguments, parse_arguments
from tasks.corpus.computed import Computed, always, computed_templates
from tasks.corpus.marks import GAP, lost
from tasks.corpus.page_kinds import disambiguating_templates

_INNERMOST = re.compile(r"\{\{((?>[^{}]+|\{(?!\{)|\}(?!\}))*+)\}\}")
_PARAMETER = re.compile(r"\{\{\{[^{}]*\}\}\}")
_PLACE = re.compile(r"\{([^{}]+)\}")
_LEADING_GAPS = re.compile(rf"\n{GAP}+")
_TRAILING_GAPS = re.compile(rf"(?<!{GAP}){GAP}++(?=\n|\Z)")
_ASIDE = re.compile(r"(?:'''|[(（][^()（）\n]*)\s*$")
_ASIDE_WITHIN = 300
_MAGIC = re.compile(r"(#?[a-z]+):(.*)", re.DOTALL | re.IGNORECASE)
_DEPTH = 40
"""Templates nested deeper than this are left to the scanner, which drops them."""


class TemplateTable:
    """The rules by template name."""

    def __init__(self, rules: dict[str, Any]) -> None:
        makers = computed_templates(rules["languages"], rules["labels"])
        made = {name: makers[kind] for kind, names in rules["computed"].items() for name in names}
        made.update({name: always(_filled(words)) for name, words in rules["text"].items()})
        self._makers = made
        self._patterns = [(_glob(name), make) for name, make in made.items() if "*" in name and len(name) > 1]
        self._silent = _any_of([*rules["silent"], *disambiguating_templates()])
        self._pronunciation = _any_of(rules["pronunciation"])
        self._known: dict[str, Computed | None] = {}

    def function(self, name: str) -> Computed | None:
        """What makes a template's words; None where it is unknown."""
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> Computed | None:
        if name in self._makers:
            return self._makers[name](name)
        if self._silent.fullmatch(name):
            return _nothing
        return next((make(name) for pattern, make in self._patterns if pattern.fullmatch(name)), None)

    def is_pronunciation(self, name: str) -> bool:
        return bool(self._pronunciation.fullmatch(name))


@lru_cache(maxsize=1)
def template_table() -> TemplateTable:
    return TemplateTable(yaml.safe_load(Path(__file__).with_name("templates.yaml").read_text("utf-8")))


def expand(text: str, table: TemplateTable) -> tuple[str, set[str]]:
    """Wikitext without templates, and their names."""
    names: set[str] = set()
    if "{{" not in text:
        return text, names

    def words(call: re.Match[str]) -> str:
        name, pipe, body = call[1].partition("|")
        name = " ".join(name.replace("_", " ").lower().removeprefix("template:").split())
        if (magic := _MAGIC.match(name)) and table.function(name) is None:
            name, pipe, body = magic[1], "|", call[1].partition(":")[2]
        names.add(name)
        function = table.function(name)
        if function is _nothing:
            return GAP
        shown = function(parse_arguments(body) if pipe else _NO_ARGUMENTS) if function else None
        if shown is None and table.is_pronunciation(name) and _is_aside(call):
            return GAP
        return lost(f"template:{name}") if shown is None else shown

    text = _PARAMETER.sub(GAP, text)
    for _ in range(_DEPTH):
        text, count = _INNERMOST.subn(words, text)
        if not count:
            break
    return _without_outer_gaps(text), names


def _without_outer_gaps(text: str) -> str:
    """Nothing of gaps at an edge of a line: a heading or table behind a gap is still one."""
    return _TRAILING_GAPS.sub("", _LEADING_GAPS.sub("\n", text.lstrip(GAP)))


_NO_ARGUMENTS = Arguments([], {})


def _is_aside(call: re.Match[str]) -> bool:
    """Whether a call stands within brackets, or behind a name in bold."""
    before = call.string[max(0, call.start() - _ASIDE_WITHIN) : call.start()]
    return bool(_ASIDE.search(before))


def _glob(name: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(name))


def _any_of(names: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(name) for name in names))


def _nothing(_: Arguments) -> str:
    return GAP


def _filled(words: str) -> Computed:
    """The function of ``"{1} ({2|name})"``: its words with the parameters in their places."""
    literals, places = _PLACE.split(words)[::2], [found.split("|") for found in _PLACE.split(words)[1::2]]
    if not places:
        return lambda _: words

    def shown(arguments: Arguments) -> str:
        values = [arguments.get(*names) or GAP for names in places]
        return "".join(piece for pair in zip(literals, [*values, ""], strict=True) for piece in pair)

    return shown
