"""Documents for language modelling: passages along links, so that names recur and the model learns to copy them.

A document is a passage, followed by passages of the pages that it links to, then of the pages that those link to, and
so on. Each is one line, as in search results. The document begins with the tokenizer's opening tokens and is cut to a
number of tokens. It is a pure function of the passages, the seed and its number.
"""

from collections import deque
from collections.abc import Iterator

import numpy as np

from schemas.records import Passage
from schemas.training_settings import LanguageModellingSettings
from tasks.agent.protocol import neutralise
from tasks.agent.tokenizer import AgentTokenizer
from trainers.model.sequences import Sequence
from trainers.supervised.course import Step


class LinkedDocuments:
    """An endless sequence of documents; every passage begins one document per epoch, in the epoch's random order."""

    def __init__(self, passages: list[Passage], tokenizer: AgentTokenizer, n_tokens: int, seed: int) -> None:
        self._n_tokens, self._seed = n_tokens, seed
        self._opening = np.array(tokenizer.opening, np.int32)
        self._lines = [
            np.array(tokenizer.encode(neutralise(f"{passage.title}: {' '.join(passage.text.split())}\n")), np.int32)
            for passage in passages
        ]
        by_title: dict[str, list[int]] = {}
        for index, passage in enumerate(passages):
            by_title.setdefault(passage.title, []).append(index)
        self._linked = [
            [by_title[title] for title in dict.fromkeys(link.target for link in passage.links) if title in by_title]
            for passage in passages
        ]
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __getitem__(self, number: int) -> Sequence:
        """Document ``number`` (from 0), at most ``n_tokens`` long; all tokens after its beginning are trained."""
        epoch, index = divmod(number, len(self._lines))
        if epoch != self._epoch:
            self._epoch, self._order = epoch, np.random.default_rng((self._seed, epoch)).permutation(len(self._lines))
        random = np.random.default_rng((self._seed, epoch, index))
        lines = self._walk(int(self._order[index]), random)
        token_ids = np.concatenate([self._opening, *lines])[: self._n_tokens]
        trained = np.ones(len(token_ids), np.bool_)
        trained[: max(1, len(self._opening))] = False
        return Sequence(token_ids, trained)

    def _walk(self, start: int, random: np.random.Generator) -> list[np.ndarray]:
        """Lines from ``start`` along links until there are enough tokens; without a link left, a random one follows."""
        lines: list[np.ndarray] = []
        held, seen, ahead = 0, {start}, deque([start])
        while held < self._n_tokens:
            here = ahead.popleft() if ahead else int(random.integers(len(self._lines)))
            lines.append(self._lines[here])
            held += len(lines[-1])
            pages = self._linked[here]
            for page in random.permutation(len(pages)):
                passage = pages[page][int(random.integers(len(pages[page])))]
                if passage not in seen:
                    seen.add(passage)
                    ahead.append(passage)
        return lines


class DocumentCourse:
    """Documents in order, the same number in every step (a `trainers.supervised.course.Course`)."""

    def __init__(self, passages: list[Passage], tokenizer: AgentTokenizer, settings: LanguageModellingSettings) -> None:
        self._documents = LinkedDocuments(passages, tokenizer, settings.document_tokens, settings.seed)
        self._steps = settings.steps
        self._per_step = max(1, settings.tokens_per_step // settings.document_tokens)

    def __len__(self) -> int:
        return self._steps

    def steps(self, first: int) -> Iterator[Step]:
        for number in range(first, self._steps):
            numbers = range(number * self._per_step, (number + 1) * self._per_step)
            yield Step(0, [self._documents[document] for document in numbers])
