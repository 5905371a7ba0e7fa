"""Templates of wikitext, replaced by the words that a reader sees; the rules are data (tables/).

Each wiki has its own table beside the table for all wikis, because the same name is a different template elsewhere.
Calls are replaced from the innermost outwards, so that a template's parameters never contain a call. The replacement
is wikitext again. A template that is in no table, and a parameter that its rule does not use, are marked as losses
(marks.py), even on a line that has nothing else (blocks.py).

Names are compared without case, because wikis redirect nearly all spellings of a name to the same template.
"""

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial, reduce
from pathlib import Path
from typing import Any

import yaml

from tasks.templates.arguments import Arguments, no_arguments, parse_arguments
from tasks.templates.computed import KINDS, Computed, Language
from tasks.templates.conversions import english_units
from tasks.templates.dates import Calendar
from tasks.templates.marks import GAP, lost
from tasks.templates.numerals import numerals_of
from tasks.templates.page_kinds import disambiguating_templates
from tasks.templates.patterns import compiled

_TABLES = Path(__file__).with_name("tables")
_SAME_TABLE = {"simple": "en"}
"""Wikis in the same language and with the same templates as another wiki."""

# A call without braces in it, except single braces. Atomic and possessive: in text with many unclosed "{{" the pattern
# would otherwise try every division of what follows, which takes quadratic time and more.
_INNERMOST = re.compile(r"\{\{((?>[^{}]+|\{(?!\{)|\}(?!\}))*+)\}\}")
_PARAMETER = re.compile(r"\{\{\{[^{}]*\}\}\}")
# Both widths of brackets, since Chinese and Japanese use the wide ones.
_ASIDE = re.compile(r"(?:'''|[(（][^()（）\n]*)\s*$")
_ASIDE_WITHIN = 300
# The name of a parser function ends at the first colon, "#if:" or "formatnum:", and its first parameter follows.
_MAGIC = re.compile(r"(#?[^\W\d_]+(?: [^\W\d_]+)*) ?:")
_SUBSTITUTED = re.compile(r"(?:safesubst|subst|msgnw|msg|raw):")
_DEPTH = 40
"""Templates nested deeper than this are left in the text; the scanner drops them."""

Rules = Mapping[str, Any]


class TemplateTable:
    """The rules of one wiki by template name."""

    def __init__(self, wiki: str) -> None:
        rules = _rules_of(wiki)
        language = _language(wiki, rules)
        self._made: dict[str, Callable[[str], Computed]] = {}
        for kind, names in rules["computed"].items():
            self._made.update(dict.fromkeys(names, partial(KINDS[kind], language)))
        for pattern, names in rules["text"].items():
            self._made.update(dict.fromkeys(names, partial(_always, compiled(pattern))))
        self._patterns = [(_glob(name), make) for name, make in self._made.items() if "*" in name and len(name) > 1]
        self._silent = _any_of([*rules["silent"], *disambiguating_templates(wiki)])
        self._pronunciation = _any_of(rules["pronunciation"])
        self._prefix = re.compile("|".join(f"{re.escape(prefix)} ?: ?" for prefix in rules["namespace"]))
        self.invisible = frozenset(rules["invisible"])
        self._known: dict[str, Computed | None] = {}

    def name(self, written: str) -> str:
        """A template's name in lower case, without underscores and namespace."""
        name = " ".join(written.replace("_", " ").lower().split())
        if ":" not in name:
            return name
        name = _SUBSTITUTED.sub("", name).lstrip()
        if found := self._prefix.match(name):
            name = name[found.end() :]
        return name

    def function(self, name: str) -> Computed | None:
        """The function that computes a template's words; None for an unknown template."""
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> Computed | None:
        if name in self._made:
            return self._made[name](name)
        if self._silent.fullmatch(name):
            return _nothing
        return next((make(name) for pattern, make in self._patterns if pattern.fullmatch(name)), None)

    def is_pronunciation(self, name: str) -> bool:
        return bool(self._pronunciation.fullmatch(name))

    def is_silent(self, name: str) -> bool:
        return self.function(name) is _nothing


