"""Settings that change what is computed in training: optimisation, curricula, and what each kind of step adds."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from schemas.identity import Identity, Positive, Share
from schemas.records import Split
from schemas.seams import Kind, Seam
from schemas.settings import AnyJudge, RuleJudge


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
    """A phase of a curriculum. On RAMP it mixes questions of 1 to `max_masks` masks, on a set of 1 to `max_hops` hops.

    Without a bound it takes all questions.
    """

    max_masks: Annotated[int, Field(ge=1, le=4)] | None = None
    """The largest number of masks in this phase, 1 to 4."""
    max_hops: Annotated[int, Field(ge=1)] | None = None
    """The largest number of hops in this phase. Questions whose number of hops is unknown are in every phase."""
    steps: Positive
    """Steps of the phase."""

    @property
    def bound(self) -> int | None:
        """The largest level (`Question.level`) in this phase; None if there is no bound."""
        return self.max_masks if self.max_hops is None else self.max_hops

    @property
    def unit(self) -> str:
        return "masks" if self.max_hops is None else "hops"


class LanguageModellingSettings(Identity):
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
    """The phases, in order. A phase of up to k masks mixes trajectories of 1 to k masks in equal numbers."""
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


class AskedQuestions(Identity):
    """The questions that a step of training asks: a share of one split."""

    split: Split = Split.RL
    """The split whose questions are asked."""
    share: tuple[Share, Share] = (0.0, 1.0)
    """Which of these questions, by a hash of their ids: from the first number to the second. Steps whose shares do not
    overlap ask different questions."""

    @field_validator("share")
    @classmethod
    def _a_range(cls, share: tuple[float, float]) -> tuple[float, float]:
        if share[0] >= share[1]:
            raise ValueError(f"share {list(share)} holds no question: its first number must be less than its second")
        return share


class SamplingSettings(AskedQuestions):
    """The student answers questions with live search, and the judge decides which answers are right."""

    seed: int = 1
    """Seed of the draw of questions, and of sampling."""
    questions: Positive = 1024
    """Questions that are asked."""
    rollouts: Positive = 1
    """Trajectories for each question."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Sampling temperature."""
    part_rows: Positive = 200
    """Trajectories in one part of the output."""
    min_accepted: int = 300
    """Accepted trajectories below which the stage fails its gate; 0: no limit."""
    judge: AnyJudge = RuleJudge()
    """The judge of the answers."""


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
    """The mean token recall over masks; of a question, the share of the gold's words that the answer has."""

    kind: Literal["recall"] = "recall"


class F1Reward(RewardSettings):
    """F1 of the answer's words. Unlike `recall` it falls with every word that does not belong to the answer."""

    kind: Literal["f1"] = "f1"


class ExactReward(RewardSettings):
    """The share of masks that are filled in exactly; of a question, whether the answer is an exact match."""

    kind: Literal["exact"] = "exact"


REWARDS = Seam[RewardSettings](
    "rewards", RewardSettings, {"recall": RecallReward, "f1": F1Reward, "exact": ExactReward}
)
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
    """The phases, in order. A phase of up to k masks mixes questions of 1 to k masks in equal numbers."""
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
        return sum(phase.steps for phase in self.curriculum)

    @property
    def largest_gap(self) -> float:
        """The parity tolerance of the precision that is used."""
        return self.parity_tolerance_bf16 if self.engineering.dtype == "bf16" else self.parity_tolerance
