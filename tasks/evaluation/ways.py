"""The ways in which a model can answer a question. All use the same engine, index, decoding and limits.

    agent    the loop of search and answer that the model was trained in
    prompt   the same loop, explained by a prompt to a model that was not trained in it
    rag      one retrieval with the question as the query, then the answer
    direct   the answer, from the question alone

For an answer without a search of the model's own, the environment opens the turn with ``<answer>``, and every tag but
the one that closes it is banned. (With the tags of search and information banned only, the sample's model ended no turn
at all.) Retrieval `none` does the same to an agent. In a protocol whose tags are plain text no tag can be banned; there
the answer ends where the model ends its turn as well.
"""

from dataclasses import dataclass

from schemas.evaluation_settings import Way
from schemas.protocol_settings import ProtocolSettings
from tasks.agent.explained import EXPLAINED
from tasks.agent.protocol import TAGS
from tasks.rollouts.worker import LIVE

RANDOM = "random"
_LOOPS = ("agent", "prompt")
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


def method_of(way: Way, retrieval: str, protocol: ProtocolSettings | None = None) -> Method:
    """The method of a contestant (`schemas.evaluation_settings.ContestantSettings`) in its protocol."""
    search = RANDOM if retrieval == "random" else LIVE
    if way in _LOOPS and retrieval != "none":
        return Method(search=search)
    opening = "<think></think><answer>"
    if protocol is not None:
        opening = f"<{protocol.tags.think}></{protocol.tags.think}><{protocol.tags.answer}>"
    return Method(opening, _ALL_BUT_THE_END, search, searches_first=way == "rag")


def protocol_in(way: Way, protocol: ProtocolSettings | None, is_published: bool) -> ProtocolSettings | None:
    """The protocol in which a contestant answers; None for the pipeline's own.

    Args:
        protocol: the one that the config names for it.
        is_published: whether the model comes from elsewhere, so that it need not know the pipeline's own.
    """
    if protocol is not None:
        return protocol
    is_untrained = way == "prompt" or (is_published and way != "agent")
    return EXPLAINED if is_untrained else None
