"""Every model's answers to the same test questions, in one job for all models that are there."""

from schemas.config import PipelineConfig
from schemas.jobs import Contestant, EvaluationJob
from schemas.manifest import Gate, StageManifest, digest_of
from schemas.records import Answer, Question
from tasks.evaluation.questions import answers_of_one, chosen_questions
from tasks.ledger import storage
from tasks.making.context import Making, no_failed_rows
from tasks.making.ramp import asked_of


def contestants_of(config: PipelineConfig) -> list[tuple[str, str, str]]:
    """(label, model, retrieval) of every evaluation: each model with live search, the last also without and blind."""
    trained = [
        ("untrained", True),
        ("base", config.base is not None),
        ("sft-0", config.sft is not None),
        *((f"sft-{n}", True) for n in range(1, (config.evolution.rounds if config.evolution else 0) + 1)),
        ("dapo", config.dapo is not None),
    ]
    models = [config.label(name) for name, there in trained if there]
    last = models[-1]
    live = [(model, model, "live") for model in models]
    return [*live, (f"{last}-none", last, "none"), (f"{last}-random", last, "random")]


def make_answers(making: Making) -> StageManifest:
    """This contestant's answers. The job answers for all contestants at once: one engine, loaded once."""
    settings, masks = making.config.evaluation, making.config.ramp.masks
    assert settings is not None
    paths = making.upstream_parts("questions").values()
    there = (row for path in paths for row in asked_of(making, path, [settings.split]))
    asked = chosen_questions(there, settings, masks)
    contestants = []
    for label, model, retrieval in contestants_of(making.config):
        recipe = making.ledger.recipe("answers", label)
        if recipe is not None and making.ledger.manifest("models", model) is not None:
            contestants.append(
                Contestant(
                    name=model,
                    model=storage.join(making.ledger.folder("models", model), "model"),
                    retrieval=retrieval,
                    output=making.ledger.folder("answers", label),
                    fingerprint=recipe.fingerprint,
                )
            )
    job_name = digest_of([[c.output, c.fingerprint] for c in contestants])[:12]
    output = storage.join(making.ledger.root, making.snapshot, "jobs", f"evaluation-{job_name}")
    questions = storage.join(output, "job-questions.parquet")
    storage.write_rows(questions, Question, asked)
    job = EvaluationJob(
        output=output,
        snapshot=making.snapshot,
        contestants=contestants,
        tokenizer=storage.join(making.upstream_folder("tokenizer"), "tokenizer"),
        index=storage.join(making.upstream_folder("index"), "index"),
        passages=list(making.upstream_parts("passages").values()),
        questions=[questions],
        agent=making.config.agent,
        settings=settings,
        engine=making.config.runtime.engine,
        placement=making.config.runtime.placement,
    )
    result = making.run_job("tasks.evaluation.answer", job)
    parts = making.open.parts(Answer).done()
    rows = sum(part.rows for part in parts.values())
    wanted = answers_of_one(settings, masks)
    whole = Gate(
        name="every question answered greedily and sampled", holds=rows == wanted, detail=f"{rows} of {wanted}"
    )
    figures = result.figures.get(making.open.recipe.label, {})
    seconds = sum(part.seconds for part in parts.values())
    return making.open.finish(parts=parts, gates=[no_failed_rows(parts), whole], figures=figures, seconds=seconds)
