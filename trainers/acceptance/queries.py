"""The queries of an acceptance: for each question, the first search that an agent without the answer would make."""

from collections.abc import Sequence

from retrieval_index.hits import Query
from schemas.errors import BadInput
from schemas.records import Question
from schemas.settings import AgentSettings
from tasks.agent.environment import hold_back_of
from tasks.ledger import storage
from tasks.ramp.leads import Context


def questions_in(paths: Sequence[str]) -> list[Question]:
    """All questions of these files that have a paragraph.

    Raises:
        BadInput: the files have no such question.
    """
    found = [row for path in paths for row in storage.read_rows(path, Question) if row.text is not None]
    if not found:
        raise BadInput(f"no question in {', '.join(paths) or 'an empty list'}")
    return found


def query_of(question: Question) -> str:
    """One search about the question's subject, from the visible text of its prompt; never empty."""
    leads = Context(question, None).leads(0, {})
    return leads[0].query if leads else " ".join(question.prompt.split()[:4])


def queries_of(questions: Sequence[Question], agent: AgentSettings) -> list[Query]:
    """One query for each question, with its own source held back as in the agent's searches."""
    return [Query(query_of(question), hold_back_of(question, agent)) for question in questions]
