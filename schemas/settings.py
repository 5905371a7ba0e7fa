"""Settings that change what is computed, for the agent and its models: teaching, training, evaluation."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from schemas.identity import Identity, Positive, Share
from schemas.records import Split
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


class MultiAgentTeacher(ChatModelSettings, TeacherSettings):
    """Planner, rewriter, observer and judge, played by one chat model (`runtime.teacher_endpoint`)."""

    kind: Literal["multi_agent"] = "multi_agent"


TEACHERS = Seam[TeacherSettings](
    "teachers", TeacherSettings, {"scripted": ScriptedTeacher, "multi_agent": MultiAgentTeacher}
)
AnyTeacher = Annotated[TeacherSettings, TEACHERS]


# -- models and training --------------------------------------------------------------------------------------------


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


class OptimiserSettings(Identity):
    """AdamW; the rate warms up linearly, stays, and falls linearly to its ``floor`` over the last ``decay_share``."""

    lr: Annotated[float, Field(gt=0)]
    """The highest learning rate."""
    betas: tuple[float, float] = (0.9, 0.98)
    """AdamW's decay rates of the first and second moments."""
    weight_decay: float = 0.01
    """AdamW's decoupled weight decay."""
    clip: Annotated[float, Field(gt=0)] = 1.0
    """The largest norm of the gradient; a longer gradient is scaled down to it."""
    warmup_steps: int = 50
    """Updates over which the rate rises linearly to `lr`; 0: no warm-up."""
    decay_share: Share = 0.3
    """The last share of all updates, over which the rate falls linearly; 0: no decay."""
    floor: Share = 0.1
    """The share of `lr` that the rate falls to."""


class EngineeringSettings(Identity):
    """How the arithmetic is done; part of identity because it changes the numbers."""

    dtype: Literal["fp32", "bf16"] = "fp32"
    """Precision of weights and activations in training."""
    zero_stage: Literal[1, 2, 3] = 1
    """DeepSpeed's ZeRO stage: ranks share out the optimiser's state (1), gradients too (2), weights too (3)."""
    activation_checkpointing: bool = False
    """Whether activations are computed again in the backward pass instead of being kept: slower, in less memory."""
    micro_batch_tokens: Positive = 1024
    """Tokens, at most, that go through the model at once on one rank. Sequences are packed into one row, where none
    sees another. A step takes as many such rows as it needs; a longer sequence has a row for itself."""


class CurriculumPhase(Identity):
    """A phase of a curriculum: it mixes data of 1 to ``max_masks`` masks."""

    max_masks: Annotated[int, Field(ge=1, le=4)]
    """The largest number of masks in this phase, 1 to 4."""
    steps: Positive
    """Steps of the phase."""


class BaseSettings(Identity):
    """Language modelling on all tokens of the train split's text, in documents that follow links between pages."""

    seed: int = 1
    """Seed of the order of documents."""
    steps: Positive
    """Updates of the weights."""
    tokens_per_step: Positive = 2048
    """Tokens of one step, over all ranks."""
    document_tokens: Positive = 256
    """Tokens of one document: passages joined along links, then cut."""
    optimiser: OptimiserSettings
    """Learning rate and schedule."""
    engineering: EngineeringSettings = EngineeringSettings()
    """Precision, ZeRO and micro-batches."""
    checkpoint_every: Positive = 100
    """Steps between checkpoints."""


class SftSettings(Identity):
    """Supervised fine-tuning; the loss is on the model's own tokens only."""

    seed: int = 1
    """Seed of the order of trajectories."""
    curriculum: list[CurriculumPhase]
    """The phases, in order. Phase k mixes trajectories of 1 to k masks in equal numbers."""
    tokens_per_step: Positive = 2048
    """Tokens of one step on average, over all ranks: whole trajectories."""
    max_length: Positive = 1024
    """Tokens of the longest trajectory that is trained on; longer ones are left out and counted."""
    optimiser: OptimiserSettings
    """Learning rate and schedule."""
    engineering: EngineeringSettings = EngineeringSettings()
    """Precision, ZeRO and micro-batches."""
    checkpoint_every: Positive = 100
    """Steps between checkpoints."""

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.curriculum)


class KeptQuestionSettings(Identity):
    """Which questions self-evolution asks; DAPO trains on the others of that split."""

    split: Split = Split.RL
    """The split whose questions self-evolution asks."""
    share: Share = 0.5
    """The share of that split's questions kept for self-evolution; DAPO has the others."""
    seed: int = 1
    """Seed of the draw of questions."""


class StudentSettings(KeptQuestionSettings):
    """The student answers fresh questions, and the judge decides which answers are right."""

    questions: Positive = 1024
    """Questions of one round."""
    rollouts: Positive = 1
    """Trajectories for each question."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Sampling temperature."""
    part_rows: Positive = 200
    """Trajectories in one part of the output."""
    student_weight: Annotated[float, Field(gt=0)] = 1.0
    """How often an accepted student trajectory is drawn, relative to a teacher's."""
    min_accepted: int = 300
    """Accepted trajectories below which a round fails its gate; 0: no limit."""
    judge: AnyJudge = RuleJudge()
    """The judge of the answers."""


