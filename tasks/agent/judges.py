"""The judges, one for each kind of `JudgeSettings`."""

from collections.abc import Callable
from functools import partial
from typing import Any

from schemas.records import Question, Trajectory, Verdict
from schemas.settings import JUDGES, JudgeSettings
from tasks.agent import judge

Judge = Callable[[Question, Trajectory], Verdict]
"""Says whether a trajectory of the question may be trained on."""


def _rule(settings: Any) -> Judge:
    return partial(judge.judge, min_recall=settings.min_recall)


_JUDGES: dict[str, Callable[[Any], Judge]] = {"rule": _rule}


def judge_of(settings: JudgeSettings) -> Judge:
    """The judge of these settings.

    Raises:
        BadKind: the package that has it cannot be used.
    """
    return (_JUDGES.get(settings.kind) or JUDGES.extension(settings.kind, object))(settings)
