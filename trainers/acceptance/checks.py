"""The acceptance test of a user's cluster: it runs a small pipeline, kills some of its processes, and measures rates.

It consists of the stages of a derived pipeline (trainers/acceptance/derived.py) and of measuring jobs. At its end, also
after an error, models and data are removed; logs and figures are kept. Only after a kill do they remain, and the next
acceptance continues from them.
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from schemas.acceptance import FILE, Acceptance, Item, Rates
from schemas.config import PipelineConfig
from schemas.jobs import RetrievalLoadJob, RolloutRateJob, TrainingRateJob
from schemas.sizes import SIZES, parameters_of
from schemas.training_settings import DapoSettings
from tasks import jobs
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger, commit_of_code
from tasks.pipeline.expectations import seen_by_students
from trainers.acceptance import items
from trainers.acceptance.derived import (
    accepted_steps,
    derived,
    devices_of,
    in_flight_of_step,
    rolling_agent,
    victims_of,
    victims_of_sft,
)
from trainers.acceptance.room import machines_of
from trainers.acceptance.trial import Listener, Training, Trial
from trainers.model.metrics import Metrics
from trainers.ranks.admission import refuse_unfit_config
from trainers.rl import accounting

ROLLOUT_SECONDS = 40.0
RETRIEVAL_SECONDS = 60.0
TRAINING_SECONDS = 20.0

_SFT, _DAPO = "models/sft", "models/dapo"


def accept(config: PipelineConfig, size: str, listener: Listener) -> Acceptance:
    """Test the config's runtime with a model of this size. The result is also written to ``{root}/acceptance.json``.

    Raises:
        BadInput: for the reasons given in `derived`; or the runtime needs more than the cluster has; or the models do
            not fit in the memory of the machines. Nothing has been written then.
        RunFailed: a stage before the trainings failed.
    """
    began = time.time()
    acceptance = _Acceptance(config, size, listener)
    acceptance.refuse_unfit()
    try:
        acceptance.prepare()
        acceptance.train()
        acceptance.measure_training()
        acceptance.measure_rollouts()
        acceptance.measure_retrieval()
        return acceptance.finish(time.time() - began)
    finally:
        acceptance.clear()


class _Acceptance:
    """An acceptance in progress: its trial, the items found so far, and the rates."""

    def __init__(self, config: PipelineConfig, size: str, listener: Listener) -> None:
        self._config, self._size = config, size
        self._small = derived(config, size)
        self._trial = Trial(self._small, listener)
        self._sft, self._dapo = accepted_steps(config)
        self._devices = devices_of(config)
        placement = config.runtime.placement
        self._engines = placement.engines if placement.is_in_cluster else 1
        self._items: list[Item] = []
        self._rates: dict[str, float] = {}
        self._names: list[str] = []

    def refuse_unfit(self) -> None:
        """Raises BadInput if the models do not fit on the machines."""
        machines = machines_of(self._small)
        if machines:
            refuse_unfit_config(self._small, machines)

    def prepare(self) -> None:
        """Build world, index, questions, tokenizer and random weights; the rest of a cleared acceptance is removed."""
        if self._trial.is_cleared or storage.exists(self._finished):
            self._trial.begin_anew()
        self._trial.make_until("models/untrained")

    def clear(self) -> None:
        """Remove the models and data of the test."""
        self._trial.clear()

    def train(self) -> None:
        """Train SFT and DAPO while their processes are killed."""
        sft, dapo = accepted_steps(self._small)
        victims = victims_of_sft(self._config)
        training = self._trial.make_under_strikes(_SFT, "trainers.sft", victims, sft.checkpoint_every + 1)
        if victims:
            self._items += items.kill_items("SFT", victims, *training)
            self._items.append(self._restarts("SFT", _SFT, training))
        if training.error is not None:
            self._items.append(items.failed_item("SFT trains", training.error))
            return
        victims = victims_of(self._config)
        training = self._trial.make_under_strikes(_DAPO, "trainers.dapo", victims, dapo.checkpoint_every + 1)
        lines = self._metrics()
        self._items.append(items.parity_item(lines, dapo.largest_gap, training.error))
        self._items += items.kill_items("DAPO", victims, *training) if victims else [items.OUT_OF_REACH]
        self._items += self._whole(dapo, training.error)
        self._items.append(self._restarts("DAPO", _DAPO, training))
        seconds = [line["seconds_update"] for line in lines if line["trained_tokens"]]
        self._items.append(update := items.update_item(seconds))
        if update.value is not None:
            self._rates["update_seconds"] = update.value

    def measure_training(self) -> None:
        job = TrainingRateJob(
            output=self._trial.job_folder("training-rate"),
            snapshot=self._small.snapshot,
            tokenizer=self._tokenizer,
            start=self._model,
            ranks=self._small.runtime.ranks,
            threads_per_rank=self._small.runtime.threads_per_rank,
            placement=self._small.runtime.placement,
            engineering=self._sft.engineering,
            longest=min(self._sft.max_length, SIZES[self._size].max_position),
            seconds=TRAINING_SECONDS,
        )
        found = self._trial.run("SFT rate", "trainers.throughput", job)
        if isinstance(found, str):
            self._items.append(items.failed_item("SFT", found))
            return
        self._items.append(items.training_item(found))
        self._rates["training_tokens_per_second"] = found["tokens_per_second"]
        self._rates |= {name: found[name] for name in ("mfu", "matrix_flops_per_second")}
        self._names.append(f"{found['ranks']} ranks on {found['device']}")

    def measure_rollouts(self) -> None:
        runtime, index = self._small.runtime, _index_of(self._small)
        assert index is not None, "built before any training"
        job = RolloutRateJob(
            output=self._trial.job_folder("rollout-rate"),
            snapshot=self._small.snapshot,
            model=self._model,
            tokenizer=self._tokenizer,
            index=index.folder,
            questions=index.questions,
            agent=rolling_agent(self._config, self._size),
            engine=runtime.engine,
            placement=runtime.placement,
            seconds=ROLLOUT_SECONDS,
        )
        found = self._trial.run("rollout rate", "trainers.acceptance.rollouts", job)
        if isinstance(found, str):
            self._items.append(items.failed_item("rollouts", found))
            return
        self._items.append(rollouts := items.rollouts_item(found))
        assert rollouts.value is not None
        cost = self._devices.engine * found["engines"] * found["seconds"] / max(found["rollouts"], 1)
        seen = seen_by_students(self._config)
        self._items.append(items.cost_item(cost, self._devices.kind, seen.accepted if seen else None))
        self._rates |= {"generated_tokens_per_second": rollouts.value, "rollout_device_seconds": cost}

    def measure_retrieval(self) -> None:
        """Measure searches in the config's own index if it is built: a small index has other latencies."""
        own, small = _index_of(self._config), _index_of(self._small)
        index = own or small
        assert index is not None, "built before any training"
        placement = (self._config if own else self._small).runtime.placement
        wanted = self._dapo.prompts * self._dapo.group * self._config.agent.max_searches
        job = RetrievalLoadJob(
            output=self._trial.job_folder("retrieval-load"),
            snapshot=self._small.snapshot,
            index=index.folder,
            questions=index.questions,
            agent=self._config.agent,
            placement=placement,
            clients=self._engines,
            in_flight=in_flight_of_step(self._config),
            queries=wanted,
            seconds=RETRIEVAL_SECONDS,
        )
        found = self._trial.run("retrieval load", "trainers.acceptance.retrieval", job)
        if isinstance(found, str):
            self._items.append(items.failed_item("retrieval", found))
            return
        self._items.append(items.retrieval_item(found, job.in_flight, wanted, index.passages))
        self._rates["queries_per_second"] = found["queries_per_second"]
        self._rates |= {f"retrieval_{name}": found[name] for name in ("p50_seconds", "p99_seconds")}

    def finish(self, seconds: float) -> Acceptance:
        """Write the result."""
        acceptance = Acceptance(
            config=self._config.name,
            size=self._size,
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(seconds, 1),
            commit=commit_of_code(),
            devices=self._names,
            items=self._items,
            rates=Rates(
                parameters=parameters_of(SIZES[self._size]),
                accelerator=self._devices.kind,
                training_devices=self._devices.training,
                engine_devices=self._devices.engine,
                engines=self._engines,
                together=self._small.runtime.placement.layout != "distributed",
                **self._rates,
            ),
        )
        for path in (self._finished, storage.join(self._config.runtime.root, FILE)):
            storage.write_document(path, acceptance)
        return acceptance

    # -- paths and checks ---------------------------------------------------------------------------------------------

    @property
    def _finished(self) -> str:
        return storage.join(self._small.runtime.root, FILE)

    @property
    def _model(self) -> str:
        return storage.join(self._trial.folder("models/untrained"), "model")

    @property
    def _tokenizer(self) -> str:
        return storage.join(self._trial.folder("tokenizer/v1"), "tokenizer")

    def _metrics(self) -> list[dict[str, Any]]:
        return Metrics(Path(self._trial.folder(_DAPO)) / "metrics.jsonl").lines()

    def _whole(self, settings: DapoSettings, error: str | None) -> list[Item]:
        """Items that check that each step and each prompt of DAPO occurs exactly once."""
        folder, of_steps, of_prompts = self._trial.folder(_DAPO), "DAPO: steps", "DAPO: prompts"
        if error is not None:
            return [items.failed_item(of_steps, f"the training failed: {error}"), items.untried_item(of_prompts)]
        steps, prompts = accounting.wrong_steps(folder, settings), accounting.wrong_prompts(folder)
        return [
            items.whole_item(of_steps, steps, f"each of {settings.steps} once"),
            items.whole_item(of_prompts, prompts, "each used once, dropped with a reason, or waiting"),
        ]

    def _restarts(self, name: str, stage: str, training: Training) -> Item:
        """Compare the job's restarts with the kills that must cause one.

        A killed main process ends the job. Outside a cluster a killed rank does, too: its siblings are ended with it.
        """
        in_cluster = self._small.runtime.placement.is_in_cluster
        ends_job = [strike for strike in training.strikes if strike.victim == "main process" or not in_cluster]
        job = jobs.look(self._trial.folder(stage))
        died = [attempt for attempt in job.attempts if not attempt.was_stopped] if job else []
        if training.error is not None:
            return items.untried_item(f"{name}: restarts")
        return items.restarts_item(name, len(died), len(ends_job))


class _Index(NamedTuple):
    """An index, and questions about its passages."""

    folder: str
    questions: list[str]
    passages: int


def _index_of(config: PipelineConfig) -> _Index | None:
    """The index of a config, or None if it or the questions are unfinished."""
    ledger = Ledger(config.runtime.root, config.snapshot)
    label = config.label("index", "v1")
    built = ledger.manifest("index", label)
    questions = ledger.data_paths("questions", config.label("questions", "v1"))
    if built is None or not questions:
        return None
    return _Index(storage.join(ledger.folder("index", label), "index"), questions, built.rows)
