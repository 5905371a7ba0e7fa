"""The teachers, by kind: those that answer question by question, and those that answer a part's in one batch."""

from collections.abc import Callable
from typing import Any

from retrieval_index.hits import Searcher
from schemas.records import Question, Trajectory
from schemas.settings import TEACHERS, AgentSettings, TeacherSettings
from tasks.agent.tokenizer import AgentTokenizer
from tasks.teachers.interface import Teacher, TeacherContext
from tasks.teachers.multi_agent import MultiAgentTeacher
from tasks.teachers.scripted import teach_many

BatchTeacher = Callable[[list[Question], Searcher, AgentSettings, str, AgentTokenizer | None], list[Trajectory]]
"""Answers questions, in their order; the label and the student's tokenizer are last. Not judged."""

_BATCH_TEACHERS: dict[str, BatchTeacher] = {"scripted": teach_many}
_TEACHERS: dict[str, Callable[[Any, TeacherContext], Teacher]] = {"multi_agent": MultiAgentTeacher}


def batch_teacher_of(settings: TeacherSettings) -> BatchTeacher | None:
    """The teacher of these settings, if it works in batches: by parts, in the flow's own processes."""
    return _BATCH_TEACHERS.get(settings.kind)


def teacher_of(settings: TeacherSettings, context: TeacherContext) -> Teacher:
    """The teacher of these settings that answers request by request, in a job.

    Raises:
        BadKind: the package that has it cannot be used.
    """
    return (_TEACHERS.get(settings.kind) or TEACHERS.extension(settings.kind, Teacher))(settings, context)
