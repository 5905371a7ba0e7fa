"""2WikiMultihopQA (arXiv 2011.01060): the official list or its columns, lines with `is_supporting`, and plain pairs.

The file `id_aliases.json` beside a list, of lines with `Q_id`, `aliases` and `demonyms`, gives the further answers of
an `answer_id`. The triples of `evidences` are the steps: subject and relation ask for the object, and a subject that
an earlier step found is written as `#1`. A question compares or joins the facts of two pages, a bridge comparison of
four: that many are its hops, as the set counts them.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

from schemas.records import Step, Support
from tasks.ledger import storage
from tasks.sets.fields import Record, answers_in, supporting_facts, text_in
from tasks.sets.interface import SetQuestion
from tasks.sets.layouts import ircot
from tasks.sets.layouts.hotpotqa import id_of
from tasks.sets.layouts.interface import RecordLayout
from tasks.sets.layouts.plain import read_pair
from tasks.sets.records import json_lines

HOPS = {"comparison": 2, "compositional": 2, "inference": 2, "bridge_comparison": 4}
_ALIASES = "id_aliases.json"


class TwoWiki(RecordLayout):
    reads_pairs = True

    @staticmethod
    def fits(record: Record) -> bool:
        is_official = "context" in record and not {"evidences", "answer_id", "entity_ids"}.isdisjoint(record)
        return is_official or ircot.set_of(record) == "two_wiki"

    @staticmethod
    def beside(path: str) -> Sequence[str]:
        return (path.removesuffix(path.rpartition("/")[2]) + _ALIASES,)

    def read(self, record: Record) -> SetQuestion:
        if "question_text" in record:
            return ircot.read_line(record, hops=0)
        if "context" not in record:
            return read_pair(record)
        question_id, answers = id_of(record), answers_in(record, "answer")
        kind = str(record.get("type") or "").replace("-", "_")
        support = supporting_facts(record["context"], record.get("supporting_facts"))
        return SetQuestion(
            question=text_in(record, "question"),
            answers=answers.also(self._aliases.get(str(record.get("answer_id")), ())).texts,
            id=question_id.text,
            type=kind or None,
            hops=HOPS.get(kind, 0),
            support=support,
            steps=_steps(record.get("evidences") or (), support),
            problem=question_id.problem or answers.problem,
        )

    @cached_property
    def _aliases(self) -> Mapping[str, list[str]]:
        """The further names of an entity by its id; empty if there is no such file."""
        (path,) = self.beside(self.path)
        if storage.kind_of(path) is None:
            return {}
        lines = json_lines(path, storage.read_bytes(path).decode("utf-8-sig"))
        return {line["Q_id"]: [*line["aliases"], *line.get("demonyms", ())] for line in lines}


def _steps(evidences: Sequence[Sequence[str]], support: Sequence[Support]) -> list[Step]:
    steps: list[Step] = []
    places = {passage.title: place for place, passage in enumerate(support)}
    for subject, relation, found in evidences:
        number = next((number for number, step in enumerate(steps, 1) if step.answer == subject), None)
        asked = subject if number is None else f"#{number}"
        steps.append(Step(question=f"{asked}: {relation}", answer=found, support=places.get(subject)))
    return steps
