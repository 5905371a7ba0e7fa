"""Settings that change what is computed, for the data: from the dump or corpus to the questions."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas.identity import Identity, Positive, Share
from schemas.records import Split
from schemas.seams import ChatModelSettings, Kind, Seam
from schemas.set_settings import AnySet
from schemas.snapshot import SnapshotName, language_of

CLAIMS_A_GROUP = 4


class WorldSettings(Identity):
    """The made-up encyclopedia of the sample (tasks/corpus/smallworld.py)."""

    seed: int = 1
    """Seed of names, facts and texts."""
    families: dict[Split, Positive]
    """Families of entities in each split. A family has its own names, and no link leaves it."""
    towns: Annotated[int, Field(ge=2)] = 10
    """Towns in one family, at least 2. Every entity has its own short page."""
    firms: Positive = 10
    """Firms in one family."""
    people: Annotated[int, Field(ge=2)] = 14
    """People in one family, at least 2."""
    works: Positive = 6
    """Works in one family."""
    retellings: Positive = 30
    """Longer pages of one family that retell facts of several of its entities in other words."""
    edits: Share = 0.0
    """The share of entities in which one date or number differs from the same world without edits: a later snapshot of
    that world. 0: the first snapshot."""
    namesakes: Share = 0.0
    """The share of towns that have the name of another town of their family. Titles tell the two apart by the town that
    rules each, ``Velmo (Rasta)``; retellings use the plain name."""
    aliases: Share = 0.0
    """The share of entities with a second name: a redirect, which retellings and questions use half of the times."""
    descriptions: Share = 0.0
    """The share of sentences and of questions that start with a description in place of a name (the firm that …
    founded)."""
    questions: Annotated[int, Field(ge=0)] = 0
    """Questions about one family of one hop, as many of two, and as many of three, written beside the dump as
    ``questions.jsonl``. 0: no such file."""
    claims: Annotated[int, Field(ge=0, multiple_of=CLAIMS_A_GROUP)] = 0
    """Claims about one family of one hop, as many of two, and as many of three, written beside the dump as
    ``claims.jsonl``. Half of them are supported and half refuted; they come in fours. 0: no such file."""


class PageMarks(Identity):
    """What marks the pages of a kind, in addition to the table of known marks (tasks/templates/page_kinds.yaml).

    Names have no namespace, and case does not matter; ``*`` stands for any letters.
    """

    titles: list[str] = Field(default_factory=list)
    """Patterns of page titles."""
    templates: list[str] = Field(default_factory=list)
    """Names of templates that such a page uses."""
    categories: list[str] = Field(default_factory=list)
    """Names of categories that such a page is in."""


class CuttingSettings(Identity):
    """How the dump is cut into parts."""

    part_mb: Annotated[float, Field(gt=0)] = 16
    """Megabytes of the dump's file in one part: whole compressed streams, or XML."""


class CleaningSettings(CuttingSettings):
    """Which pages are dropped."""

    disambiguation: PageMarks = PageMarks()
    """Further marks of disambiguation pages, which are dropped."""
    list_pages: Literal["kept", "dropped"] = "kept"
    """Whether pages that are lists are kept."""
    lists: PageMarks = PageMarks()
    """Further marks of list pages; read only where `list_pages` is `dropped`."""

    @model_validator(mode="after")
    def _marks_where_they_are_used(self) -> Self:
        if self.list_pages == "kept" and self.lists != PageMarks():
            raise ValueError("lists would not be used: set list_pages: dropped")
        return self


class PageSettings(CleaningSettings):
    """How the dump becomes pages."""

    max_lost_share: Share = 0.01
    """The largest share of the dump that may be unreadable: damaged bytes of all bytes, and broken pages of all pages.
    A truncated file counts as lost entirely, since the extent of the loss is unknown. This limit changes no row, so it
    is not part of the fingerprint: a stage that it stopped continues under a higher limit."""


class CorpusCuttingSettings(Identity):
    """How the files of a corpus are cut into parts."""

    part_rows: Positive = 50_000
    """Records in one part; a part goes on to the end of its last title."""


