"""``python -m tasks.ramp.name_spans CONFIG.json`` (`schemas.jobs.SpanJob`): a chat model names the spans of paragraphs.

One row a paragraph that is fit to be asked about. What is answered is never asked again, whatever ends the process.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from schemas.corpus_settings import LlmSpans
from schemas.jobs import SpanJob
from schemas.records import Passage, Proposals, Reject, SpanKind
from schemas.snapshot import language_of
from tasks import jobs
from tasks.ledger import storage
from tasks.ledger.ledger import Parts
from tasks.ramp.questions import unfit
from tasks.requests.chat import SPANS, ChatEndpoint, ChatFailed, RequestRefused
from tasks.requests.forms import MISUNDERSTANDINGS, Unreadable, filled
from tasks.requests.scheduling import Meter, Refused, Request, Schedule, laid_out, request_of, run_job, seed_of
from tasks.spans.proposals import Named, Refusal, none_named, proposals_of

__all__ = ["INSTRUCTION", "MISUNDERSTANDINGS", "figures_of_proposals", "name_spans", "named_by_model"]

INSTRUCTION = """\
You choose what to blank out of a paragraph of an encyclopedia, so that somebody with a search engine can fill it in.
Name every span that would make a good blank: the name of a person, place, organisation, work or event; a date; a
number with what it counts; a technical term. Leave out whatever the rest of the paragraph, or its title, would give
away: what is said twice, what follows from other words, what plain language knowledge completes.
Copy each span letter by letter from the paragraph; it must be whole words and stand there only once.
Reply with one JSON object and nothing else; a kind is entity, date, number or term:
{"spans": [{"text": "<copied from the paragraph>", "kind": "<kind>"}]}"""


class _Span(BaseModel):
    model_config = ConfigDict(frozen=True)

    text: str
    kind: SpanKind


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True)

    spans: list[_Span]


async def named_by_model(passage: Passage, endpoint: ChatEndpoint, seed: int) -> list[Named]:
    """The spans that the model names in a paragraph.

    Raises:
        ChatFailed: the endpoint does not answer.
        RequestRefused: it does not take this paragraph.
        Unreadable: no reply could be read.
    """
    request = f"Title: {passage.title}\n\nParagraph:\n{passage.text}"
    reply = await filled(_Reply, endpoint, INSTRUCTION, request, seed)
    return [Named(span.text, span.kind) for span in reply.spans]


def name_spans(job: SpanJob) -> dict[str, Any]:
    """Ask about every fit paragraph; gives back how many spans were located and refused, by reason."""
    return run_job(_name_spans(job))


async def _name_spans(job: SpanJob) -> dict[str, Any]:
    parts = Parts(job.output, job.fingerprint, Proposals, job.snapshot)
    settings = job.settings.spans
    assert isinstance(settings, LlmSpans), "the stage starts this job for no other kind"
    requests = _requests(job, settings.part_rows)
    schedule = Schedule(parts, Proposals, requests, job.endpoint.in_flight)
    meter = Meter(job.output, sum(map(len, requests.values())), schedule.missing, "paragraphs")
    async with ChatEndpoint(job.endpoint, settings.model, settings.temperature, whose=SPANS) as endpoint:

        async def ask(passage: Passage) -> Proposals | Reject | Refused[Proposals]:
            found: Proposals | Refused[Proposals]
            try:
                named = await named_by_model(passage, endpoint, seed_of(settings.seed, passage.passage_id))
            except ChatFailed as error:
                return _failed(passage, str(error))
            except RequestRefused as error:
                found = Refused(none_named(passage, Refusal.REQUEST_REFUSED), str(error))
            except Unreadable:
                found = none_named(passage, Refusal.UNREADABLE)
            else:
                found = proposals_of(passage, named)
            meter.add(0)
            return found

        await schedule.run(ask)
    return figures_of_proposals(parts.data_path(key) for key in requests)


def _requests(job: SpanJob, part_rows: int) -> dict[str, list[Request[Passage]]]:
    language = language_of(job.snapshot)
    found: dict[str, list[Request[Passage]]] = {}
    for key, path in job.passages.items():
        fit = [row for row in storage.read_rows(path, Passage) if unfit(row, job.settings, language) is None]
        requests = [request_of(passage, job.fingerprint, passage.passage_id) for passage in fit]
        found |= laid_out(requests, part_rows, prefix=f"{key}-")
    return found


def _failed(passage: Passage, detail: str) -> Reject:
    return Reject(
        snapshot=passage.snapshot, row_id=passage.passage_id, reason="endpoint_failed", failed=True, detail=detail
    )


def figures_of_proposals(paths: Iterable[str]) -> dict[str, Any]:
    """Spans that were located, and those refused by reason, in files of `Proposals`."""
    located, refused = 0, Counter[str]()
    for path in paths:
        for row in storage.read_rows(path, Proposals):
            located += len(row.spans)
            refused.update(span.reason for span in row.refused)
    return {"located": located, "refused": dict(sorted(refused.items()))}


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    jobs.main(SpanJob, name_spans)
