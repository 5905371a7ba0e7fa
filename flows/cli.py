"""The command line: `masksearch`. Each command imports heavy packages itself, after its arguments are parsed."""

import os
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
Snapshot = Annotated[str | None, typer.Option(help="wiki-YYYYMMDD instead of the config's; latest: the newest dump.")]
Root = Annotated[str | None, typer.Option(help="Root folder or bucket instead of the config's.")]
Dump = Annotated[str | None, typer.Option(help="Path of a dump instead of the config's.")]
Mode = Literal["missing", "failed", "all"]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


_UNBROKEN = 1000
"""Columns of output that goes into a file or a pipe, where nothing breaks a line or cuts a cell."""


def _console(*, framed: bool = False) -> Any:
    """A console as wide as the terminal. ``framed``: frames are drawn around the output, also in a file."""
    from rich.console import Console

    console = Console()
    has_width = console.is_terminal or framed or "COLUMNS" in os.environ
    return console if has_width else Console(width=_UNBROKEN)


@app.command()
def run(config: Config, snapshot: Snapshot = None, root: Root = None, dump: Dump = None) -> None:
    """Run the pipeline: build the stages that are missing, and continue unfinished ones."""
    from flows.running import run

    run(config, snapshot, root, dump, None, _console())


def _group(name: str, description: str) -> None:
    """Add a command that runs the stages of a group and their upstreams."""

    def command(config: Config, snapshot: Snapshot = None, root: Root = None, dump: Dump = None) -> None:
        from flows.running import run

        run(config, snapshot, root, dump, name, _console())

    app.command(name, help=description)(command)


_group("corpus", "Build pages, passages and the index.")
_group("ramp", "Build the RAMP questions, and the stages that they need.")
_group("questions", "Build the questions of the config's sets.")
_group("trajectories", "Build the teacher's and the student's trajectories, and the stages that they need.")
_group("sft", "Train by SFT, and build the stages that it needs.")
_group("rl", "Train by DAPO, and build the stages that it needs.")
_group("evaluate", "Answer the test questions with every model, and build the stages that this needs.")


@app.command()
def plan(config: Config, snapshot: Snapshot = None, root: Root = None, dump: Dump = None, json: AsJson = False) -> None:
    """Show which stages a run would build or skip, why, and the work that they take. Builds nothing."""
    from flows.planning import plan

    plan(config, snapshot, root, dump, json, _console())


@app.command()
def accept(
    config: Config,
    size: Annotated[
        str | None,
        typer.Option(help="tiny, 0.5B … 70B; default: tiny on CPUs, else the size nearest to the config's model."),
    ] = None,
    price_per_gpu_hour: Annotated[
        float | None, typer.Option(min=0, help="Print the cost of the config's plan at this price.")
    ] = None,
    root: Root = None,
) -> None:
    """Test the cluster of the config's runtime, in a quarter of an hour, and estimate the time of the whole config."""
    from flows.accept import accept

    accept(config, size, price_per_gpu_hour, root, _console())


@app.command()
def stop(
    names: Annotated[list[str] | None, typer.Argument(help="Stop only this snapshot, stage, or stage/label.")] = None,
    root: Annotated[str, typer.Option(help="Folder or bucket of a pipeline.")] = "runs/sample",
) -> None:
    """Stop everything that runs under a root, on any machine. Jobs save their state, and a later run continues."""
    from flows.stop import stop

    stop(root, names or [], _console())


@app.command()
def status(
    root: Annotated[str, typer.Option(help="Folder or bucket of a pipeline.")] = "runs/sample", json: AsJson = False
) -> None:
    """Show snapshots and their stages, from the manifests."""
    from flows.overview import status

    status(root, json, _console())


