"""Settings that change what is computed, for the agent and its models: teaching, and evaluation."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from schemas.identity import Identity, Positive, Share
from schemas.records import Question, Split
from schemas.seams import ChatModelSettings, Kind, Seam


class SearchSettings(Identity):
    """What one search returns."""

    hits: Positive = 3
    """Passages that one query returns, at most."""
    hold_back: Literal["page", "passage"] = "passage"
    """What search must not return of the question's own source: its whole `page`, or only its `passage`."""


class AgentSettings(SearchSettings):
    """The loop of one trajectory, the same for teacher, student, trainer and evaluation.

    Tokens are counted by the student's tokenizer (the config's `tokenizer`). A teacher writes text through an endpoint,
    so no limit on tokens applies to its turns. What it reads is cut as for the student; without a tokenizer it is not
    cut.
    """

    instruction: str = ""
    """Text that follows the question after a blank line. It may be empty for a model that learns the task by
    training."""
    max_searches: Positive = 4
    """Turns with searches in one trajectory, at most; the answer is one turn more."""
    max_turn_tokens: Positive = 500
    """Tokens of one turn, at most, where an engine of this project writes it."""
    max_information_tokens: Positive = 500
    """Tokens that one search shows, tags included: the best passages that fit as a whole, or the beginning of the best
    passage if that alone is longer."""
    max_tokens: Positive = 4096
    """Tokens of prompt, turns and information together, where an engine of this project writes the turns."""

    @property
    def max_turns(self) -> int:
        return self.max_searches + 1

    @property
    def max_written_tokens(self) -> int:
        """The most tokens that an engine of this project writes in all turns together."""
        return min(self.max_tokens, self.max_turns * self.max_turn_tokens)


# -- judges and teachers ---------------------------------------------------------------------------------------------


class JudgeSettings(Kind):
    """Who says whether a trajectory may be trained on (tasks/agent/judges.py)."""

    default: ClassVar[str] = "rule"


class RuleJudge(JudgeSettings):
    """Right is what holds enough of the gold's words at every mask, and was found by search (tasks/agent/judge.py)."""

    kind: Literal["rule"] = "rule"
    min_recall: Share = 1.0
    """The least token recall at every mask for an answer to be right."""


JUDGES = Seam[JudgeSettings]("judges", JudgeSettings, {"rule": RuleJudge})
AnyJudge = Annotated[JudgeSettings, JUDGES]


class TeacherSettings(Kind):
    """What all teachers have: which questions they answer, and who judges the answers (tasks/teachers/registry.py)."""

    default: ClassVar[str] = "scripted"

    seed: int = 1
    """Seed of the draw of `questions`, and of the multi-agent teacher."""
    rollouts: Positive = 1
    """Trajectories for each question."""
    part_rows: Positive = 200
    """Questions (`scripted`) or trajectories (all others) in one part of the output."""
    splits: list[Split] = Field(default_factory=lambda: [Split.TRAIN])
    """Splits whose questions the teacher answers."""
    questions: Positive | None = None
    """The largest number of questions to answer from these splits, drawn by hash and seed; null: all of them."""
    judge: AnyJudge = RuleJudge()
    """The judge of the answers."""

    def can_answer(self, question: Question) -> bool:
        """Whether such a teacher can answer a question of this form at all."""
        return True


class ScriptedTeacher(TeacherSettings):
    """No model: it follows the evidence of a question (tasks/teachers/scripted.py)."""

    kind: Literal["scripted"] = "scripted"
    rollouts: Literal[1] = 1
    """A script answers a question in one way."""

    @model_validator(mode="after")
    def _a_seed_draws_questions(self) -> "ScriptedTeacher":
        if self.questions is None:
            self.refuse_unread(["seed"], "the scripted teacher draws nothing but questions")
        return self

    def can_answer(self, question: Question) -> bool:
        """Not a claim without steps: no rule compares it with a page."""
        return question.kind != "claim" or bool(question.steps)


class MultiAgentTeacher(ChatModelSettings, TeacherSettings):
    """Planner, rewriter, observer and judge, played by one chat model (`runtime.teacher_endpoint`)."""

    kind: Literal["multi_agent"] = "multi_agent"


TEACHERS = Seam[TeacherSettings](
    "teachers", TeacherSettings, {"scripted": ScriptedTeacher, "multi_agent": MultiAgentTeacher}
)
AnyTeacher = Annotated[TeacherSettings, TEACHERS]


# -- models --------------------------------------------------------------------------------------------------------


class TokenizerSettings(Identity):
    """A tokenizer trained on the train split's passages, or the one in a model's folder."""

    vocabulary: Annotated[int, Field(ge=300)] | None = 640
    """Tokens of a tokenizer that is trained here, at least 300; null: take the tokenizer in `path`."""
    path: str | None = None
    """The folder of a model whose tokenizer is used; null: train one. The agent's tags are single tokens either way."""

    @model_validator(mode="after")
    def _one_source(self) -> "TokenizerSettings":
        if (self.vocabulary is None) == (self.path is None):
            raise ValueError("give either vocabulary (to train a tokenizer) or path (to use the one in a folder)")
        return self


class ModelSettings(Identity):
    """A Qwen2 architecture with random weights, or a model's folder."""

    path: str | None = None
    """The folder of a published model (config.json, safetensors); null: random weights of the architecture below."""
    hidden: Positive = 128
    """Width of the hidden states."""
    layers: Positive = 4
    """Transformer layers."""
    heads: Positive = 4
    """Query heads of one layer; they share `hidden` evenly."""
    intermediate: Positive = 384
    """Width of the feed-forward layers."""
    max_position: Positive = 2048
    """Tokens of the longest sequence that the model reads."""
    rope_base: float = 10_000.0
    """Base of the rotary position embedding."""
    init_std: float = 0.02
    """Standard deviation of the random weights."""
    seed: int = 1
    """Seed of the random weights."""
    key_value_heads: Positive | None = None
    """Heads of keys and values, where several query heads share one; null: as many as `heads`."""
    vocabulary: Positive | None = None
    """Rows of the embedding, if more than the tokenizer has ids; null: one row for each id."""
    tied: bool = True
    """Whether the output head shares the weights of the embedding."""
    dtype: Literal["fp32", "bf16"] = "fp32"
    """Precision of the weights as they are written, which is what an engine runs."""
