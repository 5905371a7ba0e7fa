"""The resumable loop of language modelling and fine-tuning: cross-entropy on the trained tokens, step by step."""

import time
from pathlib import Path
from typing import Any

import torch

from schemas.jobs import PretrainJob, SftJob
from tasks import jobs
from trainers.model import losses
from trainers.model.batches import batch_of, n_trained, packed, share_of
from trainers.model.metrics import Metrics, refuse_divergence
from trainers.ranks.checkpoint import Checkpoints
from trainers.ranks.deepspeed_engine import TrainingEngine, learning_rate
from trainers.ranks.origin import CHECKPOINTS, origin_of
from trainers.ranks.stopping import StopSignal
from trainers.supervised.course import Course, Step

_PROGRESS_SECONDS = 1.0


def train(job: PretrainJob | SftJob, course: Course) -> dict[str, Any]:
    """Train ``job.start`` through the course, from the newest checkpoint if there is one; write ``model/``.

    Exits with code 143 after a checkpoint if a stop is requested.
    """
    torch.set_num_threads(job.threads_per_rank)
    settings, stop, output = job.settings, StopSignal(job.output), Path(job.output)
    torch.manual_seed(settings.seed)
    engine = TrainingEngine(job.start, settings.optimiser, settings.engineering)
    checkpoints = Checkpoints(output / CHECKPOINTS, engine, job.keep_checkpoints, origin_of(job))
    metrics = Metrics(output / "metrics.jsonl")
    progress = checkpoints.restore() or {"step": 0}
    first, total = progress["step"], len(course)
    if engine.rank == 0:
        metrics.go_on_from(first)
    reported = 0.0
    for number, step in enumerate(course.steps(first), start=first):
        began = time.perf_counter()
        rate = learning_rate(number, total, settings.optimiser)
        line = update(engine, step, settings.engineering.micro_batch_tokens, rate)
        # A stop request reaches ranks at different times: agree on it, so that all ranks leave at the same step.
        stopping = any(engine.sum_over_ranks(float(stop.received)))
        done = number + 1
        refuse_divergence(done, {"loss": line["loss"], "norm of the gradient": line["grad_norm"]})
        if engine.rank == 0:
            metrics.add({"step": done, **line, "seconds": round(time.perf_counter() - began, 4)})
            if stopping or done == total or time.monotonic() - reported > _PROGRESS_SECONDS:
                jobs.report_progress(job.output, done, total, "steps", f"loss {line['loss']:.3f}")
                reported = time.monotonic()
        if stopping or done % settings.checkpoint_every == 0 or done == total:
            checkpoints.save(done, {"phase": step.phase})
        if stopping and done < total:
            raise SystemExit(jobs.TERMINATED)
    engine.save_weights(str(output / "model"))
    return _figures(metrics)


def update(engine: TrainingEngine, step: Step, micro_batch_tokens: int, lr: float) -> dict[str, Any]:
    """Train on one step; all ranks call this together. Returns its figures, the same on every rank."""
    trained = n_trained(step.sequences)
    loss = torch.zeros((), device=engine.device)
    micro_batches = packed(step.sequences, micro_batch_tokens, len, engine.ranks)
    for micro_batch in share_of(micro_batches, engine.rank, engine.ranks):
        batch = batch_of(micro_batch, engine.device)
        micro_loss = losses.cross_entropy(engine.score(*batch).logprobs_N, trained)
        engine.backward(micro_loss)
        loss += micro_loss.detach()
    grad_norm = engine.step(lr)
    (total_loss,) = engine.sum_over_ranks(loss.item())
    return {
        "phase": step.phase,
        "loss": total_loss,
        "lr": lr,
        "grad_norm": grad_norm,
        "tokens": sum(map(len, step.sequences)),
        "trained_tokens": trained,
    }


def _figures(metrics: Metrics) -> dict[str, Any]:
    lines = metrics.lines()
    seconds = sum(line["seconds"] for line in lines)
    tokens = sum(line["tokens"] for line in lines)
    last = lines[-20:]
    return {
        "steps": len(lines),
        "loss": round(sum(line["loss"] for line in last) / len(last), 4),
        "tokens": tokens,
        "trained_tokens": sum(line["trained_tokens"] for line in lines),
        "tokens_per_second": round(tokens / seconds),
        "seconds_in_steps": round(seconds, 1),
    }
