"""All kinds of stages. A new kind is declared in `tasks/stages` and listed here, and nowhere else."""

from typing import Any

from tasks.making.stage import Stage
from tasks.stages.answers import AnswerStage
from tasks.stages.changes import ChangeStage
from tasks.stages.corpus import CorpusPassageStage, CorpusStage
from tasks.stages.dapo import DapoStage
from tasks.stages.dump import DumpStage
from tasks.stages.duplicates import DuplicateStage, SignatureStage
from tasks.stages.earlier import EarlierPassageStage, EarlierQuestionStage
from tasks.stages.index import IndexStage
from tasks.stages.leaks import LeakStage
from tasks.stages.models import LanguageModellingStage, UntrainedStage
from tasks.stages.pages import PageStage
from tasks.stages.passages import PassageStage
from tasks.stages.published import PublishedStage
from tasks.stages.questions import QuestionStage
from tasks.stages.redirects import AliasStage, RedirectStage
from tasks.stages.reference import ReferenceStage, SurprisalStage
from tasks.stages.set_questions import SetQuestionStage
from tasks.stages.sft import EvolvedStage, RejectionSampledStage, SftStage
from tasks.stages.spans import SpanStage
from tasks.stages.student import StudentStage
from tasks.stages.teacher import TeacherStage
from tasks.stages.tokenizer import TokenizerStage

_DATA: tuple[type[Stage[Any]], ...] = (
    *(DumpStage, RedirectStage, AliasStage, PageStage, PassageStage, CorpusStage, CorpusPassageStage),
    *(SignatureStage, DuplicateStage, IndexStage),
    *(SpanStage, ReferenceStage, SurprisalStage, LeakStage, EarlierQuestionStage, QuestionStage),
    *(EarlierPassageStage, ChangeStage, SetQuestionStage),
    *(TokenizerStage, TeacherStage, UntrainedStage),
)
STEPS: tuple[type[Stage[Any]], ...] = (
    *(LanguageModellingStage, SftStage, StudentStage, EvolvedStage, RejectionSampledStage, DapoStage),
)
"""The kinds whose labels are names of the config's steps of training."""
KINDS: tuple[type[Stage[Any]], ...] = (*_DATA, *STEPS, PublishedStage, AnswerStage)
"""In the order in which a config's stages are shown, as far as their upstreams allow; those of `STEPS` follow the
config's list."""
