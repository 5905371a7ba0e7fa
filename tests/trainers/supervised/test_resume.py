"""Training that is killed goes on as if nothing had happened: the same losses, digit for digit, each step once."""

import json
import multiprocessing
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from schemas.jobs import SftJob, TrajectorySource
from schemas.training_settings import CurriculumPhase, EngineeringSettings, OptimiserSettings, SftSettings
from tasks.capacity.processes import free_port
from tests.support import rank_program
from trainers.model.weights import load_model, save_model
from trainers.ranks.launch import environment_of

pytestmark = pytest.mark.slow

STEPS = 24


class Training:
    """One SFT job in a folder of its own, its ranks forked from a process that has everything imported."""

    def __init__(self, context: Any, files: Path, output: Path, ranks: int = 2, **engineering: Any) -> None:
        self.context, self.output, self.ranks = context, output, ranks
        output.mkdir()
        settings = SftSettings(
            curriculum=[CurriculumPhase(max_masks=1, steps=8), CurriculumPhase(max_masks=4, steps=STEPS - 8)],
            tokens_per_step=512,
            optimiser=OptimiserSettings(lr=3e-3, warmup_steps=4),
            engineering=EngineeringSettings(micro_batch_tokens=128, **engineering),
            checkpoint_every=5,
        )
        job = SftJob(
            output=str(output),
            snapshot="smallworld-20260101",
            tokenizer=str(files / "tokenizer"),
            start=str(files / "model"),
            ranks=ranks,
            settings=settings,
            sources=[TrajectorySource(label="scripted", paths=[str(files / "trajectories.parquet")])],
        )
        (output / "config.json").write_text(job.model_dump_json())

    def _metrics_file(self) -> int | None:
        """Another one once a training has gone on from its checkpoint."""
        path = self.output / "metrics.jsonl"
        return path.stat().st_ino if path.exists() else None

    def start(self) -> list[BaseProcess]:
        self._metrics_before = self._metrics_file()
        port, started = free_port(), []
        for rank in range(self.ranks):
            environment = {**environment_of(rank, self.ranks, port), "OMP_NUM_THREADS": "1"}
            arguments = ("trainers.sft", str(self.output / "config.json"), environment)
            started.append(self.context.Process(target=rank_program.run, args=arguments, daemon=True))
        for process in started:
            process.start()
        return started

    def finish(self) -> None:
        for process in self.start():
            process.join(120)
            assert process.exitcode == 0

    def lines(self) -> list[dict[str, Any]]:
        path = self.output / "metrics.jsonl"
        text = path.read_text() if path.exists() else ""
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def until(self, steps: int) -> None:
        """Wait until the training that was started last has come so far."""
        deadline = time.monotonic() + 120
        while len(self.lines()) < steps or self._metrics_file() == self._metrics_before:
            assert time.monotonic() < deadline, "the training does not get on"
            time.sleep(0.01)

    def figures(self) -> list[dict[str, Any]]:
        """What every step did; not how long it took."""
        return [{name: value for name, value in line.items() if name != "seconds"} for line in self.lines()]

    def weights(self) -> bytes:
        return (self.output / "model" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def trainings(training_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Training]]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["deepspeed", "transformers.models.qwen2.modeling_qwen2", "trainers.supervised.loop"]
    )
    folder = tmp_path_factory.mktemp("trainings")
    yield lambda name, **settings: Training(context, training_files, folder / name, **settings)


@pytest.fixture(scope="module")
def undisturbed(trainings: Callable[..., Training]) -> Training:
    training = trainings("undisturbed")
    training.finish()
    return training


def test_an_undisturbed_training_learns_and_says_so(undisturbed: Training):
    lines = undisturbed.lines()
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert [line["phase"] for line in lines] == [1] * 8 + [4] * 16
    assert lines[-1]["loss"] < lines[0]["loss"] - 1
    assert lines[3]["lr"] < lines[4]["lr"] == 3e-3 > lines[-1]["lr"]
    result = json.loads((undisturbed.output / "result.json").read_text())["figures"]
    assert result["steps"] == STEPS
    assert result["examples"] == {"1": 30, "2": 30, "3": 30, "4": 30}


