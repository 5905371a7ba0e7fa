"""``python -m trainers.untrained CONFIG.json`` (schemas.jobs.NewModelJob): the model that training starts from."""

from pathlib import Path
from typing import Any

from schemas.jobs import NewModelJob
from tasks import jobs
from tasks.agent.tokenizer import AgentTokenizer
from trainers.model.weights import load_model, new_model


def make(job: NewModelJob) -> dict[str, Any]:
    """Write ``model/``; returns its number of parameters."""
    folder = str(Path(job.output) / "model")
    tokenizer = AgentTokenizer.load(job.tokenizer)
    if job.settings.path is not None:
        tokenizer.refuse_other_ids(job.settings.path)
    new_model(job.settings, tokenizer.vocabulary, folder, made_for=tokenizer.digest)
    return {"parameters": sum(weight.numel() for weight in load_model(folder).parameters())}


if __name__ == "__main__":
    jobs.main(NewModelJob, make)
