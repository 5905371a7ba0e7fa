"""``python -m tasks.ramp.weigh CONFIG.json`` (`schemas.jobs.SurprisalJob`): the reference model weighs every span.

Each span that may be masked gets a row. Parts are small: if the process ends early, the next run weighs only the
missing parts. Masking needs no engine then and stays a map over passages.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from tokenizers import Tokenizer

from retrieval_index.literal import literal
from schemas.errors import BadInput, RunFailed
from schemas.jobs import SurprisalJob
from schemas.manifest import PartManifest
from schemas.records import Passage, Reject, Surprisal
from schemas.snapshot import language_of
from tasks import jobs
from tasks.corpus.aliases import aliases_around
from tasks.engines.interface import EngineFailed
from tasks.engines.vllm_engine import VllmEngine
from tasks.engines.vllm_setup import ModelFacts
from tasks.indexing.building import count_passages
from tasks.ledger import storage
from tasks.ledger.ledger import Parts
from tasks.ramp.questions import spans_of, unfit
from tasks.ramp.surprisal import Text, text_of, weighed
from tasks.spans.mentions import Mentions, with_mentions
from tasks.spans.proposals import part_key, read_proposals
from tasks.spans.spans import Span

PASSAGES_A_PART = 1024
TOO_LONG = "too_long_for_reference"

Item = TypeVar("Item")
Mentioned = tuple[Passage, Mentions]
"""A passage with the mentions of its page."""


def weigh_spans(job: SurprisalJob) -> dict[str, Any]:
    """Weigh the missing parts; returns the figures of all parts."""
    parts = Parts(job.output, job.fingerprint, Surprisal, job.snapshot)
    missing = _layout(job).keys() - parts.done().keys()
    if missing:
        _Scales(job, parts).weigh(missing)
    return _figures(storage.read_rows(parts.data_path(key), Surprisal) for key in parts.done())


def _layout(job: SurprisalJob) -> dict[str, int]:
    """The keys of all parts, with the number of passages up to the end of each part."""
    ends, total = {}, 0
    for key, path in job.passages.items():
        rows = count_passages([path])
        for start in range(0, rows, PASSAGES_A_PART):
            ends[part_key(key, start)] = total + min(start + PASSAGES_A_PART, rows)
        total += rows
    return ends


class _Scales:
    """One engine, from the first missing part to the last."""

    def __init__(self, job: SurprisalJob, parts: Parts) -> None:
        if not job.engine.loads_models:
            raise BadInput("the job runs the reference model itself: runtime.engine.kind must be vllm")
        self._job, self._parts = job, parts
        self._folder = job.model
        self._max_tokens = min(job.max_tokens, ModelFacts.read(job.model).longest - 1)
        self._tokenizer = tokenizer_of(job.model)
        self._language = language_of(job.snapshot)
        self._aliases: dict[str, list[str]] = {}

    def weigh(self, missing: set[str]) -> None:
        ends = _layout(self._job)
        total = max(ends.values())
        try:
            with VllmEngine(self._folder, self._job.engine, self._max_tokens) as engine:
                for key, path in self._job.passages.items():
                    self._aliases = aliases_around(path, self._job.aliases)
                    passages = with_mentions(storage.read_rows(path, Passage), self._aliases)
                    for start, batch in _batches(passages, PASSAGES_A_PART):
                        part = part_key(key, start)
                        if part in missing:
                            self._weigh_part(part, key, batch, engine)
                            jobs.report_progress(self._job.output, ends[part], total, "passages")
        except EngineFailed as error:
            raise RunFailed(f"the reference model {self._folder}: {error}") from None

    def _weigh_part(self, part: str, key: str, batch: list[Mentioned], engine: VllmEngine) -> PartManifest:
        started = time.time()
        items = [(passage, span, self._text(passage, span)) for passage, span in self._spans(key, batch)]
        short = [item for item in items if len(item[2].token_ids) <= self._max_tokens]
        scores = engine.score_all([text.token_ids for _, _, text in short])
        rows = [weighed(*item, scored) for item, scored in zip(short, scores, strict=True)]
        rejects = [_too_long(*item) for item in items if len(item[2].token_ids) > self._max_tokens]
        inputs = {"passages": storage.digest_of_file(self._job.passages[key])}
        return self._parts.commit(part, rows, rejects, inputs, started)

    def _spans(self, key: str, batch: list[Mentioned]) -> Iterator[tuple[Passage, Span]]:
        proposals = None if self._job.proposals is None else read_proposals(self._job.proposals[key])
        for passage, mentions in batch:
            if unfit(passage, self._job.settings, self._language) is None:
                for span in spans_of(passage, self._aliases, self._language, mentions, proposals):
                    yield passage, span

    def _text(self, passage: Passage, span: Span) -> Text:
        return text_of(passage, span, self._job.settings.show_title, self._tokenizer)


def tokenizer_of(folder: str) -> Tokenizer:
    """The reference model's tokenizer, which reads control tokens as text.

    Raises:
        BadInput: the model's folder has no tokenizer.
    """
    path = Path(folder) / "tokenizer.json"
    if not path.is_file():
        raise BadInput(f"{folder}: no tokenizer.json, which the reference model needs; put it beside the weights")
    return literal(Tokenizer.from_file(str(path)))


def _too_long(passage: Passage, span: Span, text: Text) -> Reject:
    return Reject(
        snapshot=passage.snapshot,
        row_id=f"{passage.passage_id}:{span.start}",
        reason=TOO_LONG,
        failed=False,
        detail=f"{len(text.token_ids)} tokens",
    )


def _batches(items: Iterable[Item], size: int) -> Iterator[tuple[int, list[Item]]]:
    """Consecutive lists of ``size`` items (the last may be shorter), each with the index of its first item."""
    iterator, start = iter(items), 0
    while batch := list(islice(iterator, size)):
        yield start, batch
        start += len(batch)


def _figures(parts: Iterable[Iterable[Surprisal]]) -> dict[str, Any]:
    count, known, nats = 0, 0, 0.0
    for rows in parts:
        for row in rows:
            count, known, nats = count + 1, known + row.known, nats + row.nats
    return {"spans": count, "known": known, "mean_nats": round(nats / count, 3) if count else 0.0}


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    jobs.main(SurprisalJob, weigh_spans)
