"""Settings that change what is computed, of the data: from the dump to the questions."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas.identity import Identity, Positive, Share
from schemas.records import Split
from schemas.seams import ChatModelSettings, Kind, Seam
from schemas.snapshot import SnapshotName, language_of


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
    """What marks the pages of a kind, besides what is known of each wiki (tasks/templates/page_kinds.yaml).

    Names without namespace, in any case; ``*`` stands for any letters.
    """

    titles: list[str] = Field(default_factory=list)
    templates: list[str] = Field(default_factory=list)
    categories: list[str] = Field(default_factory=list)


class CuttingSettings(Identity):
    part_mb: Annotated[float, Field(gt=0)] = 16
    """Megabytes of the dump's file that make one part: of whole compressed streams, or of XML."""


class CleaningSettings(CuttingSettings):
    disambiguation: PageMarks = PageMarks()
    list_pages: Literal["kept", "dropped"] = "kept"
    lists: PageMarks = PageMarks()

    @model_validator(mode="after")
    def _marks_where_they_are_used(self) -> Self:
        if self.list_pages == "kept" and self.lists != PageMarks():
            raise ValueError("lists would not be used: set list_pages: dropped")
        return self


class PageSettings(CleaningSettings):
    max_lost_share: Share = 0.01
    """The share of the dump that may be unreadable: damaged bytes of all, and broken pages of all pages. A file that is
    cut off counts as all of it, since nobody knows what is missing. A limit, which changes no row: no fingerprint holds
    it, and a stage that it stopped goes on under a higher one."""


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


class SnapshotIndexSettings(Identity):
    """`bm25` finds words, `dense` meanings, `hybrid` fuses both by reciprocal ranks."""

    kind: Literal["bm25", "dense", "hybrid"] = "bm25"
    k1: Annotated[float, Field(ge=0)] = 0.9
    b: Share = 0.4
    language: str | None = None
    """What a word is depends on it; None: the snapshot's."""
    encoder: EncoderSettings | None = None

    @property
    def finds_words(self) -> bool:
        return self.kind != "dense"

    @property
    def finds_meanings(self) -> bool:
        return self.kind != "bm25"

    @model_validator(mode="after")
    def _encoder_where_it_is_used(self) -> Self:
        if self.finds_meanings != (self.encoder is not None):
            raise ValueError(f"kind {self.kind} {'has no' if self.encoder else 'needs an'} encoder")
        return self

    def of(self, snapshot: str) -> "IndexSettings":
        """With the language of that snapshot, where none is named and words are searched. Simple English is English."""
        told = language_of(snapshot).replace("simple", "en") if self.finds_words else "en"
        return IndexSettings.model_validate({**self.model_dump(), "language": self.language or told})


class IndexSettings(SnapshotIndexSettings):
    """What an index is built with, and known by."""

    language: str = "en"


class ReferenceSettings(Identity):
    """A model that says how hard a span is to guess without a search (tasks/ramp/surprisal.py)."""

    path: str
    """Its folder (config.json, safetensors, tokenizer.json). A location, not identity: it is known by its digest.
    A model may move, or be deleted once all is weighed; another one is refused under the same label."""
    max_tokens: Positive = 2048
    """Spans whose text is longer, or longer than the model reads, are not weighed."""


class SpanSettings(Kind):
    """What names the spans of a paragraph that may be masked. The rules of `tasks.ramp.spans` hold for all of them."""

    default: ClassVar[str] = "links"
    has_stage: ClassVar[bool] = True
    """Whether the stage `spans` names them beforehand (tasks/ramp/span_backends.py)."""


class LinkSpans(SpanSettings):
    """Links, dates and numbers, which the questions find in the text by themselves."""

    has_stage: ClassVar[bool] = False

    kind: Literal["links"] = "links"


class LlmSpans(ChatModelSettings, SpanSettings):
    """Spans that a chat model names (`runtime.span_endpoint`)."""

    kind: Literal["llm"] = "llm"
    temperature: Annotated[float, Field(ge=0)] = 0.0
    seed: int = 1
    part_rows: Positive = 1000
    """Paragraphs of one part."""


class SpacySpans(SpanSettings):
    """The entities that a spaCy pipeline finds."""

    kind: Literal["spacy"] = "spacy"
    model: str
    """The pipeline's name, such as en_core_web_sm, or its folder. It must be installed."""


SPANS = Seam[SpanSettings](
    "spans", SpanSettings, {"links": LinkSpans, "llm": LlmSpans, "spacy": SpacySpans}, older_name="backend"
)
AnySpans = Annotated[SpanSettings, SPANS]


class LeakRunSettings(Identity):
    """Runs of words that a paragraph may not share with an evaluation set."""

    words: Annotated[int, Field(ge=4)] = 13
    """Words in a row (characters, in Chinese and Japanese) that a paragraph may not share with a set."""
    fewest_words: Annotated[int, Field(ge=4)] = 8
    """Questions of fewer words than that are not looked for."""

    @model_validator(mode="after")
    def _a_short_run_is_no_longer_than_a_run(self) -> Self:
        if self.fewest_words > self.words:
            raise ValueError("fewest_words is more than words")
        return self


