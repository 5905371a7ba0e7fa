"""The cost of the agent loop: rollouts with search against the same engine without turns, and against turns in step.

    python -m tests.bench.bench_rollouts [--trajectories 512] [--in-flight 128] [--repeats 3]

The model has the sample config's shape and writes turns of random lengths like the sample's. The results are ratios of
interleaved runs, because tokens per second depend on the machine and its load.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from retrieval_index.hits import Hit, Query
from schemas.records import Author, Trajectory
from schemas.runtime import EngineRuntime
from schemas.settings import AgentSettings
from tasks.agent.environment import TurnSampling, run_trajectory
from tasks.agent.tokenizer import AgentTokenizer, train_tokenizer
from tasks.agent.trajectory_summary import sampled_tokens
from tasks.engines.interface import Engine, Sample, Sampling
from tasks.engines.vllm_engine import VllmEngine
from tests.support.automaton import save_chain
from tests.support.examples import ramp_question

AGENT = AgentSettings(hits=2, max_searches=5, max_turn_tokens=160, max_information_tokens=200, max_tokens=768)
PROMPT_WORDS, PASSAGE_WORDS = 33, 26
THINK_WORDS, QUERY_WORDS, ANSWER_WORDS = 13, 3, 31
"""Mean lengths: turns of 20 and of 48 tokens as the sample's student writes them, replies of 62, two searches each."""
SEARCH_SHARE = 2 / 3
WORDS = [first + second for first in "bdfgklmnprst" for second in ("ali", "oren", "ume")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trajectories", type=int, default=512)
    parser.add_argument("--in-flight", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    tokenizer = train_tokenizer([" ".join(WORDS)] * 50, 1000)
    with tempfile.TemporaryDirectory() as folder:
        _save_model(Path(folder), tokenizer)
        runtime = EngineRuntime(in_flight=arguments.in_flight, threads=1)
        with VllmEngine(folder, runtime, AGENT.max_tokens) as engine:
            bench = Bench(engine, tokenizer, arguments.trajectories, arguments.in_flight)
            rates: dict[str, list[float]] = {"rollouts": [], "plain batches": [], "turns in step": []}
            for _ in range(arguments.repeats + 1):
                engine.load_weights(folder)  # which empties the prefix cache
                rates["rollouts"].append(bench.rollouts())
                engine.load_weights(folder)
                rates["plain batches"].append(bench.plain())
                engine.load_weights(folder)
                rates["turns in step"].append(bench.in_step())
    print(bench.shape())
    medians = {name: statistics.median(values[1:]) for name, values in rates.items()}  # the first ones warm up
    for name, median in medians.items():
        print(f"{name:16}{median:8,.0f} tokens/s; rollouts are {medians['rollouts'] / median:.2f} times as fast")


def _save_model(folder: Path, tokenizer: AgentTokenizer) -> None:
    """A chain with three sets of words, so that each part of a turn has a mean length of its own."""
    tags = ("<think>", "</think>", "<search>", "</search>", "<answer>", "</answer>", "</information>")
    think, thought, search, searched, answer, answered, told = map(tokenizer.tag_id, tags)
    tokens = [tokenizer.encode(word)[0] for word in WORDS]
    chances = {tokenizer.encode("\n")[-1]: {think: 1.0}, told: {think: 1.0}}
    chances[thought] = {search: SEARCH_SHARE, answer: 1 - SEARCH_SHARE}
    parts = [(think, thought, THINK_WORDS), (search, searched, QUERY_WORDS), (answer, answered, ANSWER_WORDS)]
    for number, (opening, closing, words) in enumerate(parts):
        own = tokens[number::3]
        chances[opening] = dict.fromkeys(own, 1 / len(own))
        chances |= {token: {closing: 1 / words, **dict.fromkeys(own, (1 - 1 / words) / len(own))} for token in own}
    save_chain(folder, tokenizer.vocabulary, chances, layers=4)


class MemorySearcher:
    """Finds two passages for any query, at once."""

    async def search(self, query: Query, k: int) -> list[Hit]:
        draw = random.Random(query.text)
        return [
            Hit(f"{n}-0", 1.0, draw.choice(WORDS), " ".join(draw.choices(WORDS, k=PASSAGE_WORDS))) for n in range(k)
        ]


class Bench:
    """The same questions and seeds in every way of asking; each way gives back sampled tokens a second."""

    def __init__(self, engine: Engine, tokenizer: AgentTokenizer, trajectories: int, in_flight: int) -> None:
        self._engine, self._tokenizer, self._in_flight = engine, tokenizer, in_flight
        draw = random.Random(1)
        texts = [" ".join(draw.choices(WORDS, k=PROMPT_WORDS)) for _ in range(trajectories)]
        self._questions = [ramp_question(text, [text.split()[0]], question_id=f"q{n}") for n, text in enumerate(texts)]
        self._rows: list[Trajectory] = []

    def shape(self) -> str:
        turns = [sum(segment.author == Author.MODEL for segment in row.segments) for row in self._rows]
        return (
            f"{len(self._rows)} trajectories, {statistics.fmean(turns):.1f} turns and "
            f"{statistics.fmean(sampled_tokens(row) for row in self._rows):.0f} sampled tokens of "
            f"{statistics.fmean(row.n_tokens for row in self._rows):.0f} each, {self._in_flight} in flight"
        )

    def rollouts(self) -> float:
        """Each at its own pace: the product's way."""

        async def roll(number: int) -> None:
            self._rows.append(await self._roll(number, self._engine))

        self._rows = []
        seconds = _timed([_once(roll, number) for number in range(len(self._questions))], self._in_flight)
        return self._sampled() / seconds

    def plain(self) -> float:
        """All turns of the last rollouts as requests that wait for nothing: the same texts read and tokens written."""

        async def continue_(token_ids: list[int], tokens: int) -> None:
            await self._engine.generate(token_ids, Sampling(1.0, tokens, ()))

        seconds = _timed([_once(continue_, *turn) for row in self._rows for turn in _turns_of(row)], self._in_flight)
        return self._sampled() / seconds

    def in_step(self) -> float:
        """As many rollouts as are in flight, each turn begun when the slowest of them has ended the one before."""
        began = time.perf_counter()
        for start in range(0, len(self._questions), self._in_flight):
            numbers = range(start, min(start + self._in_flight, len(self._questions)))
            asyncio.run(self._wave(numbers))
        return self._sampled() / (time.perf_counter() - began)

    async def _wave(self, numbers: Sequence[int]) -> None:
        step = InStep(self._engine, len(numbers))

        async def roll(number: int) -> None:
            await self._roll(number, step)
            step.leave()

        await asyncio.gather(*(roll(number) for number in numbers))

    async def _roll(self, number: int, engine: Engine) -> Trajectory:
        return await run_trajectory(
            self._questions[number],
            engine=engine,
            searcher=MemorySearcher(),
            tokenizer=self._tokenizer,
            agent=AGENT,
            sampling=TurnSampling(1.0, seed=number),
        )

    def _sampled(self) -> int:
        return sum(map(sampled_tokens, self._rows))


class InStep:
    """An engine for a number of rollouts that begins a turn when all that are left have asked for theirs."""

    def __init__(self, engine: Engine, rollouts: int) -> None:
        self._engine, self._left, self._asked = engine, rollouts, 0
        self._begin = asyncio.Event()

    async def generate(self, token_ids: Sequence[int], sampling: Sampling) -> Sample:
        begin = self._begin
        self._asked += 1
        self._begin_if_all_asked()
        await begin.wait()
        return await self._engine.generate(token_ids, sampling)

    def leave(self) -> None:
        self._left -= 1
        self._begin_if_all_asked()

    def _begin_if_all_asked(self) -> None:
        if self._asked == self._left:
            self._begin.set()
            self._begin, self._asked = asyncio.Event(), 0


def _turns_of(row: Trajectory) -> list[tuple[list[int], int]]:
    """What was read before each turn of the model, and how many tokens it has."""
    turns, read = [], list[int]()
    for segment in row.segments:
        assert segment.token_ids is not None
        if segment.author == Author.MODEL:
            turns.append((list(read), len(segment.token_ids)))
        read += segment.token_ids
    return turns


def _once(work: Callable[..., Awaitable[None]], *arguments: object) -> Callable[[], Awaitable[None]]:
    return lambda: work(*arguments)


def _timed(works: Sequence[Callable[[], Awaitable[None]]], in_flight: int) -> float:
    """Seconds for all of them, so many at a time."""

    async def run() -> None:
        queue = iter(works)

        async def take() -> None:
            for work in queue:
                await work()

        await asyncio.gather(*(take() for _ in range(in_flight)))

    began = time.perf_counter()
    asyncio.run(run())
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