class CorpusSettings(CorpusCuttingSettings):
    """Passages that exist already, in place of a dump (tasks/corpus/passage_files.py)."""

    passages: Annotated[str, Field(min_length=1)]
    """Path of a file of passages, of a folder of such files, or a pattern with ``*``; {wiki} and {date} stand for the
    snapshot's. A location, not identity: the corpus is known by the names of its files and their digests."""
    max_rejected_share: Share = 0.5
    """The largest share of records that may be rejected: above it, the files are probably not what they seem. This
    limit changes no row."""


class PassageSettings(Identity):
    """How pages become passages."""

    max_words: Positive = 200
    """Words of the longest passage; a longer paragraph is cut between sentences."""


class NearDuplicateSettings(Identity):
    """Of passages that are nearly the same only one becomes a question (tasks/corpus/near_duplicates.py)."""

    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """The estimated Jaccard similarity of shingles from which two passages are nearly the same. One changed word in
    fifty leaves .88, three leave .68."""
    words: Positive = 3
    """Words in a shingle."""
    characters: Positive = 6
    """Characters in a shingle, in languages that write words without spaces."""
    permutations: Annotated[int, Field(ge=16)] = 128
    """Hash values of a signature, at least 16. With 128 an estimate of .8 is right within .07 in 95% of cases."""
    seed: int = 1
    """Seed of the hash functions."""


class EncoderSettings(Identity):
    """A Hugging Face encoder for dense search; texts and queries become unit vectors."""

    path: str
    """The encoder's folder; the index records the digest of its files."""
    pooling: Literal["mean", "first"] = "mean"
    """How token states become one vector: their mean, or the first token's state."""
    max_tokens: Positive = 256
    """Tokens of a text that the encoder reads, at most; the rest is cut off."""
    query_prefix: str = ""
    """Text before every query, where the encoder was trained with one."""
    passage_prefix: str = ""
    """Text before every passage, where the encoder was trained with one."""


class SnapshotIndexSettings(Identity):
    """The search index over a snapshot's passages."""

    kind: Literal["bm25", "dense", "hybrid"] = "bm25"
    """`bm25` compares words, `dense` compares vectors of an encoder, `hybrid` fuses both by reciprocal ranks."""
    k1: Annotated[float, Field(ge=0)] = 0.9
    """BM25: how slowly repeated words stop adding to the score; 0: they count once."""
    b: Share = 0.4
    """BM25: how much the length of a passage matters; 0: not at all."""
    language: str | None = None
    """Language code that chooses Lucene's analyzer, which splits text into words; null: the snapshot's language."""
    encoder: EncoderSettings | None = None
    """The encoder of `dense` and `hybrid`; `bm25` has none."""

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
        """These settings with the snapshot's language filled in, unless one is set or words are not searched.

        Simple English is indexed as English.
        """
        default = language_of(snapshot).replace("simple", "en") if self.finds_words else "en"
        return IndexSettings.model_validate({**self.model_dump(), "language": self.language or default})


class IndexSettings(SnapshotIndexSettings):
    """The settings that an index is built with and identified by."""

    language: str = "en"
    """Language code that chooses Lucene's analyzer, which splits text into words."""


class ReferenceSettings(Identity):
    """A model that measures how hard a span is to guess without a search (tasks/ramp/surprisal.py)."""

    path: str
    """The model's folder (config.json, safetensors, tokenizer.json). The stage is identified by the digest of these
    files, not by their location: the model may move, or be deleted once all spans are weighed; a different model under
    the same label is refused."""
    max_tokens: Positive = 2048
    """Tokens of the longest text that the model weighs; spans in longer texts, or in texts that exceed the model's own
    limit, are not weighed."""


class SpanSettings(Kind):
    """What names the spans of a paragraph that may be masked. The rules of `tasks.spans.spans` hold for all of them."""

    default: ClassVar[str] = "links"
    has_stage: ClassVar[bool] = True
    """Whether the stage `spans` names them beforehand (tasks/spans/backends.py)."""


class LinkSpans(SpanSettings):
    """Links, dates and numbers, which the questions find in the text by themselves."""

    has_stage: ClassVar[bool] = False

    kind: Literal["links"] = "links"


