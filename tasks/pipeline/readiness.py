"""Checks, before anything is started, that everything stages need from outside the root is available.

A finished stage has no needs: its model may be gone, or its endpoint down. Files that only the jobs of a cluster read
are not checked, because they may be on a disk that only the cluster sees.
"""

from collections.abc import Iterable, Iterator, Sequence

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from tasks.making.needs import Need, QuestionSet, QuestionSets
from tasks.pipeline import graph
from tasks.pipeline.graph import Stage


def unfinished(config: PipelineConfig, stages: Sequence[Stage]) -> list[Stage]:
    """The unfinished stages; raises BadInput as `graph.is_finished` does."""
    return [stage for stage in stages if not graph.is_finished(config, stage)]


def refuse_unready(stages: Sequence[Stage]) -> None:
    """Raises BadInput that lists every unmet need of these stages."""
    unmet = [message for is_met, message in found_for(stages) if not is_met]
    if unmet:
        raise BadInput("; ".join(unmet))


def found_for(stages: Sequence[Stage]) -> Iterator[tuple[bool, str]]:
    """Check each need of these stages once; yields whether it is met, and a message about it."""
    yield from _look_at(need for stage in stages for need in stage.needs)


def missing_sets(stages: Sequence[Stage]) -> list[str]:
    """Messages about the files of questions that these stages read and that are missing or cannot be read."""
    of_sets = (need for stage in stages for need in stage.needs if isinstance(need, QuestionSet | QuestionSets))
    return [message for is_met, message in _look_at(of_sets) if not is_met]


def _look_at(needs: Iterable[Need]) -> Iterator[tuple[bool, str]]:
    for need in dict.fromkeys(needs):
        try:
            message = need.look()
        except BadInput as error:
            yield False, str(error)
        else:
            if message is not None:
                yield True, message
