"""What is searched for while a cluster is tried: what an honest searcher of the questions would ask first."""

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
        BadInput: there is none.
    """
    found = [row for path in paths for row in storage.read_rows(path, Question) if row.text is not None]
    if not found:
        raise BadInput(f"no question in {', '.join(paths) or 'an empty list'}")
    return found


def query_of(question: Question) -> str:
    """One search in the question's matter, made of what its prompt shows; never empty."""
    leads = Context(question, None).leads(0, {})
    return leads[0].query if leads else " ".join(question.prompt.split()[:4])


def queries_of(questions: Sequence[Question], agent: AgentSettings) -> list[Query]:
    """One for each question, its own source held back as the agent's is."""
    return [Query(query_of(question), hold_back_of(question, agent)) for question in questions]
