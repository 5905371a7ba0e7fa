"""Which questions of a split belong to a share of it."""

from schemas.manifest import digest_of
from schemas.records import Question
from schemas.training_settings import AskedQuestions

_SEED = 1
"""One seed for all steps: with seeds of their own, shares that do not overlap would hold the same questions."""


def is_asked(question: Question, asked: AskedQuestions) -> bool:
    """Whether a step with these settings asks the question. The draw is by hash, so it is stable over snapshots."""
    if question.split != asked.split:
        return False
    begin, end = asked.share
    place = int(digest_of([_SEED, "evolution", question.question_id])[:8], 16) / 16**8
    return begin <= place < end