@lru_cache(maxsize=32)
def template_table(wiki: str = "en") -> TemplateTable:
    """The table of the Wikipedia in a language, by its code."""
    return TemplateTable(_SAME_TABLE.get(wiki, wiki))


def _rules_of(wiki: str) -> Rules:
    return reduce(_merged, [_loaded("all"), _loaded(wiki)])


def _loaded(name: str) -> Rules:
    path = _TABLES / f"{name}.yaml"
    return yaml.load(path.read_text("utf-8"), yaml.CSafeLoader) if path.is_file() else {}


def _merged(common: Rules, own: Rules) -> Rules:
    """Both tables in one; the wiki's own rule replaces the common rule of the same name."""
    owned = set(own.get("silent", ()))
    for key in ("text", "computed"):
        owned.update(*own.get(key, {}).values())
    merged = dict(common)
    for key in ("text", "computed"):
        kept = {rule: [name for name in names if name not in owned] for rule, names in common[key].items()}
        added = own.get(key, {})
        merged[key] = {rule: [*kept.get(rule, ()), *added.get(rule, ())] for rule in {**kept, **added}}
    for key in own.keys() - {"text", "computed"}:
        before = common.get(key)
        merged[key] = [*(before or ()), *own[key]] if isinstance(own[key], list) else {**(before or {}), **own[key]}
    return merged


def _language(wiki: str, rules: Rules) -> Language:
    calendar = rules.get("calendar")
    return Language(
        numerals=numerals_of(wiki),
        calendar=Calendar(**{**calendar, "months": tuple(calendar["months"])}) if calendar else None,
        names=rules.get("languages", {}),
        foreign=rules["foreign"],
        labels=rules.get("labels", {}),
        units=english_units() if wiki == "en" else rules.get("units", {}),
        shapes=rules.get("shapes", {}),
    )


def expand(text: str, table: TemplateTable) -> tuple[str, set[str]]:
    """The wikitext with its templates replaced, and the templates' names."""
    names: set[str] = set()
    if "{{" not in text:
        return text, names

    def words(call: re.Match[str]) -> str:
        written, pipe, body = call[1].partition("|")
        name = table.name(written)
        function = table.function(name)
        if function is None and (magic := _MAGIC.match(name)):
            name, pipe, body = magic[1], ":", call[1].partition(":")[2]
            function = table.function(name)
        names.add(name)
        if function is _nothing:
            return GAP
        arguments = parse_arguments(body, with_names=pipe == "|") if pipe else no_arguments()
        shown = function(arguments) if function else None
        if shown is None:
            is_aside = table.is_pronunciation(name) and _is_aside(call)
            return GAP if is_aside else lost(f"template:{name}")
        if pipe and (unread := arguments.unread(table.invisible)):
            shown = _with_loss(shown, f"template:{name}|{unread[0]}")
        return _as_value(shown) if "=" in shown else shown

    text = _PARAMETER.sub(GAP, text)
    for _ in range(_DEPTH):
        text, count = _INNERMOST.subn(words, text)
        if not count:
            break
    return _without_outer_gaps(text), names


def _with_loss(shown: str, reason: str) -> str:
    """The words with the mark of a loss behind them, before a line break at their end."""
    body = shown.rstrip("\n")
    return f"{body}{lost(reason)}{shown[len(body) :]}"


def _as_value(shown: str) -> str:
    """Words whose equals signs do not name a parameter of the template around them.

    Equals signs in tags and in several lines (tables, headings) are left, because they are markup.
    """
    return shown if "<" in shown or "\n" in shown else shown.replace("=", "&#61;")


def _without_outer_gaps(text: str) -> str:
    """Without gaps at the edges of lines, because a heading or table is recognised only at the start of its line."""
    return "\n".join([line.strip(GAP) for line in text.split("\n")])


def _is_aside(call: re.Match[str]) -> bool:
    """Whether a call is within brackets, or follows a name in bold."""
    before = call.string[max(0, call.start() - _ASIDE_WITHIN) : call.start()]
    return bool(_ASIDE.search(before))


def _glob(name: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(name))


def _any_of(names: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(str(name)) for name in names))


def _always(words: Computed, _: str) -> Computed:
    """Words that do not depend on the template's name."""
    return words


def _nothing(_: Arguments) -> str:
    return GAP