@app.command()
def backfill(
    config: Config,
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    snapshots: Annotated[list[str] | None, typer.Option(help="Snapshots to build, one or several.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Instead of --snapshots: all dumps that exist, from this date (YYYYMMDD) on.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="All dumps that exist, up to this date (YYYYMMDD).")] = None,
    mode: Annotated[
        Mode, typer.Option(help="Which snapshots: with stages missing, with stages failed, or all.")
    ] = "missing",
    root: Root = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be built.")] = False,
) -> None:
    """Run the pipeline for several snapshots in turn. The config's dump may contain {wiki} and {date}."""
    from flows.backfill import backfill

    # An option takes one value, so the snapshots after the first arrive as arguments.
    backfill(config, [*(snapshots or []), *(more or [])], since, until, root, mode, dry_run, _console())


@app.command()
def experiments(
    file: Annotated[str, typer.Argument(help="The experiments, such as deploy/configs/experiments/experiments.yaml.")],
    only: Annotated[list[str] | None, typer.Option(help="Only the experiment of this name; may be repeated.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Only this seed; may be repeated.")] = None,
    root: Root = None,
    page: Annotated[bool, typer.Option("--page", help="Run nothing: write the page from what is finished.")] = False,
) -> None:
    """Run configs with several seeds, and write a page that compares their contestants. Resumes what is there."""
    from flows.experiments import experiments

    experiments(file, only or [], seed or [], root, page, _console())


@app.command()
def index(
    passages: Annotated[str, typer.Argument(help="Parquet or JSON lines with passage_id, title, text.")],
    out: Annotated[str, typer.Option(help="Folder of the index.")],
    kind: Annotated[str, typer.Option(help="bm25, dense or hybrid.")] = "bm25",
    encoder: Annotated[str | None, typer.Option(help="dense and hybrid: folder of a Hugging Face encoder.")] = None,
    language: Annotated[str, typer.Option(help="Language code of two letters, which chooses the analyzer.")] = "en",
) -> None:
    """Build an index of passages."""
    from flows.retrieval import build

    build(passages, out, kind, language, encoder, _console())


@app.command()
def search(
    index: Annotated[str, typer.Argument(help="Folder of an index, or of its stage.")],
    query: Annotated[str | None, typer.Argument(help="What to search for.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Hits for each query.")] = 10,
    queries: Annotated[Path | None, typer.Option(help="File of JSON lines with query_id and query.")] = None,
    json: AsJson = False,
) -> None:
    """Search an index."""
    from flows.retrieval import search

    search(index, query, k, queries, json, _console())


@app.command()
def serve(
    index: Annotated[str, typer.Argument(help="Folder of an index, or of its stage.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any free port.")] = 8600,
) -> None:
    """Serve an index over HTTP."""
    from flows.retrieval import serve

    serve(index, host, port, _console())


@app.command()
def show(
    path: Annotated[str, typer.Argument(help="A Parquet file of this pipeline, or a stage's folder.")],
    limit: Annotated[int, typer.Option(min=1, help="Records to show.")] = 10,
    json: AsJson = False,
) -> None:
    """Print records in a readable form."""
    from tasks.report.show import show

    show(path, limit, json, _console(framed=True))


@app.command()
def sets(
    file: Annotated[str, typer.Argument(help="A question set: JSON, JSON lines, CSV, TSV or Parquet.")],
    layout: Annotated[
        str | None, typer.Option(help="hotpotqa, two_wiki, musique … or an installed layout; default: detected.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Show what would be read from a question set: layout, questions, rejects by reason, examples."""
    from flows.sets import inspect

    inspect(file, layout, json, _console())


@app.command()
def score(
    answers: Annotated[str, typer.Argument(help="JSON lines with id and answer (or question_id, prediction).")],
    set: Annotated[
        str, typer.Option(help="File of a question set, Parquet of questions, or a folder such as …/questions/v1.")
    ],
    layout: Annotated[
        str | None, typer.Option(help="Layout of the set's file; default: seen from its records.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Only this split of a folder's questions, such as test.")] = None,
    json: AsJson = False,
) -> None:
    """Score answers from anywhere against a question set. Questions without an answer count as wrong."""
    from flows.score import score

    score(answers, set, layout, split, json, _console())


@app.command()
def compare(
    answers: Annotated[list[str], typer.Argument(help="Folders ROOT/SNAPSHOT/answers/LABEL, two or more.")],
    across: Annotated[
        bool, typer.Option("--across", help="Compare although questions, index, limits or decoding differ.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Compare answers question by question: the first minus each other. Labels that differ only by seeds are pooled."""
    from flows.compare import compare

    compare(answers, across, json, _console())


@app.command()
def doctor(config: Config, snapshot: Snapshot = None, root: Root = None, dump: Dump = None) -> None:
    """Check that this machine has what the config needs."""
    from flows.doctor import doctor

    doctor(config, snapshot, root, dump, _console())


def main() -> None:
    """Entry point. An error is one line; the exit code is 2 for bad input, 1 for a failed run, 130 for a stopped run.

    After SIGTERM it is 143.
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
        if end.code in (Stopped.exit_code, TERMINATED):  # typer handles KeyboardInterrupt itself, without a message
            print("stopped; finished work is kept, run again to continue", file=sys.stderr)
        raise
