"""The tokenizer: trained on text of the train split, or adopted from a model's folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from schemas.config import PipelineConfig
from schemas.corpus_settings import SplitSettings
from schemas.identity import Reads
from schemas.manifest import StageManifest
from schemas.records import Passage, Split
from schemas.settings import TokenizerSettings
from tasks.agent.protocol import CLAIM_IS_ASKED
from tasks.corpus.smallworld import CLAIMS
from tasks.corpus.worldclaims import WorldClaim
from tasks.ledger import storage
from tasks.making.context import Making
from tasks.making.needs import Folder
from tasks.making.stage import DataStage
from tasks.sets.records import records_of
from tasks.stages.passages import PassageStage
from tasks.stages.source import source_in, splits_in


class TokenizerReads(Reads):
    """An adopted tokenizer does not depend on passages: it is identified by its path alone."""

    tokenizer: TokenizerSettings


class TrainedTokenizerReads(TokenizerReads):
    ramp: SplitSettings


@dataclass(frozen=True, kw_only=True)
class TokenizerStage(DataStage[TokenizerReads]):
    stage = "tokenizer"
    group = "trajectories"
    version = 2

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["TokenizerStage"]:
        settings = config.tokenizer
        if settings is None:
            return
        upstreams = source_in(config), PassageStage.in_config(config)
        if settings.path is None:
            reads = TrainedTokenizerReads(tokenizer=settings, ramp=SplitSettings.within(config.ramp))
            yield cls.once(config, reads, *upstreams)
        else:
            need = Folder("tokenizer.path", settings.path, ("tokenizer.json", "tokenizer_config.json"), "tokenizer")
            yield cls.once(config, TokenizerReads(tokenizer=settings), *upstreams, needs=(need,))

    def make(self, making: Making) -> StageManifest:
        from tasks.agent.tokenizer import adopt_tokenizer, train_tokenizer

        settings = self.reads.tokenizer
        if isinstance(self.reads, TrainedTokenizerReads):
            assert settings.vocabulary is not None, "TokenizerSettings has one of the two"
            texts = (f"{passage.title}: {passage.text}" for passage in train_passages(making, self.reads.ramp))
            tokenizer = train_tokenizer(chain(texts, _claims(making)), settings.vocabulary)
        else:
            assert settings.path is not None, "TokenizerSettings has one of the two"
            tokenizer = adopt_tokenizer(settings.path)
        tokenizer.save(storage.join(making.folder, "tokenizer"))
        return making.open.finish(made="tokenizer", figures={"vocabulary": tokenizer.vocabulary})


def _claims(making: Making) -> Iterator[str]:
    """The claims of a made-up world's train split as the agent reads them: no passage has the words of the labels."""
    path = storage.join(making.upstream_folder("dump"), CLAIMS) if making.has_upstream("dump") else None
    if path is None or storage.kind_of(path) is None:
        return
    for record in records_of(path):
        claim = WorldClaim.model_validate(record)
        if claim.split == Split.TRAIN:
            yield f"{claim.claim}\n{CLAIM_IS_ASKED}"


def train_passages(making: Making, settings: SplitSettings) -> list[Passage]:
    """Passages of the train split's pages, in the order of the corpus."""
    splits = splits_in(making, settings)
    return [
        passage
        for path in making.upstream_paths("passages")
        for passage in storage.read_rows(path, Passage)
        if splits.of_page(passage.page_id, passage.title) == Split.TRAIN
    ]
