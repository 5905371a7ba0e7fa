"""What samples tokens, as the agent loop sees it: token ids in, token ids out, many requests in flight.

What an engine gives back is what it sampled: nothing is trimmed, decoded or encoded again on the way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tasks.weights.broadcast import Meeting
    from tasks.weights.new_weights import SharedPack
    from tasks.weights.packs import Spec
    from tasks.weights.sketches import Sketches


DISAGREEMENT = "after a weight update engine and trainer differ"
"""How the error begins of a training whose engines do not run the weights that they were given."""


class EngineFailed(Exception):
    """The engine could not answer. Never the same as an empty answer."""


class StopReason(StrEnum):
    STOP = "stop"  # the last token is one of the stop ids
    LENGTH = "length"  # `max_tokens` were sampled


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one continuation is drawn.

    ``temperature`` 0 is greedy. A token of ``stop_ids`` ends the continuation and is its last token; nothing else
    ends it but ``max_tokens``. Tokens of ``banned_ids`` have probability 0.
    """

    temperature: float
    max_tokens: int
    stop_ids: tuple[int, ...]
    banned_ids: tuple[int, ...] = ()
    seed: int | None = None
    top_p: float = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Sampled tokens, and the natural log of the probability with which each was drawn, after temperature and bans.

    ``versions`` are those of the weights that sampled each token; None where an engine does not tell.
    """

    token_ids: list[int]
    logprobs: list[float]
    stop_reason: StopReason
    versions: list[int] | None = None


@dataclass(frozen=True, slots=True)
class TokenScores:
    """Of every token of a text but the first, given those before it: log probability, and rank (1: the likeliest)."""

    logprobs: list[float]
    ranks: list[int]


class Engine(Protocol):
    """Safe to use from many coroutines of one event loop; requests share batches, each at its own pace."""

    async def generate(self, token_ids: Sequence[int], sampling: Sampling) -> Sample:
        """One continuation of ``token_ids``. Cancelling the call takes the request out of the engine.

        Raises:
            EngineFailed: there is no answer, after the engine's own bounded retries.
        """


class ModelEngine(Engine, Protocol):
    """An engine together with the weights that it runs."""

    @property
    def failure(self) -> EngineFailed | None:
        """Why the engine will never answer again, or None."""

    @property
    def busy_seconds(self) -> float:
        """Time that it has spent on sampling since it was started; 0 where it does not tell."""

    @property
    def asleep_seconds(self) -> float:
        """Time that it has slept since it was started."""

    def load_weights(self, folder: str, version: int) -> None:
        """Take the weights of another folder of the same architecture; tokens are sampled under ``version`` then.

        Raises:
            EngineFailed: they could not be taken.
            BadInput: the engine's weights are not ours to change.
        """

    def meet(self, meeting: "Meeting", first: int) -> None:
        """Join a group in which weights are broadcast, as its member ``first`` and, process by process, those after it.

        Raises:
            EngineFailed: not all members met. The engine goes on as before.
            BadInput: the engine's weights are not ours to change.
        """

    def receive_weights(self, specs: "list[Spec]", version: int) -> None:
        """`load_weights`, but of what is broadcast in the group.

        Raises:
            EngineFailed: it did not come, or not whole; the engine has ended.
            BadInput: the engine's weights are not ours to change.
        """

    def take(self, pack: "SharedPack", version: int) -> None:
        """`load_weights`, but of some of them, out of a buffer beside each process; the last ones make it complete.

        Raises:
            EngineFailed: they could not be taken; the engine has ended.
            BadInput: the engine's weights are not ours to change.
        """

    def sleep(self) -> None:
        """Give the memory of GPUs back until new weights come, and with them the memory for their cache.

        Raises:
            EngineFailed: it did not work; the engine has ended.
            BadInput: the engine's memory is not ours to manage.
        """

    def score(self, token_ids: Sequence[int]) -> list[float]:
        """The log probability of every token but the first given those before it: ``len(token_ids) - 1`` values.

        Raises:
            EngineFailed: there is no answer.
            BadInput: the engine tells none.
        """

    def sketches(self) -> "list[Sketches]":
        """Of the weights in use, by each process of the engine (sketches.py).

        Raises:
            EngineFailed: there is no answer.
            BadInput: the engine's weights are not ours to see.
        """
