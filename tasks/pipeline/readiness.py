"""Whether what the stages of a config need from outside the root is there, before anything is started.

A finished stage needs nothing any more: its model may be gone, its endpoint down. What only the jobs of a cluster read
is not looked for, for it may lie where the cluster alone sees it.
"""

from collections.abc import Iterator, Sequence

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from tasks.pipeline import graph
from tasks.pipeline.graph import Stage


def unfinished(config: PipelineConfig, stages: Sequence[Stage]) -> list[Stage]:
    """Those that are yet to be made; raises BadInput as `graph.is_finished` does."""
    return [stage for stage in stages if not graph.is_finished(config, stage)]


def refuse_unready(stages: Sequence[Stage]) -> None:
    """Raises BadInput, naming all of it, where stages that are yet to be made lack what they read from outside."""
    lacking = [words for is_there, words in found_for(stages) if not is_there]
    if lacking:
        raise BadInput("; ".join(lacking))


def found_for(stages: Sequence[Stage]) -> Iterator[tuple[bool, str]]:
    """What stages that are yet to be made need, each once: whether it is there, and in words."""
    for need in dict.fromkeys(need for stage in stages for need in stage.needs):
        try:
            words = need.look()
        except BadInput as error:
            yield False, str(error)
        else:
            if words is not None:
                yield True, words
