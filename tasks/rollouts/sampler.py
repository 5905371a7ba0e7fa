"""Whether an engine draws tokens from its model's own distribution, asked once before work is given to it.

A server may shape the distribution behind our back: by defaults of its own, by processors of logits, by a gateway that
rewrites requests. What is sampled then is not the policy, and its log probabilities mislead a training. At temperature
1, with nothing else set, a token drawn with probability q must be one of probability p = q in the model's own
distribution. The check draws one token after several beginnings of a text, several times each, and has the same engine
score what was drawn: ln q and ln p are the same but for rounding.

An engine may report ln p whatever it samples from. There a greedy one is still found out: its draws agree more often
than p allows.
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
"""Of the mean of abs(ln q - ln p), in nats. Rounding in bf16 makes it some hundredths, a top-p of .9 more than a tenth,
and greedy decoding as much as the model is undecided."""
_UNLIKELY = -14.0
"""Log probability, one in a million, below which it is no chance that all draws agree."""

_TEXT = "The river rose in 1871, and who built the bridge?"
_BEGINNINGS, _DRAWS = 8, 8


class _Drawn(NamedTuple):
    """A token drawn after ``prompt``: ln q as the engine reports it, ln p as it scores the token (None: it cannot)."""

    prompt: tuple[int, ...]
    token: int
    reported: float
    own: float | None


async def refuse_biased_servers(urls: Sequence[str], tokenizer: AgentTokenizer) -> None:
    """Check each of these servers.

    One that does not answer the check is believed: what it then fails to answer is a failure of its own.

    Raises:
        BadInput: a server samples from another distribution than its model's.
    """
    for url in urls:
        # Broken answers are no reason to wait: the work itself will ask more patiently.
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
        RunFailed: it samples from another distribution than its model's, or does not answer.
    """
    try:
        wrong = await bias_of(engine, tokenizer)
    except EngineFailed as error:
        raise RunFailed(f"the engine does not answer: {error}") from error
    if wrong is not None:
        raise RunFailed(f"vLLM: {wrong}: a plugin of this environment changes its sampler")


async def bias_of(engine: ModelEngine, tokenizer: AgentTokenizer) -> str | None:
    """How an engine's samples differ from its model's distribution, in words; None where they do not.

    Raises:
        EngineFailed: it does not sample.
    """
    text = tokenizer.begin(_TEXT)
    prompts = [tuple(text[:length]) for length in range(1, _BEGINNINGS + 1)]
    # One alone first: an engine that answers nothing is not asked 64 times.
    first = await _draw(engine, prompts[0], 0)
    others = [(prompt, seed) for prompt in prompts for seed in range(_DRAWS)][1:]
    drawn = [first, *await asyncio.gather(*(_draw(engine, prompt, seed) for prompt, seed in others))]
    if any(each.own is None for each in drawn):
        is_greedy = all(each.reported > -1e-6 for each in drawn)
        return "it says of every token that it drew that no other was possible" if is_greedy else None
    gap = sum(abs(each.reported - (each.own or 0.0)) for each in drawn) / len(drawn)
    if not gap <= TOLERANCE:
        return (
            f"at temperature 1 it does not sample from its model's own distribution: log probabilities of what it drew "
            f"are off by {gap:.2g} a token, and {TOLERANCE:g} is allowed"
        )
    if _chance_of_agreement(drawn) < _UNLIKELY:
        return f"at temperature 1 it draws the same token with each of {_DRAWS} seeds, where its model is undecided"
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
    """The log probability, by the model, that all draws after each prompt agree; 0 where any two do not."""
    chance = 0.0
    for _, group in groupby(drawn, key=lambda each: each.prompt):
        same = list(group)
        if len({each.token for each in same}) > 1:
            return 0.0
        chance += sum(each.own or 0.0 for each in same[1:])
    return chance
