"""`masksearch status`: shows what exists under a root. Builds nothing."""

import json
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from flows.selection import refuse_empty
from schemas.errors import BadInput
from tasks import jobs
from tasks.jobs import JobView
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.pipeline.graph import changes_outside


def status(root: str, as_json: bool, console: Console) -> None:
    """Show the snapshots under a root, their stages, finished or begun, and the progress of running jobs.

    A stage is outdated if a file outside the root that it recorded has changed since at its last known place.

    Raises:
        BadInput: the root holds no pipeline.
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
        raise BadInput(f"{root}: no pipeline here: give --root, the root folder or bucket of a pipeline")
    if as_json:
        print(json.dumps(rows))
        return
    for snapshot in dict.fromkeys(row["snapshot"] for row in rows):
        console.print(_status_table(snapshot, [row for row in rows if row["snapshot"] == snapshot]))


def _status_table(snapshot: str, rows: list[dict[str, Any]]) -> Table:
    # In 80 columns everything fits except a job's long state, which is wrapped.
    columns = Column("stage", no_wrap=True), Column("state", min_width=len("finished"))
    table = Table(*columns, title=snapshot, box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
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
