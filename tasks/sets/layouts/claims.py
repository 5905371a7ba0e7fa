"""Claims with their labels: those of this project, FEVER's (arXiv 1803.05355) and HoVer's (arXiv 2011.03088).

This project writes a line like one of the layout `steps`, with ``claim`` and ``label`` in place of question and answer.

FEVER's ``evidence`` lists sets of sentences, each of which decides the claim alone: the smallest set's pages are the
support, and their number is the number of hops. NOT ENOUGH INFO is no label to answer with: such claims are rejected.
HoVer's NOT_SUPPORTED counts as refuted; its published columns have 0 for NOT_SUPPORTED, 1 for SUPPORTED, and -1 where
the label is hidden.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from schemas.records import ClaimLabel, Split, Step, Support
from tasks.sets.fields import Answers, Record, id_in, text_in
from tasks.sets.interface import SetQuestion
from tasks.sets.layouts.interface import RecordLayout

_LABELS = {
    "supported": ClaimLabel.SUPPORTED,
    "supports": ClaimLabel.SUPPORTED,
    "refuted": ClaimLabel.REFUTED,
    "refutes": ClaimLabel.REFUTED,
    "not_supported": ClaimLabel.REFUTED,
}
_UNDECIDED = "not enough info"
_HOVER_COLUMN: dict[Any, str | None] = {0: "NOT_SUPPORTED", 1: "SUPPORTED", -1: None}
_ESCAPES = {"_": " ", "-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-COLON-": ":"}
"""How FEVER writes marks in titles."""


class Claims(RecordLayout):
    @staticmethod
    def fits(record: Record) -> bool:
        return "claim" in record and "question" not in record

    def read(self, record: Record) -> SetQuestion:
        claim_id, label = id_in(record, "uid" if "uid" in record else "id", is_promised=False), _label(record)
        answers = _answers(label)
        support = _support(record)
        return SetQuestion(
            kind="claim",
            question=text_in(record, "claim"),
            answers=answers.texts,
            id=claim_id.text,
            type=record.get("type"),
            hops=record.get("hops") or record.get("num_hops") or (len(support) if "evidence" in record else 0),
            support=support,
            steps=[Step.model_validate(step) for step in record.get("steps") or ()],
            split=Split(record["split"]) if record.get("split") else None,
            is_answerable=(label or "").casefold() != _UNDECIDED,
            problem=answers.problem,
        )


def _label(record: Record) -> str | None:
    """The label as it is written; None where the set hides it."""
    label = record.get("label")
    if "num_hops" in record and isinstance(label, int):
        label = _HOVER_COLUMN.get(label, str(label))
    return None if label is None else str(label).strip()


def _answers(label: str | None) -> Answers:
    if not label or label.casefold() == _UNDECIDED:
        return Answers()
    if label.casefold() not in _LABELS:
        known = "SUPPORTS, REFUTES, NOT ENOUGH INFO, SUPPORTED, NOT_SUPPORTED, REFUTED"
        return Answers(problem=f"the field label holds {label!r}: give one of {known}")
    return Answers((_LABELS[label.casefold()],))


def _support(record: Record) -> list[Support]:
    if "evidence" in record:
        return _titled(_unescaped(title) for title in _smallest(record["evidence"]))
    if "supporting_facts" in record:
        return _titled(map(_title_of, record["supporting_facts"] or ()))
    return [Support.model_validate(each) for each in record.get("support") or ()]


def _smallest(evidence: Sequence[Sequence[Sequence[Any]]]) -> list[str]:
    """The pages of the set with the fewest, without repetitions; the first of several such sets."""
    try:
        sets = [list(dict.fromkeys(title for _, _, title, _ in each if title is not None)) for each in evidence or ()]
    except (TypeError, ValueError):
        raise ValueError("the field evidence holds no sets of [annotation, evidence, page, sentence]") from None
    return min(filter(None, sets), key=len, default=[])


def _unescaped(title: str) -> str:
    for escape, mark in _ESCAPES.items():
        title = title.replace(escape, mark)
    return title


def _title_of(fact: Any) -> str:
    """The page of a supporting fact: a pair of title and sentence, or a mapping of ``key`` and ``value``."""
    title: str = fact["key"] if isinstance(fact, dict) else fact[0]
    return title


def _titled(titles: Iterable[str]) -> list[Support]:
    return [Support(title=title, text=None) for title in dict.fromkeys(titles)]
