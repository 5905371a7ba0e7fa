"""What every stage's `make` receives besides its settings: upstream files, its own folder, a progress listener."""

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

import pyarrow as pa

from schemas.counts import counted
from schemas.jobs import Job, JobResult
from schemas.manifest import Gate, PartManifest, StageManifest
from schemas.records import Record, Reject
from schemas.runtime import RuntimeSettings
from tasks import jobs
from tasks.jobs import Progress
from tasks.ledger import leases, storage
from tasks.ledger.fanout import fan_out, release
from tasks.ledger.ledger import Ledger, OpenStage, Parts

Item = TypeVar("Item")


class Output(NamedTuple):
    """The result of the work on one part: its rows, its rejects, and the digests of its inputs.

    If ``rows`` is a generator, ``rejects`` and ``figures`` are complete only after the last row is drawn.
    """

    rows: Iterable[Record]
    rejects: Sequence[Reject]
    inputs: dict[str, str]
    figures: Mapping[str, int] = MappingProxyType({})
    joined: Callable[[pa.Table], pa.Table] | None = None
    """Applied to the table of all rows, for a column that is looked up once for the whole part."""


def sorted_out(rows: Iterable[Record], inputs: dict[str, str]) -> Output:
    """An output that separates rejects from the other rows."""
    rejects: list[Reject] = []

    def kept() -> Iterator[Record]:
        for row in rows:
            if isinstance(row, Reject):
                rejects.append(row)
            else:
                yield row

    return Output(kept(), rejects, inputs)


