"""What the fields of a published record hold: texts, answers, ids, and the passages that are named as evidence."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from schemas.records import Support

Record = Mapping[str, Any]


def text_in(record: Record, *names: str) -> str:
    """The text of the first of these fields that the record has; empty if the field is null.

    Raises:
        ValueError: the record has none of them, or the field holds something else.
    """
    for name in names:
        if name in record:
            value = record[name]
            if value is None or isinstance(value, str):
                return (value or "").strip()
            raise ValueError(f"the field {name} holds {type(value).__name__}, not text")
    raise ValueError(f"it has no field {names[0]}")


# -- answers and ids --------------------------------------------------------------------------------------------------


class Answers(NamedTuple):
    """The answers of a record. ``problem`` is a field to correct, in words."""

    texts: tuple[str, ...] = ()
    problem: str | None = None

    def also(self, others: Iterable[Any]) -> "Answers":
        """With further answers, if there is a first one."""
        return self._replace(texts=_distinct([*self.texts, *others])) if self.texts else self


def answers_in(record: Record, *names: str) -> Answers:
    """The equal answers in the first of these fields that the record has: one answer, or a list. Empty if it has none.

    A field that is null or blank has no answer, as in test splits that hide theirs. An empty list is a problem.
    """
    for name in names:
        if name in record:
            return answers_of(record[name], name)
    return Answers()


def answers_of(value: Any, name: str) -> Answers:
    """The equal answers that a value of the field ``name`` holds."""
    if value is None:
        return Answers()
    values = value if isinstance(value, list | tuple) else [value]
    if not values:
        return Answers(problem=f"the field {name} is an empty list: give at least one answer, or remove the record")
    if not all(is_scalar(each) for each in values):
        return Answers(problem=f"the field {name} is neither text, a number nor a list of these")
    return Answers(_distinct(values))


def is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def written(value: Any) -> str:
    """A value as an answer is written: yes and no, numbers without exponent and without an empty fraction."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
    return "" if value is None else str(value).strip()


def _distinct(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in map(written, values) if text))


class Id(NamedTuple):
    """The id of a record. ``problem`` is a field to correct, in words."""

    text: str | None = None
    problem: str | None = None


def id_in(record: Record, name: str, *, is_promised: bool) -> Id:
    """The id in a field. Where the layout promises none, its absence is no problem."""
    text = written(record.get(name)) if is_scalar(record.get(name)) else ""
    if text:
        return Id(text)
    return Id(problem=f"the field {name} holds no id: give each question its own") if is_promised else Id()


# -- evidence ---------------------------------------------------------------------------------------------------------


def supporting_paragraphs(paragraphs: Sequence[Record]) -> list[Support]:
    """The paragraphs with ``is_supporting``, in the order of the list."""
    return [
        Support(title=paragraph.get("title") or "", text=paragraph["paragraph_text"])
        for paragraph in paragraphs
        if paragraph.get("is_supporting")
    ]


def supporting_facts(context: Any, facts: Any) -> list[Support]:
    """Paragraphs that hold a supporting fact. Context and facts are lists of pairs, or of two columns each.

    A paragraph that the context lacks has its title only.
    """
    titles = _column(facts, "title")
    pairs = _paragraphs(context)
    found = [Support(title=title, text=text) for title, text in pairs if title in set(titles)]
    shown = {support.title for support in found}
    return found + [Support(title=title, text=None) for title in dict.fromkeys(titles) if title not in shown]


def _column(facts: Any, name: str) -> list[str]:
    if not facts:
        return []
    return list(facts[name]) if isinstance(facts, dict) else [title for title, _ in facts]


def _paragraphs(context: Any) -> list[tuple[str, str]]:
    if not context:
        return []
    if isinstance(context, dict):
        sentences = context["sentences"] if "sentences" in context else context["content"]
        return [(title, "".join(of_title)) for title, of_title in zip(context["title"], sentences, strict=True)]
    return [(title, "".join(of_title)) for title, of_title in context]
