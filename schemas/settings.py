"""Settings that change what is computed: a model for every section of a config, part of a stage's fingerprint."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.records import Split
from schemas.snapshot import SnapshotName

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


class Identity(BaseModel):
    """Settings that are part of a stage's fingerprint."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# -- corpus and index -----------------------------------------------------------------------------------------------


class WorldSettings(Identity):
    """The made-up encyclopedia of the sample (tasks/corpus/smallworld.py)."""

    seed: int = 1
    families: dict[Split, Positive]
    """Families of entities by split: each has its own names, and no link leaves it."""
    towns: Annotated[int, Field(ge=2)] = 10
    firms: Positive = 10
    people: Annotated[int, Field(ge=2)] = 14
    works: Positive = 6
    """Entities of each kind in one family, each with its own short page."""
    retellings: Positive = 30
    """Longer pages of one family that retell facts of several of its entities in other words."""
    edits: Share = 0.0
    """The share of entities of which one date or number is another than without edits: the same world, later."""


class PageMarks(Identity):
    """What marks the pages of a kind, besides what is known of each wiki (tasks/corpus/page_kinds.yaml).

    Names without namespace, in any case; ``*`` stands for any letters.
    """

    titles: list[str] = []
    templates: list[str] = []
    categories: list[str] = []


class PageSettings(Identity):
    part_mb: Annotated[float, Field(gt=0)] = 16
    """Compressed megabytes of whole streams that make one part."""
    disambiguation: PageMarks = PageMarks()
    list_pages: Literal["kept", "dropped"] = "kept"
    lists: PageMarks = PageMarks()
    max_lost_share: Share = 0.01
    """The share of the dump that may be unreadable: damaged bytes of all, and broken pages of all pages. A file that is
    cut off counts as all of it, since nobody knows what is missing. A limit, which changes no row: no fingerprint holds
    it, and a stage that it stopped goes on under a higher one."""

    @model_validator(mode="after")
    def _marks_where_they_are_used(self) -> "PageSettings":
        if self.list_pages == "kept" and self.lists != PageMarks():
            raise ValueError("lists would not be used: set list_pages: dropped")
        return self


class PassageSettings(Identity):
    max_words: Positive = 200


class NearDuplicateSettings(Identity):
    """Passages that say nearly the same become questions once (tasks/corpus/near_duplicates.py)."""

    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """The Jaccard similarity of shingles, as estimated, from which two passages are nearly the same. One other word of
    fifty leaves .88, three leave .68."""
    words: Positive = 3
    """Words in a shingle …"""
    characters: Positive = 6
    """… and characters, where words are written without spaces."""
    permutations: Annotated[int, Field(ge=16)] = 128
    """Values of a signature. With 128 an estimate of .8 is right within .07, nineteen times of twenty."""
    seed: int = 1


class EncoderSettings(Identity):
    """A Hugging Face encoder for dense search; texts and queries become unit vectors."""

    path: str
    """Its folder; the index remembers the digest of what is in it."""
    pooling: Literal["mean", "first"] = "mean"
    max_tokens: Positive = 256
    query_prefix: str = ""
    passage_prefix: str = ""


class IndexSettings(Identity):
    """`bm25` finds words, `dense` meanings, `hybrid` fuses both by reciprocal ranks."""

    kind: Literal["bm25", "dense", "hybrid"] = "bm25"
    k1: Annotated[float, Field(ge=0)] = 0.9
    b: Share = 0.4
    language: str = "en"
    encoder: EncoderSettings | None = None

    @model_validator(mode="after")
    def _encoder_where_it_is_used(self) -> "IndexSettings":
        if (self.kind == "bm25") == (self.encoder is not None):
            raise ValueError(f"kind {self.kind} {'has no' if self.encoder else 'needs an'} encoder")
        return self


class ReferenceSettings(Identity):
    """A model that says how hard a span is to guess without a search (tasks/ramp/surprisal.py)."""

    path: str
    """Its folder (config.json, safetensors, tokenizer.json). A location, not identity: it is known by its digest."""
    max_tokens: Positive = 2048
    """Spans whose text is longer, or longer than the model reads, are not weighed."""


