"""Questions → the teacher's trajectories: by parts where it works in batches, else in a job, request by request."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

from schemas.config import PipelineConfig
from schemas.identity import Reads
from schemas.jobs import TeacherJob
from schemas.manifest import StageManifest, digest_of
from schemas.names import RAMP
from schemas.records import EndReason, Question, Record, Reject, Trajectory
from schemas.seams import ChatModelSettings
from schemas.settings import TEACHERS, AgentSettings, AnyTeacher, TeacherSettings
from schemas.training_steps import SelfEvolutionStep, SftStep
from tasks.ledger import storage
from tasks.making.context import Making, Output
from tasks.making.needs import ChatModel, Need
from tasks.making.searching import searcher_of
from tasks.making.stage import Name, Seen, Work
from tasks.sets.draws import Draw
from tasks.stages.index import IndexStage
from tasks.stages.questions import asking_needs, placed, questions_of
from tasks.stages.tokenizer import TokenizerStage
from tasks.stages.trajectories import TrajectoryStage

if TYPE_CHECKING:
    from tasks.agent.tokenizer import AgentTokenizer
    from tasks.teachers.registry import BatchTeacher


class TeacherReads(Reads):
    agent: AgentSettings
    teacher: AnyTeacher
    certified_only: bool


@dataclass(frozen=True, kw_only=True)
class TeacherStage(TrajectoryStage[TeacherReads]):
    """The teacher reads what the student will be shown: so many of the student's tokens, where there is a student."""

    keys = "|".join(TEACHERS.built_in)

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["TeacherStage"]:
        if config.teacher is None:
            return
        tokenizer = [TokenizerStage.in_config(config)] if config.tokenizer else []
        for asked in _taught_sets(config):
            yield cls(
                key=_key_on(config.teacher, asked),
                label=cls.on(config, asked)[1],
                reads=TeacherReads(agent=config.agent, teacher=config.teacher, certified_only=config.certified_only),
                upstreams=(*tokenizer, IndexStage.in_config(config), questions_of(config, asked)),
                needs=(*_endpoint_of(config, config.teacher), *asking_needs(config, asked)),
            )

    @classmethod
    def on(cls, config: PipelineConfig, asked: str) -> Name:
        """The teacher's trajectories on a set."""
        assert config.teacher is not None
        return cls.stage, config.label(_key_on(config.teacher, asked))

    @classmethod
    def has_key(cls, name: str) -> bool:
        return super().has_key(name) or name in TEACHERS.installed

    def make(self, making: Making) -> StageManifest:
        from tasks.teachers.registry import batch_teacher_of

        teacher = batch_teacher_of(self.reads.teacher)
        if teacher is None:
            return self._taught_in_job(making)
        work = partial(_taught, self.reads, making.index, self.label, making.tokenizer, teacher)
        return self.finish(making, making.map_parts(Trajectory, batches_of(making, self.reads), work))

    def _taught_in_job(self, making: Making) -> StageManifest:
        questions = storage.join(making.folder, "job-questions.parquet")
        chosen = _chosen(making, self.reads).values()
        asked = (question for path, places in chosen for question in storage.read_rows_at(path, Question, places))
        storage.write_rows(questions, Question, asked)
        job = TeacherJob(
            output=making.folder,
            snapshot=making.snapshot,
            label=self.label,
            tokenizer=making.tokenizer,
            index=making.index,
            questions=[questions],
            agent=self.reads.agent,
            settings=self.reads.teacher,
            endpoint=making.runtime.teacher_endpoint,
            fingerprint=making.open.recipe.fingerprint,
        )
        result = making.run_job("tasks.teachers.teach", job)
        return self.finish(making, making.open.parts(Trajectory).done(), figures=result.figures)

    def work(self, seen: Seen | None) -> Work | None:
        """Rows alone: nothing is known of the tokens."""
        teacher = self.reads.teacher
        return None if teacher.questions is None else Work(rows=teacher.questions * teacher.rollouts)


def _key_on(teacher: TeacherSettings, asked: str) -> str:
    return teacher.kind if asked == RAMP else f"{asked}-{teacher.kind}"


def _taught_sets(config: PipelineConfig) -> list[str]:
    """The sets that the teacher answers: those of the steps that train on its trajectories, or else RAMP."""
    steps = (step for step in config.training if isinstance(step, SftStep | SelfEvolutionStep))
    return list(dict.fromkeys(step.on for step in steps)) or [RAMP]


def _endpoint_of(config: PipelineConfig, teacher: TeacherSettings) -> tuple[Need, ...]:
    if not isinstance(teacher, ChatModelSettings):
        return ()
    asked = ChatModel(
        setting="runtime.teacher_endpoint",
        model_setting="teacher.model",
        who=f"teacher.kind {teacher.kind}",
        endpoint=config.runtime.teacher_endpoint,
        model=teacher.model,
        reads_key=config.runtime.jobs.runs_here,
    )
    return (asked,)


class Batch(NamedTuple):
    """Questions by their places in a part, as a whole Wikipedia's would not fit into one process."""

    path: str
    places: list[int]


class _Candidate(NamedTuple):
    """A question of the teacher's splits, as far as a draw needs to know it."""

    question_id: str
    part: str
    place: int


def batches_of(making: Making, reads: TeacherReads) -> dict[str, Batch]:
    """What the teacher is asked, in small batches, by the questions part and the place in it."""
    found = {}
    rows = reads.teacher.part_rows
    for key, (path, places) in _chosen(making, reads).items():
        for start in range(0, len(places), rows):
            found[f"{key}-{start:06d}"] = Batch(path, places[start : start + rows])
    return found


def _chosen(making: Making, reads: TeacherReads) -> dict[str, Batch]:
    """What the teacher is asked, by the questions part: all of its splits, or as many as are drawn of them."""
    settings, paths = reads.teacher, making.upstream_parts("questions")
    candidates: Iterator[_Candidate] = (
        _Candidate(question.question_id, part, place)
        for part, path in paths.items()
        for place, question in placed(path, settings.splits, reads.certified_only)
    )
    if settings.questions is not None:
        draw = Draw[_Candidate](settings.questions, lambda one: digest_of([settings.seed, one.question_id])[:16])
        for candidate in candidates:
            draw.add(candidate)
        candidates = iter(draw.drawn())
    chosen = {part: Batch(path, []) for part, path in paths.items()}
    for candidate in candidates:
        chosen[candidate.part].places.append(candidate.place)
    return {part: Batch(path, sorted(places)) for part, (path, places) in chosen.items()}


@cache
def _tokenizer_of(folder: str) -> "AgentTokenizer":
    """Read once a process: Ray's workers keep it from part to part."""
    from tasks.agent.tokenizer import AgentTokenizer

    return AgentTokenizer.load(folder)


def _taught(
    reads: TeacherReads, index: str, label: str, tokenizer: str | None, teacher: "BatchTeacher", batch: Batch
) -> Output:
    from tasks.agent.judges import judge_of

    judge = judge_of(reads.teacher.judge)
    rows: list[Record] = []
    rejects = []
    questions = storage.read_rows_at(batch.path, Question, batch.places)
    read_by = _tokenizer_of(tokenizer) if tokenizer else None
    taught = teacher(questions, searcher_of(index), reads.agent, label, read_by)
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
