"""Whether a trajectory may be learnt from: it ended in an answer, the answer is right, and what was retrieved holds it.

A rule, not a model: it reads the model's own last turn and nothing else, so neither an ``<answer>`` inside a retrieved
passage nor one in the prompt counts, and no word of the answer ("valid", "not correct") speaks for or against it.
"""

from collections.abc import Sequence
from statistics import fmean

from schemas.records import Author, EndReason, Question, Trajectory, Verdict, VerdictStatus
from tasks.agent.protocol import parse_turn, shows_page
from tasks.agent.scoring import MaskScore, accepted_surfaces, holds, is_decision, score_masks

MIN_RECALL = 1.0
"""The least token recall at every mask for an answer to be right."""
MAX_FOREIGN = 1.0
"""The most words beside the gold's, as a share of the gold's own: candidates listed in one mask are wrong.

The answer to a question without masks must have fewer: two names of equal length are candidates, too."""


def judge(question: Question, trajectory: Trajectory, min_recall: float = MIN_RECALL) -> Verdict:
    """``failed`` without an answer of its own, else ``wrong``, ``unsupported`` or ``correct``.

    The verdict's recall is the mean over masks, 0 where it failed.
    """
    answer = own_answer(trajectory)
    if answer is None:
        return _verdict(min_recall, VerdictStatus.FAILED, 0.0)
    scored = score_masks(question, answer)
    recall = fmean(mask.recall for mask in scored)
    if not all(_is_right(mask, min_recall, question) for mask in scored):
        return _verdict(min_recall, VerdictStatus.WRONG, recall)
    supported = is_supported(question, trajectory)
    return _verdict(min_recall, VerdictStatus.CORRECT if supported else VerdictStatus.UNSUPPORTED, recall)


def own_answer(trajectory: Trajectory) -> str | None:
    """The answer in the last turn, if the trajectory ended in one and the model wrote it."""
    if trajectory.end_reason != EndReason.ANSWERED or trajectory.segments[-1].author != Author.MODEL:
        return None
    turn = parse_turn(trajectory.segments[-1].text)
    return turn.answer if turn else None


def is_supported(question: Question, trajectory: Trajectory) -> bool:
    """Whether what the environment showed holds every answer, or one of its aliases.

    A yes or no, or a verdict, stands in no passage: it is supported where all supporting passages were shown, or any
    passage if the set names none.
    """
    shown = [segment.text for segment in trajectory.segments if segment.author == Author.ENVIRONMENT]
    accepted = accepted_surfaces(question)
    if question.kind != "ramp" and is_decision(accepted[0]):
        found = any(search.passage_ids for search in trajectory.searches)
        return found and all(any(shows_page(text, page.title) for text in shown) for page in question.support)
    return all(_is_held(shown, surfaces) for surfaces in accepted)


def _is_held(texts: Sequence[str], surfaces: Sequence[str]) -> bool:
    return any(holds(text, surface) for text in texts for surface in surfaces)


def _is_right(mask: MaskScore, min_recall: float, question: Question) -> bool:
    is_short = mask.foreign <= MAX_FOREIGN if question.kind == "ramp" else mask.foreign < MAX_FOREIGN
    return mask.recall >= min_recall and is_short


def _verdict(min_recall: float, status: VerdictStatus, recall: float) -> Verdict:
    return Verdict(judge=f"rule: recall at every mask >= {min_recall:g}", status=status, recall=recall)
