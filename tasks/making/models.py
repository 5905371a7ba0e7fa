"""Tokenizer, starting model, and the models that training jobs make from each other."""

from collections.abc import Iterator
from itertools import chain

from schemas.errors import BadInput
from schemas.jobs import DapoJob, JobResult, NewModelJob, PretrainJob, SftJob, TrainingJob, TrajectorySource
from schemas.manifest import Gate, StageManifest
from schemas.records import Passage, Question, Split
from tasks.ledger import storage
from tasks.making.context import Making
from tasks.making.demand import is_kept_for_evolution
from tasks.making.ramp import asked_of, splits_of


def _train_passages(making: Making) -> list[Passage]:
    """Passages of the train split's pages, in the order of the corpus."""
    splits = splits_of(making)
    return [
        passage
        for path in making.upstream_parts("passages").values()
        for passage in storage.read_rows(path, Passage)
        if splits.of_page(passage.page_id, passage.title) == Split.TRAIN
    ]


def make_tokenizer(making: Making) -> StageManifest:
    from tasks.agent.tokenizer import adopt_tokenizer, train_tokenizer

    settings = making.config.tokenizer
    assert settings is not None
    if settings.path is not None:
        tokenizer = adopt_tokenizer(settings.path)
    else:
        assert settings.vocabulary is not None
        texts = (f"{passage.title}: {passage.text}" for passage in _train_passages(making))
        tokenizer = train_tokenizer(texts, settings.vocabulary)
    tokenizer.save(storage.join(making.folder, "tokenizer"))
    return making.open.finish(made="tokenizer", figures={"vocabulary": tokenizer.vocabulary})


def _tokenizer_folder(making: Making) -> str:
    return storage.join(making.upstream_folder("tokenizer"), "tokenizer")


def _start(making: Making, label: str) -> str:
    return storage.join(making.upstream_folder("models", label), "model")


def _finish(making: Making, result: JobResult) -> StageManifest:
    model = storage.join(making.folder, "model", "config.json")
    whole = Gate(name="model written", holds=storage.exists(model), detail=model)
    return making.open.finish(made="model", gates=[whole], figures=result.figures, seconds=result.seconds)


def make_untrained(making: Making) -> StageManifest:
    """Random weights of the architecture asked for, or a model's folder fitted to the tokenizer."""
    assert making.config.model is not None
    job = NewModelJob(
        output=making.folder,
        snapshot=making.snapshot,
        tokenizer=_tokenizer_folder(making),
        settings=making.config.model,
    )
    return _finish(making, making.run_job("trainers.untrained", job))


def _training(making: Making, start: str) -> TrainingJob:
    runtime = making.config.runtime
    return TrainingJob(
        output=making.folder,
        snapshot=making.snapshot,
        tokenizer=_tokenizer_folder(making),
        start=_start(making, start),
        ranks=runtime.ranks,
        threads_per_rank=runtime.threads_per_rank,
        keep_checkpoints=runtime.keep_checkpoints,
        placement=runtime.placement,
    )


def make_base(making: Making) -> StageManifest:
    settings = making.config.base
    assert settings is not None
    documents = storage.join(making.folder, "job-documents.parquet")
    storage.write_rows(documents, Passage, _train_passages(making))
    common = _training(making, making.config.label("untrained")).model_dump()
    job = PretrainJob(**common, settings=settings, documents=[documents])
    return _finish(making, making.run_job("trainers.pretrain", job))


def _source(making: Making, label: str, weight: float = 1.0) -> TrajectorySource:
    return TrajectorySource(
        label=label, paths=list(making.upstream_parts("trajectories", label).values()), weight=weight
    )


def make_sft(making: Making) -> StageManifest:
    """The first student: the starting model trained on the teacher's trajectories."""
    settings = making.config.sft
    assert settings is not None
    start, taught = (making.upstream(stage).recipe.label for stage in ("models", "trajectories"))
    job = SftJob(**_training(making, start).model_dump(), settings=settings, sources=[_source(making, taught)])
    return _finish(making, making.run_job("trainers.sft", job))


def make_evolved(making: Making) -> StageManifest:
    """The next student: the last one trained further on its teacher's trajectories and its own accepted ones."""
    settings, teacher = making.config.evolution, making.config.teacher
    assert settings is not None
    assert teacher is not None
    taught = making.config.label(teacher.kind)
    rounds = [u.label for u in making.open.recipe.upstreams if u.stage == "trajectories" and u.label != taught]
    job = SftJob(
        **_training(making, making.upstream("models").recipe.label).model_dump(),
        settings=settings.sft,
        sources=[_source(making, taught), *(_source(making, label, settings.student_weight) for label in rounds)],
    )
    return _finish(making, making.run_job("trainers.sft", job))


def questions_of_dapo(making: Making) -> Iterator[Question]:
    """All of the split `rl`, but for what self-evolution keeps of it."""
    evolution = making.config.evolution
    for path in making.upstream_parts("questions").values():
        for question in asked_of(making, path, [Split.RL]):
            if not (evolution and is_kept_for_evolution(question, evolution)):
                yield question


def make_dapo(making: Making) -> StageManifest:
    settings, questions = making.config.dapo, questions_of_dapo(making)
    assert settings is not None
    if (first := next(questions, None)) is None:
        raise BadInput("DAPO has no questions: the split 'rl' is empty or evolution.share takes all of it")
    chosen = storage.join(making.folder, "job-questions.parquet")
    storage.write_rows(chosen, Question, chain([first], questions))
    runtime = making.config.runtime
    common = _training(making, making.upstream("models").recipe.label)
    together = runtime.placement.layout == "together"  # one process then, on all processors
    ranks = {"ranks": 1, "threads_per_rank": runtime.ranks * runtime.threads_per_rank} if together else {}
    job = DapoJob(
        **{**common.model_dump(), **ranks},
        settings=settings,
        agent=making.config.agent,
        questions=[chosen],
        index=storage.join(making.upstream_folder("index"), "index"),
        engine=runtime.engine,
    )
    return _finish(making, making.run_job("trainers.dapo", job))
