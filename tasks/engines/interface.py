"""The interface of engines, which sample tokens: token ids in, token ids out, many requests in flight.

An engine returns exactly the tokens that it sampled: they are not trimmed, nor decoded and encoded again.
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
"""The beginning of the error of a training whose engines do not run the weights that they were given."""


class EngineFailed(Exception):
    """The engine could not answer. Never the same as an empty answer."""


class StopReason(StrEnum):
    STOP = "stop"  # the last token is one of the stop ids
    LENGTH = "length"  # `max_tokens` were sampled


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one continuation is sampled.

    ``temperature`` 0 is greedy. A continuation ends with a token of ``stop_ids`` (which it includes) or after
    ``max_tokens`` tokens. Tokens of ``banned_ids`` have probability 0.
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

    ``versions`` are the versions of the weights that sampled each token; None if an engine does not report them.
    """

    token_ids: list[int]
    logprobs: list[float]
    stop_reason: StopReason
    versions: list[int] | None = None


@dataclass(frozen=True, slots=True)
class TokenScores:
    """The log probability and the rank (1 is the likeliest) of every token of a text except the first, given the
    tokens before it."""

    logprobs: list[float]
    ranks: list[int]


class Engine(Protocol):
    """Safe to use from many coroutines of one event loop. Requests share batches, and finish independently."""

    async def generate(self, token_ids: Sequence[int], sampling: Sampling) -> Sample:
        """One continuation of ``token_ids``. Cancelling the call removes the request from the engine.

        Raises:
            EngineFailed: the engine did not answer, after its own limited number of retries.
        """


class ModelEngine(Engine, Protocol):
    """An engine whose weights can be replaced and inspected."""

    @property
    def failure(self) -> EngineFailed | None:
        """The reason if the engine has failed for good; None while it works."""

    @property
    def busy_seconds(self) -> float:
        """Seconds spent on sampling since the start; 0 if the engine does not report them."""

    @property
    def asleep_seconds(self) -> float:
        """Seconds spent asleep since the start."""

    def load_weights(self, folder: str, version: int) -> None:
        """Load weights of the same architecture from a folder. Later tokens are recorded with ``version``.

        Raises:
            EngineFailed: they could not be loaded.
            BadInput: the weights of this engine cannot be changed from here.
        """

    def meet(self, meeting: "Meeting", first: int) -> None:
        """Join a group in which weights are broadcast. The engine's processes are its members from ``first`` on.

        Raises:
            EngineFailed: some members did not join. The engine continues as before.
            BadInput: the weights of this engine cannot be changed from here.
        """

    def receive_weights(self, specs: "list[Spec]", version: int) -> None:
        """As `load_weights`, with the weights that are broadcast in the group.

        Raises:
            EngineFailed: they did not arrive, or not completely; the engine has ended.
            BadInput: the weights of this engine cannot be changed from here.
        """

    def take(self, pack: "SharedPack", version: int) -> None:
        """As `load_weights`, with some of the weights, from a buffer beside each process. The last pack completes them.

        Raises:
            EngineFailed: they could not be loaded; the engine has ended.
            BadInput: the weights of this engine cannot be changed from here.
        """

    def sleep(self) -> None:
        """Release GPU memory (weights and cache). New weights wake the engine.

        Raises:
            EngineFailed: it did not work; the engine has ended.
            BadInput: the memory of this engine cannot be managed from here.
        """

    def score(self, token_ids: Sequence[int]) -> list[float]:
        """The log probability of every token except the first, given the tokens before it:
        ``len(token_ids) - 1`` values.

        Raises:
            EngineFailed: the engine did not answer.
            BadInput: the engine does not report log probabilities.
        """

    def sketches(self) -> "list[Sketches]":
        """Sketches of the current weights from each process of the engine (tasks/weights/sketches.py).

        Raises:
            EngineFailed: the engine did not answer.
            BadInput: the weights of this engine cannot be read from here.
        """
