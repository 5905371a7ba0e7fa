"""Questions → trajectories: the scripted teacher by parts, the multi-agent teacher and the student as jobs."""

from collections import Counter
from collections.abc import Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from schemas.errors import BadInput
from schemas.jobs import RolloutJob, TeacherJob
from schemas.manifest import Gate, PartManifest, StageManifest, digest_of
from schemas.records import EndReason, Question, Record, Reject, Trajectory, VerdictStatus
from schemas.settings import AgentSettings, TeacherSettings
from tasks.ledger import storage
from tasks.making.context import Making, Output, has_rows, no_failed_rows
from tasks.making.demand import is_kept_for_evolution
from tasks.making.ramp import asked_of, placed
from tasks.making.searching import searcher_of
from tasks.sets.draws import Draw

if TYPE_CHECKING:
    from tasks.agent.tokenizer import AgentTokenizer


class _Batch(NamedTuple):
    """Questions by their places in a part, as a whole Wikipedia's would not fit into one process."""

    path: str
    places: list[int]


class _Candidate(NamedTuple):
    """A question of the teacher's splits, as far as a draw needs to know it."""

    question_id: str
    part: str
    place: int


def _chosen(making: Making, settings: TeacherSettings) -> dict[str, _Batch]:
    """What the teacher is asked, by the questions part: all of its splits, or as many as are drawn of them."""
    paths = making.upstream_parts("questions")
    candidates: Iterator[_Candidate] = (
        _Candidate(question.question_id, part, place)
        for part, path in paths.items()
        for place, question in placed(making, path, settings.splits)
    )
    if settings.questions is not None:
        draw = Draw[_Candidate](settings.questions, lambda one: digest_of([settings.seed, one.question_id])[:16])
        for candidate in candidates:
            draw.add(candidate)
        candidates = iter(draw.drawn())
    chosen = {part: _Batch(path, []) for part, path in paths.items()}
    for candidate in candidates:
        chosen[candidate.part].places.append(candidate.place)
    return {part: _Batch(path, sorted(places)) for part, (path, places) in chosen.items()}


def _batches(making: Making, settings: TeacherSettings) -> dict[str, _Batch]:
    """The same in small parts, by the questions part and the place in it."""
    found = {}
    for key, (path, places) in _chosen(making, settings).items():
        for start in range(0, len(places), settings.part_rows):
            found[f"{key}-{start:06d}"] = _Batch(path, places[start : start + settings.part_rows])
    return found


def _tokenizer_folder(making: Making) -> str:
    return storage.join(making.upstream_folder("tokenizer"), "tokenizer")


def _students_tokenizer(making: Making) -> str | None:
    """None where the config has no student."""
    return _tokenizer_folder(making) if making.config.tokenizer else None


@cache
def _tokenizer_of(folder: str) -> "AgentTokenizer":
    """Read once a process: Ray's workers keep it from part to part."""
    from tasks.agent.tokenizer import AgentTokenizer

    return AgentTokenizer.load(folder)


def _taught(agent: AgentSettings, index: str, label: str, tokenizer: str | None, batch: _Batch) -> Output:
    from tasks.agent.judge import judge
    from tasks.teachers.scripted import teach_many

    rows: list[Record] = []
    rejects = []
    questions = storage.read_rows_at(batch.path, Question, batch.places)
    read_by = _tokenizer_of(tokenizer) if tokenizer else None
    taught = teach_many(questions, searcher_of(index), agent, label, read_by)
    for question, trajectory in zip(questions, taught, strict=True):
        if trajectory.end_reason == EndReason.TOOL_FAILED:
            rejects.append(
                Reject(
                    snapshot=question.snapshot,
                    row_id=question.question_id,
                    reason=EndReason.TOOL_FAILED,
                    failed=True,
                    detail="search failed",
                )
            )
        else:
            rows.append(trajectory.model_copy(update={"verdict": judge(question, trajectory)}))
    return Output(rows, rejects, {"questions": digest_of([question.question_id for question in questions])})