class SpanSettings(Identity):
    """Who says what of a paragraph may be masked. The rules of `tasks.ramp.spans` hold for whatever is named.

    `links` takes links, dates and numbers, and needs no model; `llm` asks a chat model (`runtime.span_endpoint`);
    `spacy` takes the entities of a pipeline that is installed.
    """

    backend: Literal["links", "llm", "spacy"] = "links"
    model: str | None = None
    """`spacy`: the pipeline's name or folder; `llm`: the model's name (default: the first that the endpoint lists)."""
    temperature: Annotated[float, Field(ge=0)] = 0.0
    seed: int = 1
    part_rows: Positive = 1000
    """`llm`: paragraphs of one part."""

    @model_validator(mode="after")
    def _model_where_it_is_used(self) -> "SpanSettings":
        if self.backend == "spacy" and self.model is None:
            raise ValueError("backend spacy needs model: the name of an installed pipeline, such as en_core_web_sm")
        if self.backend == "links" and self.model is not None:
            raise ValueError("backend links asks no model")
        return self


class LeakSettings(Identity):
    """Questions whose paragraph stands in an evaluation set are not trained on (tasks/ramp/leaks.py)."""

    sets: Annotated[list[str], Field(min_length=1)]
    """Files of questions (layouts: tasks/evaluation/datasets.py). Locations: they are known by folder and name."""
    words: Annotated[int, Field(ge=4)] = 13
    """Words in a row (characters, in Chinese and Japanese) that a paragraph may not share with a set."""
    fewest_words: Annotated[int, Field(ge=4)] = 8
    """Questions of fewer words than that are not looked for."""

    @model_validator(mode="after")
    def _a_short_run_is_no_longer_than_a_run(self) -> "LeakSettings":
        if self.fewest_words > self.words:
            raise ValueError("fewest_words is more than words")
        return self


class RampSettings(Identity):
    """How paragraphs become questions (tasks/ramp)."""

    seed: int = 1
    min_words: Positive = 50
    max_words: Positive = 200
    min_sentences: Positive = 2
    masks: list[Annotated[int, Field(ge=1, le=4)]] = [1, 2, 3, 4]
    """Numbers of masks to make from a paragraph that has spans enough, one question each."""
    masks_per_paragraph: Annotated[int, Field(ge=1, le=4)] = 1
    """How many of those numbers are drawn for one paragraph."""
    max_masked_share: Share = 0.45
    show_title: bool = True
    """Whether the prompt names the page; the title is never masked."""
    evidence_hops: Annotated[int, Field(ge=1, le=3)] = 3
    evidence_hits: Positive = 10
    max_queries_per_mask: Positive = 8
    splits: Literal["table", "held_out"] = "table"
    """Small world: a table of pages beside the dump. Wikipedia: hashes of the titles of page and masked targets."""
    held_out_share: Share = 0.02
    """Wikipedia: the share of pages (and of targets) whose questions are the test split."""
    rl_share: Share = 0.0
    """Wikipedia: the share of the other pages whose questions are the rl split."""
    spans: SpanSettings = SpanSettings()
    leaks: LeakSettings | None = None
    masks_of: SnapshotName | None = None
    """An earlier snapshot under the same root whose questions are asked: their masks stay, their evidence is new."""
    changed_since: SnapshotName | None = None
    """An earlier snapshot under the same root: what differs from it becomes questions of its own (stage changes)."""
    strategy: Literal["random", "perplexity", "mixed"] = "random"
    """Which spans are masked: drawn by weight, or those that surprise the reference model most; mixed is both."""
    perplexity_share: Share = 0.5
    """Mixed: the share of paragraphs whose masks are those that surprise most."""
    reference: ReferenceSettings | None = None
    """Where one is named every question has its difficulty, and a mask that the model knows is given away."""

    @model_validator(mode="after")
    def _reference_where_it_is_asked(self) -> "RampSettings":
        if self.strategy != "random" and self.reference is None:
            raise ValueError(f"strategy {self.strategy} needs ramp.reference.path: the folder of a model to ask")
        return self

    @model_validator(mode="after")
    def _nothing_is_masked_where_masks_are_taken(self) -> "RampSettings":
        unused = self.reference is not None or self.spans.backend != "links" or self.leaks is not None
        if self.masks_of is not None and unused:
            raise ValueError("masks_of takes questions as they are: reference, spans and leaks would not be used")
        return self