class SetSettings(Kind):
    """A question set: its file, and how it is read (tasks/sets/registry.py)."""

    default: ClassVar[str] = "published"

    path: str
    """A location, not identity: the set is known by the names of its folder and file, and by the file's digest."""


class PublishedSet(SetSettings):
    """JSON or CSV in one of the layouts in which sets are published (tasks/sets/datasets.py)."""

    kind: Literal["published"] = "published"


SETS = Seam[SetSettings]("sets", SetSettings, {"published": PublishedSet}, short="path")
AnySet = Annotated[SetSettings, SETS]


class LeakSettings(LeakRunSettings):
    """Questions whose paragraph stands in an evaluation set are not trained on (tasks/ramp/leaks.py)."""

    sets: Annotated[list[AnySet], Field(min_length=1)]
    """A path alone is a set of the kind `published`."""


class SplitSettings(Identity):
    """Which pages, and which questions about them, belong to the splits train, rl and test (tasks/ramp/splits.py)."""

    splits: Literal["table", "held_out"] = "table"
    """Small world: a table of pages beside the dump. Wikipedia: hashes of the titles of page and masked targets."""
    held_out_share: Share = 0.02
    """Wikipedia: the share of pages (and of targets) whose questions are the test split."""
    rl_share: Share = 0.0
    """Wikipedia: the share of the other pages whose questions are the rl split."""

    @model_validator(mode="after")
    def _shares_where_they_are_read(self) -> Self:
        if self.splits == "table":
            self.refuse_unread(("held_out_share", "rl_share"), "splits table takes the splits from beside the dump")
        return self


class ParagraphSettings(Identity):
    """Which paragraphs are asked about, whatever is masked in them."""

    min_words: Positive = 50
    max_words: Positive = 200
    min_sentences: Positive = 2


class TitleSettings(Identity):
    show_title: bool = True
    """Whether the prompt names the page; the title is never masked."""


class NamedSpanSettings(ParagraphSettings):
    """Which paragraphs have their spans named, and how."""

    spans: AnySpans = LinkSpans()


class WeighingSettings(ParagraphSettings, TitleSettings):
    """Which paragraphs the reference model weighs, and what it reads of them."""


class MaskNumberSettings(Identity):
    masks: list[Annotated[int, Field(ge=1, le=4)]] = Field(default_factory=lambda: [1, 2, 3, 4])
    """Numbers of masks to make from a paragraph that has spans enough, one question each."""

    @field_validator("masks")
    @classmethod
    def _each_number_once(cls, masks: list[int]) -> list[int]:
        if not masks or len(set(masks)) < len(masks):
            raise ValueError("name at least one number of masks, and each once")
        return masks


class MaskingSettings(ParagraphSettings, TitleSettings, SplitSettings, MaskNumberSettings):
    """How a paragraph becomes questions, and how their evidence is looked for."""

    seed: int = 1
    masks_per_paragraph: Annotated[int, Field(ge=1, le=4)] = 1
    """How many of those numbers are drawn for one paragraph."""
    max_masked_share: Share = 0.45
    evidence_hops: Annotated[int, Field(ge=1, le=3)] = 3
    evidence_hits: Positive = 10
    max_queries_per_mask: Positive = 8
    strategy: Literal["random", "perplexity", "mixed"] = "random"
    """Which spans are masked: drawn by weight, or those that surprise the reference model most; mixed is both."""
    perplexity_share: Share = 0.5
    """Mixed: the share of paragraphs whose masks are those that surprise most."""

    @model_validator(mode="after")
    def _share_of_a_mixture(self) -> Self:
        if self.strategy != "mixed":
            self.refuse_unread(["perplexity_share"], f"strategy {self.strategy} is no mixture")
        return self


class QuestionSettings(MaskingSettings):
    """What the stage `questions` reads."""

    spans: AnySpans = LinkSpans()
    masks_of: SnapshotName | None = None
    """An earlier snapshot under the same root whose questions are asked: their masks stay, their evidence is new. They
    are those with the label v1 there, or the config's label ``earlier/questions``."""


class ChangeSettings(MaskingSettings):
    """What the stage `changes` reads."""

    changed_since: SnapshotName | None = None
    """An earlier snapshot under the same root: what differs from it becomes questions of its own (stage changes)."""


class RampSettings(QuestionSettings, ChangeSettings):
    """How paragraphs become questions (tasks/ramp)."""

    leaks: LeakSettings | None = None
    reference: ReferenceSettings | None = None
    """Where one is named every question has its difficulty, and a mask that the model knows is given away."""

    @model_validator(mode="after")
    def _reference_where_it_is_asked(self) -> Self:
        if self.strategy != "random" and self.reference is None:
            raise ValueError(f"strategy {self.strategy} needs ramp.reference.path: the folder of a model to ask")
        return self

    @model_validator(mode="after")
    def _nothing_is_masked_where_masks_are_taken(self) -> Self:
        unused = self.reference is not None or self.spans.has_stage or self.leaks is not None
        if self.masks_of is not None and unused:
            raise ValueError("masks_of takes questions as they are: reference, spans and leaks would not be used")
        return self
