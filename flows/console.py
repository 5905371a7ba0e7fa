"""The terminal output of a run: progress of the current stage with its time left, and a line for each built stage."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from schemas.manifest import StageManifest
from tasks.jobs import Progress
from tasks.pipeline.graph import Stage

_PLAIN_SECONDS = 20.0
"""Seconds between two plain lines of progress."""


class Terminal:
    """Listens to the stages (`tasks.pipeline.prefect_tasks`). Without a terminal (a log file) it prints plain lines."""

    def __init__(self, console: Console) -> None:
        self._console, self._live = console, console.is_terminal
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]} {task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._bars = Bars(*columns, console=console, transient=True, disable=not self._live)
        self._task: TaskID | None = None
        self._stage: str | None = None
        self._printed = time.monotonic()
        self._first = (self._printed, 0)
        """Time and progress of the current stage's first report, from which its rate is computed."""

    def __enter__(self) -> "Terminal":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, stage: Stage | str, news: Progress | StageManifest) -> None:
        if isinstance(news, StageManifest):
            self._finished(stage, news)
        else:
            self._progressed(stage, news)

    def _progressed(self, stage: Stage | str, progress: Progress) -> None:
        if self._stage != str(stage):
            self._stage, self._first = str(stage), (time.monotonic(), progress.done)
            if self._task is not None:
                self._bars.remove_task(self._task)
            self._task = self._bars.add_task(str(stage), total=progress.total, unit="", note="")
        assert self._task is not None
        self._bars.update(
            self._task, completed=progress.done, total=progress.total, unit=progress.unit, note=progress.note
        )
        if not self._live and time.monotonic() - self._printed > _PLAIN_SECONDS:
            self._printed = time.monotonic()
            words = f"{progress.done:,} of {progress.total:,} {progress.unit} {progress.note}".rstrip()
            self._console.print(f"  {stage}: {words}{self._left(progress)}", highlight=False)

    def _left(self, progress: Progress) -> str:
        began, before = self._first
        done, seconds = progress.done - before, time.monotonic() - began
        return f", {(progress.total - progress.done) * seconds / done:.0f} s left" if done else ""

    def _finished(self, stage: Stage | str, manifest: StageManifest) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = self._stage = None
        rejects = sum(manifest.rejects.values())
        rows = f"{manifest.rows:>9,} {'row ' if manifest.rows == 1 else 'rows'}" if manifest.rows else " " * 14
        dropped = f", {rejects:,} rejected" if rejects else ""
        self._console.print(f"[green]✓[/] {stage!s:<26}{rows}{manifest.seconds:>9.1f} s{dropped}", highlight=False)