# -- the agent ------------------------------------------------------------------------------------------------------


class AgentSettings(Identity):
    """The loop of one trajectory, the same for teacher, student, trainer and evaluation."""

    instruction: str = ""
    """Stands behind the question, after a blank line; may be empty for a model that learns the task by training."""
    hits: Positive = 3
    max_searches: Positive = 4
    max_turn_tokens: Positive = 500
    max_information_tokens: Positive = 500
    max_tokens: Positive = 4096
    """Prompt, turns and information together."""
    hold_back: Literal["page", "passage"] = "passage"
    """What of the question's own source search must not return."""

    @property
    def max_turns(self) -> int:
        return self.max_searches + 1


class TeacherSettings(Identity):
    kind: Literal["scripted", "multi_agent"] = "scripted"
    seed: int = 1
    rollouts: Positive = 1
    part_rows: Positive = 200
    splits: list[Split] = [Split.TRAIN]
    model: str | None = None
    """Multi-agent: the name of the model behind the endpoint (`runtime.teacher_endpoint`)."""
    temperature: Annotated[float, Field(ge=0)] = 0.7


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
    """Tokens, about, that go through the model at once on one rank: sequences packed into one row, none of which sees
    another. A step is made of as many such rows as its tokens fill; a sequence that is longer has a row of its own."""


class CurriculumStage(Identity):
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
    """Loss on the model's own tokens only. Stage k of the curriculum mixes trajectories of 1..k masks."""

    seed: int = 1
    curriculum: list[CurriculumStage]
    tokens_per_step: Positive = 2048
    max_length: Positive = 1024
    optimiser: OptimiserSettings
    engineering: EngineeringSettings = EngineeringSettings()
    checkpoint_every: Positive = 100

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.curriculum)


class EvolutionSettings(Identity):
    """A round: the student answers fresh questions; what the judge accepts joins the data; it is trained further."""

    rounds: Positive = 1
    split: Split = Split.RL
    share: Share = 0.5
    """The share of that split's questions kept for self-evolution; DAPO has the others."""
    questions: Positive = 1024
    rollouts: Positive = 1
    temperature: Annotated[float, Field(gt=0)] = 1.0
    seed: int = 1
    part_rows: Positive = 200
    student_weight: Annotated[float, Field(gt=0)] = 1.0
    """How often an accepted student trajectory is drawn, relative to a teacher's."""
    min_accepted: int = 300
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
    """Tokens before `agent.max_tokens` over which the penalty grows from 0 to -1."""
    importance_cap: Annotated[float, Field(ge=1)] = 2.0
    """Truncated importance weights correct the gap between the trainer's and the sampler's probabilities."""
    reward: RewardSettings = RewardSettings()
    curriculum: list[CurriculumStage]
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
        if self.steps != sum(stage.steps for stage in self.curriculum):
            raise ValueError("steps is not the sum of the curriculum's steps")
        if self.in_flight == "regenerated" and not self.staleness:
            raise ValueError("in_flight: with staleness 0 nothing is in flight when the policy is updated")
        return self

    @model_validator(mode="after")
    def _the_tolerance_is_that_of_the_precision(self) -> "DapoSettings":
        unread = "parity_tolerance" if self.engineering.dtype == "bf16" else "parity_tolerance_bf16"
        if getattr(self, unread) != type(self).model_fields[unread].default:
            raise ValueError(f"{unread} would not be read: engineering.dtype is {self.engineering.dtype}")
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
