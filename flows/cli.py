"""The command line: `masksearch`. Heavy imports happen in the command that needs them, after its words are parsed."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from schemas.errors import TERMINATED, MaskSearchError, Stopped

app = typer.Typer(
    help="From a Wikipedia dump to a trained search agent and its scorecard.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Config = Annotated[str, typer.Argument(help="A pipeline config, such as deploy/configs/sample.yaml.")]
Snapshot = Annotated[str | None, typer.Option(help="wiki-YYYYMMDD in place of the config's; latest: the newest dump.")]
Root = Annotated[str | None, typer.Option(help="Folder or bucket in place of the config's.")]
Dump = Annotated[str | None, typer.Option(help="A dump in place of the config's.")]
Mode = Literal["missing", "failed", "all"]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


def _console() -> Any:
    from rich.console import Console

    return Console()


@app.command()
def run(config: Config, snapshot: Snapshot = None, root: Root = None, dump: Dump = None) -> None:
    """Run the pipeline, resuming what is there."""
    from flows.running import run

    run(config, snapshot, root, dump, None, _console())


def _group(name: str, words: str) -> None:
    def command(config: Config, snapshot: Snapshot = None, root: Root = None, dump: Dump = None) -> None:
        from flows.running import run

        run(config, snapshot, root, dump, name, _console())

    app.command(name, help=words)(command)


_group("corpus", "Build pages, passages and the index.")
_group("ramp", "Build the RAMP questions, and what they are made from.")
_group("trajectories", "Build the teacher's and the student's trajectories, and what they are made from.")
_group("sft", "Train by SFT, and build what that needs.")
_group("rl", "Train by DAPO, and build what that needs.")
_group("evaluate", "Answer the test questions with every model, and build what that needs.")


@app.command()
def plan(config: Config, snapshot: Snapshot = None, root: Root = None, dump: Dump = None, json: AsJson = False) -> None:
    """Say what would be built or skipped, and why, and what it would take. Builds nothing."""
    from flows.planning import plan

    plan(config, snapshot, root, dump, json, _console())


@app.command()
def accept(
    config: Config,
    size: Annotated[
        str | None, typer.Option(help="tiny, 0.5B … 70B; default: tiny on CPUs, else nearest to the config's model.")
    ] = None,
    price_per_gpu_hour: Annotated[
        float | None, typer.Option(min=0, help="To tell what the config's plan costs.")
    ] = None,
    root: Root = None,
) -> None:
    """Test the cluster that the config's runtime names, in a quarter of an hour, and say what the config would take."""
    from flows.accept import accept

    accept(config, size, price_per_gpu_hour, root, _console())


@app.command()
def stop(
    names: Annotated[list[str] | None, typer.Argument(help="Only of this snapshot, stage, or stage/label.")] = None,
    root: Annotated[str, typer.Option(help="Folder or bucket of a pipeline.")] = "runs/sample",
) -> None:
    """Have what runs under a root save its state and stop, wherever it runs; a later run goes on."""
    from flows.stop import stop

    stop(root, names or [], _console())


@app.command()
def status(
    root: Annotated[str, typer.Option(help="Folder or bucket of a pipeline.")] = "runs/sample", json: AsJson = False
) -> None:
    """Snapshots and their stages, from the manifests."""
    from flows.overview import status

    status(root, json, _console())


@app.command()
def backfill(
    config: Config,
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    snapshots: Annotated[list[str] | None, typer.Option(help="Snapshots to build, one or several.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Instead: all whose dumps are there, from this date (YYYYMMDD) …")
    ] = None,
    until: Annotated[str | None, typer.Option(help="to this one.")] = None,
    mode: Annotated[Mode, typer.Option(help="Only those with something missing, or failed; or all.")] = "missing",
    root: Root = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be built.")] = False,
) -> None:
    """Run the pipeline for several snapshots, one after the other. The config's dump may hold {wiki} and {date}."""
    from flows.backfill import backfill

    # Options take one word: those behind the first snapshot come as arguments.
    backfill(config, [*(snapshots or []), *(more or [])], since, until, root, mode, dry_run, _console())


@app.command()
def index(
    passages: Annotated[str, typer.Argument(help="Parquet or JSON lines with passage_id, title, text.")],
    out: Annotated[str, typer.Option(help="Folder of the index.")],
    kind: Annotated[str, typer.Option(help="bm25, dense or hybrid.")] = "bm25",
    encoder: Annotated[str | None, typer.Option(help="Dense and hybrid: folder of a Hugging Face encoder.")] = None,
    language: Annotated[str, typer.Option(help="Two letters; chooses the analyzer.")] = "en",
) -> None:
    """Build an index of passages."""
    from flows.retrieval import build

    build(passages, out, kind, language, encoder, _console())


@app.command()
def search(
    index: Annotated[str, typer.Argument(help="Folder of an index, or of its stage.")],
    query: Annotated[str | None, typer.Argument(help="What to search for.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Hits a query.")] = 10,
    queries: Annotated[Path | None, typer.Option(help="JSON lines with query_id and query.")] = None,
    json: AsJson = False,
) -> None:
    """Search an index."""
    from flows.retrieval import search

    search(index, query, k, queries, json, _console())


@app.command()
def serve(
    index: Annotated[str, typer.Argument(help="Folder of an index, or of its stage.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any that is free.")] = 8600,
) -> None:
    """Serve an index over HTTP."""
    from flows.retrieval import serve

    serve(index, host, port, _console())


@app.command()
def show(
    path: Annotated[str, typer.Argument(help="A Parquet file of ours, or a stage's folder.")],
    limit: Annotated[int, typer.Option(min=1, help="Records to show.")] = 10,
    json: AsJson = False,
) -> None:
    """Print records readably."""
    from tasks.report.show import show

    show(path, limit, json, _console())


@app.command()
def doctor(config: Config, snapshot: Snapshot = None, root: Root = None, dump: Dump = None) -> None:
    """Check that this machine has what the config needs."""
    from flows.doctor import doctor

    doctor(config, snapshot, root, dump, _console())


def main() -> None:
    """Entry point. Errors are one line; exit code 2 for bad input, 1 for a failed run, 130 for one that was stopped.

    SIGTERM ends it with 143.
    """
    try:
        app(standalone_mode=True)
    except Stopped as stopped:
        print(f"stopped; {' '.join(str(stopped).split())}", file=sys.stderr)
        sys.exit(stopped.exit_code)
    except MaskSearchError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code in (Stopped.exit_code, TERMINATED):  # typer takes the KeyboardInterrupt itself, and says nothing
            print("stopped; what was finished is kept, run again to go on", file=sys.stderr)
        raise