class LlmSpans(ChatModelSettings, SpanSettings):
    """Spans that a chat model names (`runtime.span_endpoint`)."""

    kind: Literal["llm"] = "llm"
    temperature: Annotated[float, Field(ge=0)] = 0.0
    """`llm`: sampling temperature; 0: greedy."""
    seed: int = 1
    """`llm`: seed of sampling."""
    part_rows: Positive = 1000
    """Paragraphs in one part of the output."""


class CapitalisedSpans(SpanSettings):
    """Names by their capitals, dates and numbers, for passages without links (tasks/spans/capitalised.py)."""

    kind: Literal["capitalised"] = "capitalised"
    min_passages: Annotated[int, Field(ge=1)] = 2
    """Passages of the same part that contain the name, at least; a name that is a title there needs one."""


class SpacySpans(SpanSettings):
    """The entities that a spaCy pipeline finds."""

    kind: Literal["spacy"] = "spacy"
    model: str
    """The pipeline's name, such as en_core_web_sm, or its folder. It must be installed."""


SPANS = Seam[SpanSettings](
    "spans",
    SpanSettings,
    {"links": LinkSpans, "llm": LlmSpans, "spacy": SpacySpans, "capitalised": CapitalisedSpans},
    older_name="backend",
)
AnySpans = Annotated[SpanSettings, SPANS]


class LeakRunSettings(Identity):
    """What a training question must not share with an evaluation set."""

    words: Annotated[int, Field(ge=4)] = 13
    """Consecutive words (characters, in Chinese and Japanese) that a training question must not share with a set, at
    least 4."""
    fewest_words: Annotated[int, Field(ge=4)] = 8
    """Words of the shortest question that is searched for within a text, at least 4; a shorter question would match too
    much. Two whole questions are compared at any length."""
    evidence: bool = False
    """Whether passages that a set of the config's `sets` names as evidence must not be trained on either. By default
    they may, because search finds them in the same corpus; the files of `ramp.leaks.sets` are always read with their
    evidence."""

    @model_validator(mode="after")
    def _a_short_run_is_no_longer_than_a_run(self) -> Self:
        if self.fewest_words > self.words:
            raise ValueError(
                f"fewest_words is more than words ({self.fewest_words} > {self.words}): lower fewest_words"
            )
        return self


class LeakSettings(LeakRunSettings):
    """Questions that also appear in an evaluation set are not trained on (tasks/ramp/leaks.py).

    All sets of the config's `sets` are looked at, as far as their questions are evaluated or are of a split dev or test
    that nothing is trained on.
    """

    sets: list[AnySet] = Field(default_factory=list)
    """Further question sets, which the config does not evaluate. A path alone is a set of the kind `published`. The
    stage is identified by the sets' folders, names and contents, not by their locations."""
    unchecked: list[str] = Field(default_factory=list)
    """Names in the config's `sets` that are not looked at. Name a set that is evaluated only after a training, whose
    questions would otherwise have to be built again."""
    max_share: Share = 0.1
    """The share of the training questions of one set, or of RAMP, that may leak; they are rejected in any case. A
    larger share stops the run, because then a file or a split is probably the wrong one. It changes no row."""


class SplitSettings(Identity):
    """Which pages, and which questions about them, belong to the splits train, rl and test (tasks/ramp/splits.py)."""

    splits: Literal["table", "held_out"] = "table"
    """`table`: a table of pages beside the dump, as the small world has one. `held_out`: hashes of the titles of the
    page and of masked targets, for Wikipedia."""
    held_out_share: Share = 0.02
    """`held_out`: the share of pages (and of targets) whose questions form the test split."""
    rl_share: Share = 0.0
    """`held_out`: the share of the other pages whose questions form the rl split; 0: no rl split."""

    @model_validator(mode="after")
    def _shares_where_they_are_read(self) -> Self:
        if self.splits == "table":
            self.refuse_unread(
                ("held_out_share", "rl_share"), "splits table reads the splits from a file beside the dump"
            )
        return self


class ParagraphSettings(Identity):
    """Which paragraphs become questions, independent of the spans in them."""

    min_words: Positive = 50
    """Words of the shortest paragraph."""
    max_words: Positive = 200
    """Words of the longest paragraph."""
    min_sentences: Positive = 2
    """Sentences that a paragraph has at least."""


