"""DAPO on several ranks: one of them generates, all of them train, and together they do what one would have done."""

import json
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch

from schemas.jobs import DapoJob
from schemas.records import Question
from schemas.runtime import EngineRuntime
from schemas.settings import AgentSettings
from schemas.training_settings import CurriculumPhase, DapoSettings, EngineeringSettings, OptimiserSettings
from tasks.capacity.processes import free_port
from tasks.ledger import storage
from tests.support import rank_program
from tests.support.examples import ramp_question
from trainers.model.weights import load_model
from trainers.ranks.launch import environment_of

pytestmark = pytest.mark.slow

STEPS = 6
TEXT = "One Two Three Four are numbers."


class Training:
    """One DAPO job in a folder of its own, its ranks forked from a process that has everything imported."""

    def __init__(
        self,
        context: Any,
        files: Path,
        output: Path,
        ranks: int,
        zero_stage: int = 1,
        index: str = "sound",
        lr: float = 1e-4,
    ) -> None:
        self._context, self.output, self._ranks = context, output, ranks
        output.mkdir()
        storage.write_rows(
            str(output / "questions.parquet"),
            Question,
            [ramp_question(TEXT, TEXT.split()[: number % 4 + 1], question_id=f"q{number}") for number in range(16)],
        )
        job = DapoJob(
            output=str(output),
            snapshot="smallworld-20260101",
            tokenizer=str(files / "tokenizer"),
            start=str(files / "model"),
            ranks=ranks,
            settings=DapoSettings(
                prompts=3,
                group=3,
                minibatches=2,
                curriculum=[CurriculumPhase(max_masks=4, steps=STEPS)],
                optimiser=OptimiserSettings(lr=lr, warmup_steps=0),
                engineering=EngineeringSettings(micro_batch_tokens=128, zero_stage=zero_stage),
                parity_tolerance=1e-4,
                checkpoint_every=2,
            ),
            agent=AgentSettings(max_tokens=256),
            questions=[str(output / "questions.parquet")],
            index=index,
            engine=EngineRuntime(),
        )
        (output / "config.json").write_text(job.model_dump_json())

    def start(self) -> list[BaseProcess]:
        port, started = free_port(), []
        for rank in range(self._ranks):
            environment = {**environment_of(rank, self._ranks, port), "OMP_NUM_THREADS": "1"}
            arguments = ("tests.support.scripted_dapo", str(self.output / "config.json"), environment)
            started.append(self._context.Process(target=rank_program.run, args=arguments, daemon=True))
        for process in started:
            process.start()
        return started

    def finish(self) -> list[int | None]:
        """The exit codes of the ranks."""
        processes = self.start()
        for process in processes:
            process.join(120)
        return [process.exitcode for process in processes]

    def figures(self) -> list[dict[str, Any]]:
        """What every step did; not how long it took."""
        path = self.output / "metrics.jsonl"
        text = path.read_text() if path.exists() else ""
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [{name: value for name, value in line.items() if not name.startswith("seconds")} for line in lines]

    def weights(self) -> torch.Tensor:
        return torch.cat([weight.flatten() for weight in load_model(str(self.output / "model")).parameters()])


@pytest.fixture(scope="module")
def trainings(training_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Training]]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["deepspeed", "transformers.models.qwen2.modeling_qwen2", "trainers.rl.policy_training"]
    )
    folder = tmp_path_factory.mktemp("trainings")
    yield lambda name, ranks, **settings: Training(context, training_files, folder / name, ranks, **settings)


@pytest.fixture(scope="module")
def alone(trainings: Callable[..., Training]) -> Training:
    training = trainings("alone", ranks=1)
    assert training.finish() == [0]
    return training


@pytest.mark.parametrize("zero_stage", [1, 3])
def test_two_ranks_do_what_one_does(trainings: Callable[..., Training], alone: Training, zero_stage: int):
    training = trainings(f"two-{zero_stage}", ranks=2, zero_stage=zero_stage)
    assert training.finish() == [0, 0]
    for mine, theirs in zip(training.figures(), alone.figures(), strict=True):
        assert mine.pop("parity") < 1e-4 > theirs.pop("parity")
        assert mine == pytest.approx(theirs, rel=1e-3, abs=1e-5)
    assert (training.weights() - alone.weights()).abs().max() < 1e-5
    assert len(training.figures()) == STEPS
    result = json.loads((training.output / "result.json").read_text())["figures"]
    assert result["rollouts"] >= STEPS * 9


def test_after_a_stop_request_all_ranks_leave_a_checkpoint_to_resume_from(trainings: Callable[..., Training]):
    whole, stopped = trainings("whole", ranks=2), trainings("stopped", ranks=2)
    assert whole.finish() == [0, 0]
    processes = stopped.start()
    deadline = time.monotonic() + 60
    while len(stopped.figures()) < 2:
        assert time.monotonic() < deadline, "the training does not get on"
        time.sleep(0.01)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(60)
        assert process.exitcode == 128 + signal.SIGTERM
    done = len(stopped.figures())
    assert (stopped.output / "checkpoints" / f"step-{done:08d}" / "manifest.json").exists()
    assert stopped.finish() == [0, 0]
    assert stopped.figures() == whole.figures()
    assert torch.equal(stopped.weights(), whole.weights())


def test_what_ends_rank_0_ends_the_others_for_the_same_reason(trainings: Callable[..., Training]):
    training = trainings("broken", ranks=2, index="broken")
    assert training.finish() == [1, 1]
    message = json.loads((training.output / "job-error.json").read_text())["message"]
    assert message.startswith("every rollout of a batch failed")


@pytest.mark.parametrize("zero_stage", [1, 3])
def test_a_policy_that_diverges_ends_all_ranks_and_no_engine_is_blamed(
    trainings: Callable[..., Training], zero_stage: int
):
    training = trainings(f"diverged-{zero_stage}", ranks=2, zero_stage=zero_stage, lr=1e30)
    assert training.finish() == [1, 1]
    message = json.loads((training.output / "job-error.json").read_text())["message"]
    assert message.startswith("step 1: the loss is not a number")
