"""Settings that change what is computed, of the agent and its models: teaching, training, evaluation."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from schemas.identity import Identity, Positive, Share
from schemas.records import Split


class SearchSettings(Identity):
    """What one search gives."""

    hits: Positive = 3
    hold_back: Literal["page", "passage"] = "passage"
    """What of the question's own source search must not return."""


class AgentSettings(SearchSettings):
    """The loop of one trajectory, the same for teacher, student, trainer and evaluation.

    Tokens are the student's (the config's `tokenizer`). A teacher writes text, which no number of tokens bounds; what
    it reads is cut as it is for the student, and whole where the config has none.
    """

    instruction: str = ""
    """Stands behind the question, after a blank line; may be empty for a model that learns the task by training."""
    max_searches: Positive = 4
    max_turn_tokens: Positive = 500
    """Of one turn that a model here writes."""
    max_information_tokens: Positive = 500
    """Of what one search shows, tags included: the best passages that fit, whole, or the beginning of the very best."""
    max_tokens: Positive = 4096
    """Prompt, turns and information together, where a model here writes the turns."""

    @property
    def max_turns(self) -> int:
        return self.max_searches + 1

    @property
    def max_written_tokens(self) -> int:
        """The most that a model here writes in all turns together."""
        return min(self.max_tokens, self.max_turns * self.max_turn_tokens)


class TeacherSettings(Identity):
    kind: Literal["scripted", "multi_agent"] = "scripted"
    seed: int = 1
    rollouts: Positive = 1
    part_rows: Positive = 200
    splits: list[Split] = Field(default_factory=lambda: [Split.TRAIN])
    questions: Positive | None = None
    """At most so many of these splits' are asked, drawn by hash with the seed; None: all."""
    model: str | None = None
    """Multi-agent: the name of the model behind the endpoint (`runtime.teacher_endpoint`)."""
    temperature: Annotated[float, Field(ge=0)] = 0.7

    @model_validator(mode="after")
    def _a_script_asks_no_model(self) -> "TeacherSettings":
        if self.kind == "scripted":
            self.refuse_unread(("rollouts", "model", "temperature"), "the scripted teacher asks no model")
            if self.questions is None:
                self.refuse_unread(["seed"], "the scripted teacher draws nothing but questions")
        return self


# -- models and training --------------------------------------------------------------------------------------------


class TokenizerSettings(Identity):
    """Trained on the train split's passages, or taken from a model's folder; the tags are single tokens either way."""

    vocabulary: Annotated[int, Field(ge=300)] | None = 640
    path: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "TokenizerSettings":
        if (self.vocabulary is None) == (self.path is None):
            raise ValueError("give either vocabulary (to train one) or path (to take one)")
        return self


class ModelSettings(Identity):
    """A Qwen2 architecture from nothing, or a model's folder."""

    path: str | None = None
    hidden: Positive = 128
    layers: Positive = 4
    heads: Positive = 4
    intermediate: Positive = 384
    max_position: Positive = 2048
    rope_base: float = 10_000.0
    init_std: float = 0.02
    seed: int = 1
    key_value_heads: Positive | None = None
    """Of keys and values, where several query heads share one; None: as many as ``heads``."""
    vocabulary: Positive | None = None
    """Rows of the embedding, where there are to be more than the tokenizer has ids."""
    tied: bool = True
    """Whether the head is the embedding."""
    dtype: Literal["fp32", "bf16"] = "fp32"
    """Of the weights as they are written: what an engine runs."""


class OptimiserSettings(Identity):
    """AdamW; the rate warms up linearly, stays, and falls linearly to its ``floor`` over the last ``decay_share``."""

    lr: Annotated[float, Field(gt=0)]
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip: Annotated[float, Field(gt=0)] = 1.0
    warmup_steps: int = 50
    decay_share: Share = 0.3
    floor: Share = 0.1


class EngineeringSettings(Identity):
    """How the arithmetic is done; part of identity because it changes the numbers."""

    dtype: Literal["fp32", "bf16"] = "fp32"
    zero_stage: Literal[1, 2, 3] = 1
    activation_checkpointing: bool = False
    micro_batch_tokens: Positive = 1024
    """Tokens, at most, that go through the model at once on one rank: sequences packed into one row, none of which sees
    another. A step is made of as many such rows as it takes; a sequence that is longer has a row of its own."""


class CurriculumPhase(Identity):
    max_masks: Annotated[int, Field(ge=1, le=4)]
    steps: Positive


class BaseSettings(Identity):
    """Language modelling on all tokens of the train split's text, laid along links."""

    seed: int = 1
    steps: Positive
    tokens_per_step: Positive = 2048
    document_tokens: Positive = 256
    """Length of a document: passages laid along links and cut."""
    optimiser: OptimiserSettings
    engineering: EngineeringSettings = EngineeringSettings()
    checkpoint_every: Positive = 100


