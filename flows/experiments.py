"""`masksearch experiments`: runs every experiment's config with every seed, and writes one page about all of them.

The runs of one seed share a root, so stages that two configs have in common are built once. The config of a run is
written beside its results: it extends the experiment's config and sets the seeds of the training steps.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from rich.console import Console

from flows.selection import configured
from schemas.config import PipelineConfig
from schemas.errors import BadInput, MaskSearchError, RunFailed, Stopped
from schemas.experiments import Experiment, Experiments, read_experiments
from schemas.training_steps import SampledStep
from tasks.evaluation.metrics import COMPARED
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.pipeline.graph import stages_of
from tasks.pipeline.readiness import refuse_unready, unfinished


class Run(NamedTuple):
    """One experiment with one seed, and its config with the path that it is written to."""

    experiment: Experiment
    seed: int
    path: str
    config: PipelineConfig

    @property
    def name(self) -> str:
        return f"{self.experiment.name}, seed {self.seed}"


def experiments(
    path: str, only: Sequence[str], seeds: Sequence[int], root: str | None, page_only: bool, console: Console
) -> None:
    """Run what is missing, seed by seed. After each run the page is written anew.

    Raises:
        BadInput: before anything is run: a config is invalid or not ready, or has no answers of a contestant.
        RunFailed: runs failed; the others were finished.
    """
    chosen = _chosen(read_experiments(path), only, seeds, root)
    runs = [
        _run_of(experiment, seed, _root(chosen, seed)) for seed in chosen.seeds for experiment in chosen.experiments
    ]
    for run in runs:
        _refuse_missing_contestants(run)
        if not page_only:
            refuse_unready(unfinished(run.config, stages_of(run.config)))
    failed = {} if page_only else _run(chosen, runs, console)
    console.print(f"page: {_page(chosen, runs)}", soft_wrap=True)
    if failed:
        reasons = "; ".join(f"{name}: {error}" for name, error in failed.items())
        raise RunFailed(f"{len(failed)} of {len(runs)} runs failed: {reasons}")


def _chosen(read: Experiments, only: Sequence[str], seeds: Sequence[int], root: str | None) -> Experiments:
    for name in only:
        if name not in {each.name for each in read.experiments}:
            known = ", ".join(each.name for each in read.experiments)
            raise BadInput(f"--only {name}: no experiment has that name: choose one of {known}")
    return read.model_copy(
        update={
            "root": root or read.root,
            "seeds": list(dict.fromkeys(seeds)) or read.seeds,
            "experiments": [each for each in read.experiments if not only or each.name in only],
        }
    )


def _root(chosen: Experiments, seed: int) -> str:
    return storage.join(chosen.root, f"seed-{seed}")


def _run_of(experiment: Experiment, seed: int, root: str) -> Run:
    """Writes the run's config."""
    above = configured(experiment.config)
    steps: dict[str, Any] = {
        step.name: {"seed": seed, **({"sft": {"seed": seed}} if isinstance(step, SampledStep) else {})}
        for step in above.training
    }
    document = {
        "extends": str(Path(experiment.config).resolve()),
        "name": f"{experiment.name}-{seed}",
        "training": steps,
        "runtime": {"root": root},
    }
    path = Path(root, "configs", f"{experiment.name}.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return Run(experiment, seed, str(path), configured(str(path)))


def _refuse_missing_contestants(run: Run) -> None:
    """Raises BadInput if a contrast names answers that the config does not ask for, or an unknown metric."""
    experiment = run.experiment
    answers = [stage.label for stage in stages_of(run.config) if stage.stage == "answers"]
    for of_set, contestant in experiment.contestants:
        if f"{of_set}.{contestant}" not in answers:
            raise BadInput(
                f"experiment {experiment.name}: {experiment.config} evaluates no {contestant} on {of_set}: its answers "
                f"are {', '.join(answers) or 'none'}"
            )
    for contrast in experiment.contrasts:
        if contrast.compared not in COMPARED:
            raise BadInput(
                f"experiment {experiment.name}: metric {contrast.compared} is not compared: choose one of "
                f"{', '.join(COMPARED)}"
            )


def _run(chosen: Experiments, runs: Sequence[Run], console: Console) -> dict[str, MaskSearchError]:
    """Build everything; returns the errors of failed runs."""
    from flows.running import build

    failed: dict[str, MaskSearchError] = {}
    for number, run in enumerate(runs, start=1):
        console.rule(f"{number} of {len(runs)}: {run.name}")
        try:
            build(run.path, None, None, None, None, console)
        except Stopped:
            raise
        except MaskSearchError as error:
            failed[run.name] = error
            console.print(f"[red]✗[/] {run.name}: {error}", highlight=False)
        _page(chosen, runs)
    return failed


def _page(chosen: Experiments, runs: Sequence[Run]) -> str:
    """Write the page; returns its path. The runs of one seed have one ledger."""
    from tasks.report.experiment_page import write_page
    from tasks.report.experiment_results import Seed

    snapshots = {run.seed: run.config.snapshot for run in runs}
    return write_page(chosen, [Seed(seed, Ledger(_root(chosen, seed), name)) for seed, name in snapshots.items()])
