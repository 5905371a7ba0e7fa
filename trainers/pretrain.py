"""``python -m trainers.pretrain CONFIG.json`` (schemas.jobs.PretrainJob): language modelling on passages."""

from typing import Any

from schemas.errors import BadInput
from schemas.jobs import PretrainJob
from schemas.records import Passage
from tasks import jobs
from tasks.ledger import storage
from trainers.ranks import launch


def train(job: PretrainJob) -> dict[str, Any]:
    """Train on documents of the job's passages, which follow the links between pages."""
    from tasks.agent.tokenizer import AgentTokenizer
    from trainers.supervised import loop
    from trainers.supervised.documents import DocumentCourse

    passages = [passage for path in job.documents for passage in storage.read_rows(path, Passage)]
    if not passages:
        raise BadInput(f"no passage to train on in {', '.join(job.documents) or 'an empty list of documents'}")
    course = DocumentCourse(passages, AgentTokenizer.load(job.tokenizer), job.settings)
    return loop.train(job, course)


if __name__ == "__main__":
    jobs.main(PretrainJob, lambda job: launch.on_ranks("trainers.pretrain", job, train))
