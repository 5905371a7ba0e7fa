"""Checks that an engine samples from its model's own distribution, once before work is sent to it.

A server may change the distribution silently: by its own defaults, by logits processors, by a gateway that rewrites
requests. Its samples are then not the policy's, and its log probabilities mislead a training. At temperature 1, with no
other sampling setting, a token drawn with probability q must have the probability p = q in the model's distribution.
The check draws one token after each of several beginnings of a text, several times each, and has the same engine score
the drawn tokens: ln q and ln p must be equal up to rounding.

An engine may report ln p whatever distribution it samples from. Greedy decoding is detected even then: its draws agree
more often than p allows.
"""

import asyncio
import logging
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from schemas.errors import BadInput, RunFailed
from tasks.agent.tokenizer import AgentTokenizer
from tasks.engines.interface import EngineFailed, ModelEngine, Sampling
from tasks.engines.remote_engine import RemoteEngine

_log = logging.getLogger(__name__)

TOLERANCE = 0.1
"""The greatest mean of abs(ln q - ln p), in nats. Rounding in bf16 causes some hundredths, a top-p of .9 more than a
tenth, and greedy decoding as much as the entropy of the model's predictions."""
_UNLIKELY = -14.0
"""Log probability (one in a million) below which agreement of all draws is not taken for chance."""

_TEXT = "The river rose in 1871, and who built the bridge?"
_BEGINNINGS, _DRAWS = 8, 8


class _Drawn(NamedTuple):
    """A token drawn after ``prompt``. ``reported`` is the engine's ln q, ``own`` its score ln p (None: it cannot)."""

    prompt: tuple[int, ...]
    token: int
    reported: float
    own: float | None


async def refuse_biased_servers(urls: Sequence[str], tokenizer: AgentTokenizer) -> None:
    """Check each of these servers.

    A server that does not answer the check passes: the rollouts themselves will report that it fails.

    Raises:
        BadInput: a server does not sample from its model's distribution.
    """
    for url in urls:
        # Few attempts and a short wait: the check must not delay the work, whose own requests are more patient.
        async with RemoteEngine([url], _BEGINNINGS * _DRAWS, max_tokens=0, first_wait=0.1, attempts=2) as engine:
            try:
                wrong = await bias_of(engine, tokenizer)
            except EngineFailed as error:
                _log.warning("runtime.engine.urls %s: its sampler could not be checked: %s", url, error)
                continue
        if wrong is not None:
            raise BadInput(
                f"runtime.engine.urls {url}: {wrong}: look for a logits processor or a gateway that rewrites requests, "
                "and start the server with --generation-config vllm"
            )


async def refuse_biased_engine(engine: ModelEngine, tokenizer: AgentTokenizer) -> None:
    """Check an engine of this process.

    Raises:
        RunFailed: it does not sample from its model's distribution, or does not answer.
    """
    try:
        wrong = await bias_of(engine, tokenizer)
    except EngineFailed as error:
        raise RunFailed(f"the engine does not answer: {error}") from error
    if wrong is not None:
        raise RunFailed(f"vLLM: {wrong}: look for a plugin in this environment that changes its sampler")


async def bias_of(engine: ModelEngine, tokenizer: AgentTokenizer) -> str | None:
    """How an engine's samples differ from its model's distribution, in words; None if they do not.

    Raises:
        EngineFailed: it does not sample.
    """
    text = tokenizer.begin(_TEXT)
    prompts = [tuple(text[:length]) for length in range(1, _BEGINNINGS + 1)]
    # A single request first, so that a dead engine does not get 64 requests with retries.
    first = await _draw(engine, prompts[0], 0)
    others = [(prompt, seed) for prompt in prompts for seed in range(_DRAWS)][1:]
    drawn = [first, *await asyncio.gather(*(_draw(engine, prompt, seed) for prompt, seed in others))]
    if any(each.own is None for each in drawn):
        is_greedy = all(each.reported > -1e-6 for each in drawn)
        return "it reports the probability 1 for every token that it drew" if is_greedy else None
    gap = sum(abs(each.reported - (each.own or 0.0)) for each in drawn) / len(drawn)
    if not gap <= TOLERANCE:  # written so that NaN fails as well
        return (
            f"at temperature 1 it does not sample from its model's own distribution: the log probabilities of its "
            f"samples are off by {gap:.2g} per token ({TOLERANCE:g} is allowed)"
        )
    if _chance_of_agreement(drawn) < _UNLIKELY:
        return f"at temperature 1 it draws the same token with each of {_DRAWS} seeds, although its model is undecided"
    return None


async def _draw(engine: ModelEngine, prompt: tuple[int, ...], seed: int) -> _Drawn:
    sample = await engine.generate(prompt, Sampling(temperature=1.0, max_tokens=1, stop_ids=(), seed=seed))
    (token,), (reported,) = sample.token_ids, sample.logprobs
    try:
        *_, own = await asyncio.to_thread(engine.score, [*prompt, token])
    except EngineFailed:
        own = None
    return _Drawn(prompt, token, reported, own)


def _chance_of_agreement(drawn: Sequence[_Drawn]) -> float:
    """The model's log probability that all draws after each prompt agree; 0 if any two disagree."""
    chance = 0.0
    for _, group in groupby(drawn, key=lambda each: each.prompt):
        same = list(group)
        if len({each.token for each in same}) > 1:
            return 0.0
        chance += sum(each.own or 0.0 for each in same[1:])
    return chance