@dataclass(frozen=True)
class PartWork(Generic[Item]):
    """Builds and commits one part. It is pickled and sent to Ray's workers."""

    parts: Parts
    work: Callable[[Item], Output]

    def __call__(self, keyed: tuple[str, Item]) -> PartManifest:
        key, item = keyed
        started = time.time()
        with rare_collections():
            output = self.work(item)
            table = storage.gathered(self.parts.model, output.rows)
            if output.joined is not None:
                table = output.joined(table)
            return self.parts.commit_table(key, table, output.rejects, output.inputs, started, output.figures)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Run Python's cyclic garbage collector a hundred times less often.

    Rows contain no reference cycles, and the collector took a fifth of the time of a whole dump.
    """
    before = gc.get_threshold()
    gc.set_threshold(100 * before[0], *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class FinishedMeanwhile(Exception):
    """Another run finished the stage while this run waited for it."""

    def __init__(self, manifest: StageManifest) -> None:
        super().__init__(f"{manifest.recipe.stage}/{manifest.recipe.label}")
        self.manifest = manifest


@dataclass(frozen=True)
class Making:
    """The context of one stage while it is built."""

    runtime: RuntimeSettings
    ledger: Ledger
    open: OpenStage
    on_progress: Callable[[Progress], None]
    held: ExitStack
    """Resources held until the stage is finished, such as the lease of a stage that this process builds in parts."""

    @property
    def folder(self) -> str:
        return self.open.folder

    @property
    def snapshot(self) -> str:
        return self.ledger.snapshot

    def upstream(self, stage: str, label: str | None = None) -> StageManifest:
        """The manifest of an upstream; ``label`` chooses between several upstreams of the same stage."""
        for upstream in self.open.recipe.upstreams:
            if upstream.stage == stage and label in (None, upstream.label):
                manifest = self.ledger.manifest(upstream.stage, upstream.label)
                assert manifest is not None, "a recipe pins finished stages only"
                return manifest
        raise KeyError(f"{self.open.recipe.stage}/{self.open.recipe.label} has no upstream {stage}/{label or '*'}")

    def has_upstream(self, stage: str) -> bool:
        return any(upstream.stage == stage for upstream in self.open.recipe.upstreams)

    def labels_of(self, stage: str) -> list[str]:
        """The labels of the upstreams of that stage, in the order of the recipe."""
        return [upstream.label for upstream in self.open.recipe.upstreams if upstream.stage == stage]

    def upstream_folder(self, stage: str, label: str | None = None) -> str:
        recipe = self.upstream(stage, label).recipe
        return self.ledger.folder(recipe.stage, recipe.label)

    def upstream_parts(self, stage: str, label: str | None = None) -> dict[str, str]:
        """Paths of an upstream's parts by key."""
        manifest = self.upstream(stage, label)
        parts = Parts(self.upstream_folder(stage, label), manifest.fingerprint, Record, self.snapshot)
        return {key: parts.data_path(key) for key in manifest.parts}

    def upstream_manifests(self, stage: str, label: str | None = None) -> dict[str, PartManifest]:
        """The manifests of an upstream's parts by key."""
        manifest = self.upstream(stage, label)
        return Parts(self.upstream_folder(stage, label), manifest.fingerprint, Record, self.snapshot).done()

    def upstream_paths(self, stage: str) -> list[str]:
        """Paths of an upstream's parts in the order of their keys; empty if the stage is not an upstream."""
        return list(self.upstream_parts(stage).values()) if self.has_upstream(stage) else []

    @property
    def index(self) -> str:
        """The folder of the upstream index."""
        return storage.join(self.upstream_folder("index"), "index")

    @property
    def tokenizer(self) -> str | None:
        """The folder of the upstream tokenizer; None if the stage has no tokenizer upstream."""
        return storage.join(self.upstream_folder("tokenizer"), "tokenizer") if self.has_upstream("tokenizer") else None

    def map_parts(
        self,
        model: type[Record],
        items: dict[str, Item],
        work: Callable[[Item], Output],
    ) -> dict[str, PartManifest]:
        """Build the missing parts, one from each item, and return all parts by key.

        A part with failed rows counts as missing: the next run tries them again. If another run builds the same stage,
        this call waits for it and then reuses its parts.

        Raises:
            FinishedMeanwhile: the other run has finished the stage, gates included.
        """
        waiting = lambda holder: self.on_progress(  # noqa: E731
            Progress(done=0, total=len(items), unit="parts", note=f"waiting for {holder}, which builds them")
        )
        lease = self.held.enter_context(leases.held(self.folder, waiting))
        finished = self.ledger.manifest(self.open.recipe.stage, self.open.recipe.label)
        if finished is not None:
            raise FinishedMeanwhile(finished)
        return self._map_parts(self.open.parts(model, lease), items, work)

    def _map_parts(
        self, parts: Parts, items: dict[str, Item], work: Callable[[Item], Output]
    ) -> dict[str, PartManifest]:
        done = {key: part for key, part in parts.done().items() if key in items and not part.failed}
        missing = [(key, item) for key, item in items.items() if key not in done]

        def committed(part: PartManifest) -> None:
            done[part.key] = part
            rows = sum(manifest.rows for manifest in done.values())
            self.on_progress(Progress(done=len(done), total=len(items), unit="parts", note=counted(rows, "row")))

        fan_out(missing, PartWork(parts, work), self.runtime.workers, committed)
        return dict(sorted(done.items()))

    def run_job(self, module: str, job: Job) -> JobResult:
        """Run a job (`tasks.jobs.run`). A local Ray is shut down first, because the job may need its memory."""
        release()
        return jobs.run(module, job, self.runtime.jobs, self.on_progress)


def no_failed_rows(parts: dict[str, PartManifest]) -> Gate:
    """Failed rows are not rejects: a stage with failed rows is unfinished, and the next run tries them again."""
    failed = sum(part.failed for part in parts.values())
    return Gate(name="no failed rows", holds=failed == 0, detail=f"{counted(failed, 'row')} failed")


def has_rows(parts: dict[str, PartManifest]) -> Gate:
    rows = sum(part.rows for part in parts.values())
    return Gate(name="has rows", holds=rows > 0, detail=counted(rows, "row"))
