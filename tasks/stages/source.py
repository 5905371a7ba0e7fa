"""What a config's text comes from, a dump or a corpus of passages: the upstreams of all stages that work on its text.

Stages that read passages, aliases or splits name these upstreams, and are the same for both sources.
"""

from schemas.config import PipelineConfig
from schemas.corpus_settings import SplitSettings
from tasks.corpus.passage_files import find_files, size_of
from tasks.dumps.dumps import find_dump
from tasks.making.context import Making
from tasks.making.stage import Name
from tasks.ramp.splits import Splits
from tasks.stages.corpus import CorpusStage
from tasks.stages.dump import DumpStage
from tasks.stages.redirects import AliasStage

_SOURCES = (DumpStage, CorpusStage)


def source_in(config: PipelineConfig) -> Name:
    """The stage that notes the source; splits are read from it."""
    return (DumpStage if config.corpus is None else CorpusStage).in_config(config)


def aliases_in(config: PipelineConfig) -> tuple[Name, ...]:
    """The stage with other names of pages; a corpus has none."""
    return (AliasStage.in_config(config),) if config.corpus is None else ()


def splits_in(making: Making, settings: SplitSettings) -> Splits:
    """The splits of a stage that has the source among its upstreams.

    Raises:
        BadInput: the settings require a table of splits, and it is missing.
    """
    (source,) = (kind.stage for kind in _SOURCES if making.has_upstream(kind.stage))
    return Splits.of(settings, making.upstream_folder(source))


def size_of_source(config: PipelineConfig) -> int | None:
    """The bytes of the dump's or corpus' files; None for a synthetic world.

    Raises:
        BadInput: there are no such files yet.
    """
    if config.corpus_path is not None:
        return size_of(find_files(config.corpus_path))
    return find_dump(config.dump_path).size if config.dump_path else None