class EvolutionSettings(StudentSettings):
    """Self-evolution: in each round the student answers fresh questions, and is trained on what the judge accepts."""

    rounds: Positive = 1
    """Rounds of answering and training."""
    sft: SftSettings
    """The training at the end of a round, on the teacher's and all accepted student trajectories."""


class RewardSettings(Kind):
    """What a rollout earns: for its form, and for its answer, which the kind scores (trainers/rl/rewards)."""

    default: ClassVar[str] = "recall"

    format: Annotated[float, Field(ge=0)] = 0.2
    """Reward of a trajectory whose tags are all in order."""
    answer: Annotated[float, Field(ge=0)] = 0.8
    """The weight of the answer's score, which is from 0 to 1."""
    broken_format_factor: Share = 0.5
    """The share of the answer's reward that remains where the form is broken."""


class RecallReward(RewardSettings):
    """The mean token recall over masks."""

    kind: Literal["recall"] = "recall"


REWARDS = Seam[RewardSettings]("rewards", RewardSettings, {"recall": RecallReward})
AnyReward = Annotated[RewardSettings, REWARDS]


class DapoSettings(Identity):
    """DAPO (arXiv 2503.14476), with live search."""

    seed: int = 1
    """Seed of the prompts' order, of sampling and of mini-batches."""
    prompts: Positive = 16
    """Groups of unequal rewards that one step trains on."""
    group: Annotated[int, Field(ge=2)] = 8
    """Rollouts of one prompt."""
    minibatches: Positive = 3
    """Updates of the weights in one step."""
    clip_low: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """How far below 1 the probability ratio is clipped."""
    clip_high: Annotated[float, Field(gt=0)] = 0.28
    """How far above 1 the probability ratio is clipped."""
    max_generation_batches: Positive = 10
    """Batches of prompts that may be drawn to fill one step with groups of unequal rewards; after that the step trains
    on the groups that it has."""
    staleness: Annotated[int, Field(ge=0)] = 0
    """Versions by which a rollout may be older than the policy that it trains; 0: generation waits for every update."""
    in_flight: Literal["kept", "regenerated"] = "kept"
    """What happens to unfinished rollouts when the policy is updated: they go on under the new weights (`kept`), or
    start again (`regenerated`)."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Sampling temperature."""
    overlong_cache: Positive = 64
    """Tokens over which the penalty for length grows from 0 to -1. It ends at the most that a model may write in all
    its turns: the sum of `agent.max_turn_tokens`, or `agent.max_tokens` where that is less. What the model reads does
    not count."""
    importance_cap: Annotated[float, Field(ge=1)] = 2.0
    """The largest importance weight; these weights correct the gap between the trainer's and the sampler's
    probabilities."""
    reward: AnyReward = RecallReward()
    """The reward of a rollout."""
    curriculum: list[CurriculumPhase]
    """The phases, in order. Phase k mixes questions of 1 to k masks in equal numbers."""
    optimiser: OptimiserSettings
    """Learning rate and schedule; its steps are updates (`steps` times `minibatches`)."""
    engineering: EngineeringSettings = EngineeringSettings()
    """Precision, ZeRO and micro-batches."""
    parity_tolerance: Annotated[float, Field(gt=0)] = 1e-3
    """The largest |Δ logprob| between trainer and engine after an update, in fp32."""
    parity_tolerance_bf16: Annotated[float, Field(gt=0)] = 0.3
    """The same in bf16, where trainer and engine round each layer's output to 8 bits in different orders. Measured:
    .03 for the sample's model, .22 for twelve layers of width 512; a head that had kept its old weights was off by
    .66."""
    checkpoint_every: Positive = 5
    """Steps between checkpoints."""

    @model_validator(mode="after")
    def _only_a_stream_has_rollouts_in_flight(self) -> "DapoSettings":
        if self.in_flight == "regenerated" and not self.staleness:
            raise ValueError("in_flight: with staleness 0 nothing is in flight when the policy is updated")
        return self

    @model_validator(mode="after")
    def _the_tolerance_is_that_of_the_precision(self) -> "DapoSettings":
        unread = "parity_tolerance" if self.engineering.dtype == "bf16" else "parity_tolerance_bf16"
        self.refuse_unread([unread], f"engineering.dtype is {self.engineering.dtype}")
        return self

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.curriculum)

    @property
    def largest_gap(self) -> float:
        """The parity tolerance of the precision that is used."""
        return self.parity_tolerance_bf16 if self.engineering.dtype == "bf16" else self.parity_tolerance


class EvaluationSettings(Identity):
    """Which questions every model answers."""

    set: str = "ramp-test"
    """The name of the set in answers and scores."""
    split: Split = Split.TEST
    """The split whose questions are asked."""
    per_masks: Positive = 128
    """Questions for each number of masks (`ramp.masks`)."""
    seed: int = 1
    """Seed of the draw of questions and of sampling."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Temperature of sampled decoding; every question is answered greedily as well."""
    part_rows: Positive = 512
    """Answers in one part of the output."""
    bootstrap: Positive = 10_000
    """Resamples of the bootstrap behind confidence intervals and paired differences."""