def make_taught(making: Making) -> StageManifest:
    """Trajectories of the config's teacher, judged; all verdicts are kept, only right ones are trained on."""
    settings = making.config.teacher
    assert settings is not None
    if settings.kind == "multi_agent":
        return _taught_by_endpoint(making, settings)
    index = storage.join(making.upstream_folder("index"), "index")
    tokenizer = _students_tokenizer(making)
    work = partial(_taught, making.config.agent, index, making.open.recipe.label, tokenizer)
    return _finish(making, making.map_parts(Trajectory, _batches(making, settings), work))


def _taught_by_endpoint(making: Making, settings: TeacherSettings) -> StageManifest:
    endpoint = making.config.runtime.teacher_endpoint
    if endpoint is None:
        raise BadInput("the multi-agent teacher needs runtime.teacher_endpoint (an OpenAI-compatible address)")
    questions = storage.join(making.folder, "job-questions.parquet")
    chosen = _chosen(making, settings).values()
    asked = (question for path, places in chosen for question in storage.read_rows_at(path, Question, places))
    storage.write_rows(questions, Question, asked)
    job = TeacherJob(
        output=making.folder,
        snapshot=making.snapshot,
        label=making.open.recipe.label,
        tokenizer=_students_tokenizer(making),
        index=storage.join(making.upstream_folder("index"), "index"),
        questions=[questions],
        agent=making.config.agent,
        settings=settings,
        endpoint=endpoint,
        fingerprint=making.open.recipe.fingerprint,
    )
    result = making.run_job("tasks.teachers.teach", job)
    return _finish(making, making.open.parts(Trajectory).done(), figures=result.figures)


def make_student(making: Making) -> StageManifest:
    """Self-evolution: the student answers fresh questions with live search, judged."""
    settings = making.config.evolution
    assert settings is not None
    fresh = Draw[Question](settings.questions, lambda question: digest_of([settings.seed, question.question_id]))
    for path in making.upstream_parts("questions").values():
        for question in asked_of(making, path, [settings.split]):
            if is_kept_for_evolution(question, settings):
                fresh.add(question)
    if fresh.given < settings.questions:
        raise BadInput(
            f"evolution.questions asks for {settings.questions} fresh questions, but the split {settings.split} "
            f"holds {fresh.given} for it; raise evolution.share, make more questions, or ask for fewer"
        )
    questions = storage.join(making.folder, "job-questions.parquet")
    storage.write_rows(questions, Question, fresh.drawn())
    model = making.upstream("models").recipe.label
    job = RolloutJob(
        output=making.folder,
        snapshot=making.snapshot,
        label=making.open.recipe.label,
        model_name=model,
        model=storage.join(making.upstream_folder("models"), "model"),
        tokenizer=_tokenizer_folder(making),
        index=storage.join(making.upstream_folder("index"), "index"),
        questions=[questions],
        agent=making.config.agent,
        settings=settings,
        engine=making.config.runtime.engine,
        placement=making.config.runtime.placement,
        fingerprint=making.open.recipe.fingerprint,
    )
    result = making.run_job("tasks.teachers.student", job)
    parts = making.open.parts(Trajectory).done()
    return _finish(making, parts, figures=result.figures, at_least=settings.min_accepted)


def _finish(
    making: Making,
    parts: dict[str, PartManifest],
    *,
    figures: dict[str, Any] | None = None,
    at_least: int = 1,
) -> StageManifest:
    verdicts: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    yields: dict[str, Counter[str]] = {}
    for key in parts:
        for row in storage.read_rows(making.open.parts(Trajectory).data_path(key), Trajectory):
            status = cast(str, row.verdict.status) if row.verdict else "unjudged"
            verdicts[status] += 1
            ends[row.end_reason] += 1
            yields.setdefault(str(row.n_masks), Counter())[status] += 1
    accepted = verdicts[VerdictStatus.CORRECT]
    enough = Gate(name="accepted trajectories", holds=accepted >= at_least, detail=f"{accepted}, at least {at_least}")
    counted = {
        "verdicts": dict(sorted(verdicts.items())),
        "end_reasons": dict(sorted(ends.items())),
        "verdicts_by_masks": {masks: dict(sorted(counts.items())) for masks, counts in sorted(yields.items())},
    }
    gates = [has_rows(parts), no_failed_rows(parts), enough]
    return making.open.finish(parts=parts, gates=gates, figures={**counted, **(figures or {})})
