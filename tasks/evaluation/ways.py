"""The ways in which a model can answer a question. All use the same engine, index, decoding and limits.

    agent    the loop of search and answer that the model was trained in
    rag      one retrieval with the question as the query, then the answer
    direct   the answer, from the question alone

For an answer without a search of the model's own, the environment opens the turn with ``<answer>``, and every tag but
the one that closes it is banned. (With the tags of search and information banned only, the sample's model ended no turn
at all.) Retrieval `none` does the same to an agent.
"""

from dataclasses import dataclass

from tasks.agent.protocol import TAGS
from tasks.rollouts.worker import LIVE

RANDOM = "random"
_OPENING = "<think></think><answer>"
_ALL_BUT_THE_END = tuple(tag for tag in TAGS if tag != "</answer>")


@dataclass(frozen=True)
class Method:
    """How the rollouts of a contestant go."""

    opening: str = ""
    """What every turn begins with."""
    banned_tags: tuple[str, ...] = ()
    """The tags that the sampler must not write."""
    search: str = LIVE
    """The searcher that a rollout uses, as the job's `RolloutSetup` names it."""
    searches_first: bool = False
    """Whether the question itself is searched for before the first turn."""


def method_of(way: str, retrieval: str) -> Method:
    """The method of a contestant (`schemas.evaluation_settings.ContestantSettings`)."""
    search = RANDOM if retrieval == "random" else LIVE
    if way == "agent" and retrieval != "none":
        return Method(search=search)
    return Method(_OPENING, _ALL_BUT_THE_END, search, searches_first=way == "rag")