class TitleSettings(Identity):
    """What the prompt shows beside the paragraph."""

    show_title: bool = True
    """Whether the prompt names the page; the title is never masked."""


class NamedSpanSettings(ParagraphSettings):
    """Which paragraphs have their spans named, and by which backend."""

    spans: AnySpans = LinkSpans()
    """The backend that names spans."""


class WeighingSettings(ParagraphSettings, TitleSettings):
    """Which paragraphs the reference model weighs, and whether it reads their title."""


class MaskNumberSettings(Identity):
    """How many masks questions have."""

    masks: list[Annotated[int, Field(ge=1, le=4)]] = Field(default_factory=lambda: [1, 2, 3, 4])
    """Numbers of masks, each from 1 to 4. A paragraph with enough spans can become one question for each number."""

    @field_validator("masks")
    @classmethod
    def _each_number_once(cls, masks: list[int]) -> list[int]:
        if not masks or len(set(masks)) < len(masks):
            raise ValueError("name at least one number of masks, and each number once")
        return masks


class MaskingSettings(ParagraphSettings, TitleSettings, SplitSettings, MaskNumberSettings):
    """How a paragraph becomes questions, and how their evidence is searched for."""

    seed: int = 1
    """Seed of the draws of spans and of numbers of masks."""
    masks_per_paragraph: Annotated[int, Field(ge=1, le=4)] = 1
    """How many of the numbers in `masks` are drawn for one paragraph, 1 to 4: the questions that it becomes."""
    max_masked_share: Share = 0.45
    """The largest share of a paragraph's characters that may be masked."""
    evidence_hops: Annotated[int, Field(ge=1, le=3)] = 3
    """Searches in a row that may lead to a mask's evidence, 1 to 3."""
    evidence_hits: Positive = 10
    """Hits of each search that are checked for evidence."""
    max_queries_per_mask: Positive = 8
    """Queries that are tried for one mask's evidence, at most."""
    strategy: Literal["random", "perplexity", "mixed"] = "random"
    """Which spans are masked: drawn by weight (`random`), those that surprise the reference model most (`perplexity`),
    or one of the two for each paragraph (`mixed`)."""
    perplexity_share: Share = 0.5
    """`mixed`: the share of paragraphs whose masks are the most surprising spans."""

    @model_validator(mode="after")
    def _share_of_a_mixture(self) -> Self:
        if self.strategy != "mixed":
            self.refuse_unread(["perplexity_share"], f"strategy {self.strategy} mixes nothing")
        return self


class QuestionSettings(MaskingSettings):
    """What the stage `questions` reads."""

    spans: AnySpans = LinkSpans()
    """The backend that names spans."""
    masks_of: SnapshotName | None = None
    """An earlier snapshot under the same root whose questions are asked again: their masks stay, their evidence is
    new. It reads the questions labelled v1 there, or the config's label ``earlier/questions``. Null: new masks."""


class ChangeSettings(MaskingSettings):
    """What the stage `changes` reads."""

    changed_since: SnapshotName | None = None
    """An earlier snapshot under the same root: facts that differ from it become questions (stage `changes`). Null: no
    such stage."""


class RampSettings(QuestionSettings, ChangeSettings):
    """How paragraphs become questions (tasks/ramp)."""

    leaks: LeakSettings | None = LeakSettings()
    """How evaluation sets are kept out of what is trained on, RAMP or another set; null: no check."""
    reference: ReferenceSettings | None = None
    """The reference model. With it every question records its difficulty, and a mask that the model knows counts as
    given away; null: neither."""

    @model_validator(mode="after")
    def _reference_where_it_is_asked(self) -> Self:
        if self.strategy != "random" and self.reference is None:
            raise ValueError(f"strategy {self.strategy} needs ramp.reference.path: the folder of a reference model")
        return self

    @model_validator(mode="after")
    def _nothing_is_masked_where_masks_are_taken(self) -> Self:
        unused = self.reference is not None or self.spans.has_stage
        if self.masks_of is not None and unused:
            raise ValueError(
                "masks_of takes questions as they are: remove reference and spans, which would not be used"
            )
        return self