def test_killed_twice_with_a_damaged_checkpoint_it_ends_the_same(
    trainings: Callable[..., Training], undisturbed: Training
):
    training = trainings("killed")
    processes = training.start()
    training.until(13)
    for process in processes:
        process.kill()
        process.join()
    assert not (training.output / "result.json").exists()
    newest = max((training.output / "checkpoints").glob("step-*"))
    weights = next((newest / "state").glob("mp_rank_00*"))
    weights.write_bytes(weights.read_bytes()[:-1000])

    processes = training.start()
    training.until(9)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(60)
        assert process.exitcode == 128 + signal.SIGTERM
    stopped = training.lines()[-1]["step"]
    assert (training.output / "checkpoints" / f"step-{stopped:08d}" / "manifest.json").exists()

    training.finish()
    assert training.figures() == undisturbed.figures()
    assert training.weights() == undisturbed.weights()


def test_a_killed_write_leaves_no_checkpoint_that_is_taken_for_one(
    trainings: Callable[..., Training], undisturbed: Training
):
    training = trainings("half-written")
    shutil.copytree(undisturbed.output / "checkpoints" / "step-00000020", training.output / "checkpoints/step-00000020")
    half = training.output / "checkpoints" / ".step-00000024.tmp"
    half.mkdir()
    (half / "rng-0.pt").write_bytes(b"torn")
    shutil.copy(undisturbed.output / "metrics.jsonl", training.output)
    training.finish()
    assert training.figures() == undisturbed.figures()


def test_one_rank_trains_on_the_same_data_as_two(trainings: Callable[..., Training], undisturbed: Training):
    training = trainings("alone", ranks=1)
    training.finish()
    for mine, theirs in zip(training.lines(), undisturbed.lines(), strict=True):
        assert (mine["tokens"], mine["trained_tokens"]) == (theirs["tokens"], theirs["trained_tokens"])
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=1e-3)


@pytest.mark.parametrize(
    ("before", "after", "engineering", "near"),
    [
        (2, 1, {"zero_stage": 1}, 1e-6),
        (1, 2, {"zero_stage": 1}, 1e-6),
        (2, 1, {"zero_stage": 2}, 1e-6),
        (2, 1, {"zero_stage": 3}, 1e-6),
        (2, 1, {"zero_stage": 1, "dtype": "bf16"}, 1e-3),
        (2, 1, {"zero_stage": 2, "dtype": "bf16"}, 1e-3),
        (2, 1, {"zero_stage": 3, "dtype": "bf16"}, 1e-3),
    ],
)
def test_another_number_of_ranks_goes_on_near_where_it_was(
    trainings: Callable[..., Training], before: int, after: int, engineering: dict[str, Any], near: float
):
    name = f"from-{before}-to-{after}-{'-'.join(str(value) for value in engineering.values())}"
    whole, changed = trainings(name, ranks=before, **engineering), trainings(f"{name}-on", ranks=after, **engineering)
    whole.finish()
    shutil.copytree(whole.output / "checkpoints" / "step-00000020", changed.output / "checkpoints" / "step-00000020")
    shutil.copy(whole.output / "metrics.jsonl", changed.output)
    changed.finish()
    assert [line["step"] for line in changed.lines()] == list(range(1, STEPS + 1))
    for mine, theirs in zip(changed.lines()[20:], whole.lines()[20:], strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=near)
    assert not list((changed.output / "checkpoints").glob(".*"))


def test_a_training_with_broken_weights_says_so_on_all_ranks(trainings: Callable[..., Training], tmp_path: Path):
    training = trainings("diverged")
    job = SftJob.model_validate_json((training.output / "config.json").read_text())
    model = load_model(job.start)
    model.get_input_embeddings().weight.data[:] = float("nan")
    save_model(model, str(tmp_path / "broken"))
    broken = job.model_copy(update={"start": str(tmp_path / "broken")})
    (training.output / "config.json").write_text(broken.model_dump_json())
    processes = training.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [1, 1]
    message = json.loads((training.output / "job-error.json").read_text())["message"]
    assert message.startswith(
        "step 1: the loss is not a number (nan): the training has diverged, or started with broken"
    )
    assert training.lines() == []


def test_sharded_gradients_learn_the_same(trainings: Callable[..., Training], undisturbed: Training):
    training = trainings("zero-2", zero_stage=2)
    training.finish()
    for mine, theirs in zip(training.lines(), undisturbed.lines(), strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=1e-3)
        assert mine["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-2)


def test_the_way_of_large_models_trains_and_writes_whole_weights(trainings: Callable[..., Training], tokenizer):
    training = trainings("zero-3", zero_stage=3, dtype="bf16", activation_checkpointing=True)
    training.finish()
    lines = training.lines()
    assert lines[-1]["loss"] < lines[0]["loss"] - 1
    embeddings = load_model(str(training.output / "model")).get_input_embeddings()
    assert embeddings.weight.shape == (tokenizer.vocabulary, 32)
