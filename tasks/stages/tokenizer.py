"""The tokenizer: trained on passages of the train split, or adopted from a model's folder."""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.config import PipelineConfig
from schemas.corpus_settings import SplitSettings
from schemas.identity import Reads
from schemas.manifest import StageManifest
from schemas.records import Passage, Split
from schemas.settings import TokenizerSettings
from tasks.ledger import storage
from tasks.making.context import Making
from tasks.making.needs import Folder
from tasks.making.stage import DataStage
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
            tokenizer = train_tokenizer(texts, settings.vocabulary)
        else:
            assert settings.path is not None, "TokenizerSettings has one of the two"
            tokenizer = adopt_tokenizer(settings.path)
        tokenizer.save(storage.join(making.folder, "tokenizer"))
        return making.open.finish(made="tokenizer", figures={"vocabulary": tokenizer.vocabulary})


def train_passages(making: Making, settings: SplitSettings) -> list[Passage]:
    """Passages of the train split's pages, in the order of the corpus."""
    splits = splits_in(making, settings)
    return [
        passage
        for path in making.upstream_paths("passages")
        for passage in storage.read_rows(path, Passage)
        if splits.of_page(passage.page_id, passage.title) == Split.TRAIN
    ]