class SftSettings(Identity):
    """Loss on the model's own tokens only. Phase k of the curriculum mixes trajectories of 1 to k masks."""

    seed: int = 1
    curriculum: list[CurriculumPhase]
    tokens_per_step: Positive = 2048
    max_length: Positive = 1024
    optimiser: OptimiserSettings
    engineering: EngineeringSettings = EngineeringSettings()
    checkpoint_every: Positive = 100

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.curriculum)


class KeptQuestionSettings(Identity):
    """Which questions self-evolution asks; the others of their split are DAPO's."""

    split: Split = Split.RL
    share: Share = 0.5
    """The share of that split's questions kept for self-evolution; DAPO has the others."""
    seed: int = 1


class StudentSettings(KeptQuestionSettings):
    """The student answers fresh questions, and the judge says which answers are right."""

    questions: Positive = 1024
    rollouts: Positive = 1
    temperature: Annotated[float, Field(gt=0)] = 1.0
    part_rows: Positive = 200
    student_weight: Annotated[float, Field(gt=0)] = 1.0
    """How often an accepted student trajectory is drawn, relative to a teacher's."""
    min_accepted: int = 300


class EvolutionSettings(StudentSettings):
    """A round: the student answers fresh questions; what the judge accepts joins the data; it is trained further."""

    rounds: Positive = 1
    sft: SftSettings


class RewardSettings(Identity):
    format: Annotated[float, Field(ge=0)] = 0.2
    answer: Annotated[float, Field(ge=0)] = 0.8
    broken_format_factor: Share = 0.5
    """What remains of the answer's reward where the format is broken."""


class DapoSettings(Identity):
    """DAPO (arXiv 2503.14476), with live search."""

    seed: int = 1
    steps: Positive
    prompts: Positive = 16
    group: Annotated[int, Field(ge=2)] = 8
    minibatches: Positive = 3
    clip_low: Annotated[float, Field(gt=0, lt=1)] = 0.2
    clip_high: Annotated[float, Field(gt=0)] = 0.28
    max_generation_batches: Positive = 10
    """Batches drawn to fill one step with groups of unequal rewards; then the step goes on with what it has."""
    staleness: Annotated[int, Field(ge=0)] = 0
    """Versions by which a rollout may be older than the policy it trains; with 0 generation waits for every update."""
    in_flight: Literal["kept", "regenerated"] = "kept"
    """Rollouts under way when the policy is updated: they go on under the new weights, or begin anew."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    overlong_cache: Positive = 64
    """Tokens over which the penalty grows from 0 to -1, before the most that a model may write in all its turns: those
    of `agent.max_turn_tokens`, or `agent.max_tokens` where that is less. What the model reads is not counted."""
    importance_cap: Annotated[float, Field(ge=1)] = 2.0
    """Truncated importance weights correct the gap between the trainer's and the sampler's probabilities."""
    reward: RewardSettings = RewardSettings()
    curriculum: list[CurriculumPhase]
    optimiser: OptimiserSettings
    engineering: EngineeringSettings = EngineeringSettings()
    parity_tolerance: Annotated[float, Field(gt=0)] = 1e-3
    """The largest |Δ logprob| between trainer and engine after an update, fp32."""
    parity_tolerance_bf16: Annotated[float, Field(gt=0)] = 0.3
    """The same in bf16, where both round what every layer gives to 8 bits, each in an order of its own. Measured: .03
    for the sample's model, .22 for twelve layers of width 512; a head that had kept its old weights was off by .66."""
    checkpoint_every: Positive = 5

    @model_validator(mode="after")
    def _steps_agree(self) -> "DapoSettings":
        if self.steps != sum(phase.steps for phase in self.curriculum):
            raise ValueError("steps is not the sum of the curriculum's steps")
        if self.in_flight == "regenerated" and not self.staleness:
            raise ValueError("in_flight: with staleness 0 nothing is in flight when the policy is updated")
        return self

    @model_validator(mode="after")
    def _the_tolerance_is_that_of_the_precision(self) -> "DapoSettings":
        unread = "parity_tolerance" if self.engineering.dtype == "bf16" else "parity_tolerance_bf16"
        self.refuse_unread([unread], f"engineering.dtype is {self.engineering.dtype}")
        return self

    @property
    def largest_gap(self) -> float:
        """The parity tolerance of the precision that is used."""
        return self.parity_tolerance_bf16 if self.engineering.dtype == "bf16" else self.parity_tolerance


class EvaluationSettings(Identity):
    set: str = "ramp-test"
    split: Split = Split.TEST
    per_masks: Positive = 128
    seed: int = 1
    temperature: Annotated[float, Field(gt=0)] = 1.0
    part_rows: Positive = 512
    bootstrap: Positive = 10_000
