"""vLLM in this process, on a GPU or on CPUs by the same code.

One background thread starts the engine, steps it and ends it. Requests reach it through a queue and leave it through
futures, so that many trajectories proceed independently in one continuous batch. Commands (new weights) run between
steps. Only this thread touches vLLM, which is not thread-safe; the queue is the only lock. After a step that fails, all
requests, in flight or later, fail with `EngineFailed`.

A process that starts an engine needs the ``if __name__ == "__main__"`` guard, since vLLM may spawn workers. It must not
have a torch.distributed group of several ranks: vLLM creates its own group, and `VllmEngine.close` destroys it.
Starting an engine seeds the global random generators.
"""

import asyncio
import itertools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from schemas.errors import BadInput
from schemas.runtime import EngineRuntime
from tasks.engines.interface import EngineFailed, Sample, Sampling, TokenScores
from tasks.engines.vllm_setup import ModelFacts, params_of, sample_of, scores_of, scoring_params, start

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams
    from vllm.v1.engine.llm_engine import LLMEngine

    from tasks.weights.broadcast import Meeting
    from tasks.weights.new_weights import SharedPack
    from tasks.weights.packs import Spec
    from tasks.weights.sketches import Sketches

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Request:
    request_id: str
    token_ids: list[int]
    params: "SamplingParams"
    output: "Future[RequestOutput]"


@dataclass(frozen=True, slots=True)
class _Abort:
    request_id: str


@dataclass(frozen=True, slots=True)
class _Command:
    run: Callable[[], Any]
    result: Future[Any]


@dataclass(frozen=True, slots=True)
class _Close:
    pass


class VllmEngine:
    """A model in vLLM. ``max_tokens`` bounds prompt and continuation together."""

    def __init__(
        self, model_folder: str, runtime: EngineRuntime, max_tokens: int, *, sleeps: bool = False, seed: int = 0
    ) -> None:
        """Start the engine, which takes seconds on CPUs, a minute on a GPU. ``sleeps`` enables `sleep`.

        Raises:
            BadInput: the folder has no model, or the model's context is shorter than ``max_tokens``.
            EngineFailed: vLLM does not start.
        """
        model = ModelFacts.read(model_folder)
        if max_tokens > model.longest:
            raise BadInput(f"{model_folder}: the model reads {model.longest} tokens, not agent.max_tokens {max_tokens}")
        # vLLM always samples a token: to score a text of max_tokens it needs room for one more.
        self._limit = min(max_tokens + 1, model.longest)
        self._inbox: queue.SimpleQueue[_Request | _Abort | _Command | _Close] = queue.SimpleQueue()
        self._waiting: dict[str, Future[RequestOutput]] = {}
        self._numbers = itertools.count()
        self._failure: EngineFailed | None = None
        self._version, self._busy_seconds = 0, 0.0
        self._fell_asleep: float | None = None
        self._slept, self._is_updating = 0.0, False
        # OpenMP's number of threads is a property of the thread that sets it. So one thread must start and step the
        # engine: the attention kernel refuses a batch that was prepared with another number.
        self._thread = threading.Thread(
            target=lambda: self._live(lambda: start(model_folder, model.dtype, runtime, self._limit, sleeps, seed)),
            name="vllm-engine",
            daemon=True,
        )
        self._thread.start()
        self._run(lambda: None)  # waits for the start, and raises if it failed

    def __enter__(self) -> "VllmEngine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def failure(self) -> EngineFailed | None:
        """The reason if the engine has failed for good; None while it works."""
        return self._failure

    async def generate(self, token_ids: Sequence[int], sampling: Sampling) -> Sample:
        """See `tasks.engines.interface.Engine.generate`."""
        request = self._submit(token_ids, params_of(sampling))
        try:
            output = await asyncio.wrap_future(request.output)
        except asyncio.CancelledError:
            self._inbox.put(_Abort(request.request_id))
            raise
        return sample_of(output)

    def score(self, token_ids: Sequence[int]) -> list[float]:
        """The log probability of every token except the first, given the tokens before it:
        ``len(token_ids) - 1`` values.

        They are at temperature 1, and computed without the prefix cache.
        """
        return self.score_all([token_ids])[0].logprobs

    def score_all(self, texts: Sequence[Sequence[int]]) -> list[TokenScores]:
        """As `score`, for many texts in one batch, with the rank of every token.

        Raises:
            EngineFailed: a text is too long, or the engine did not answer.
        """
        requests = [self._submit(token_ids, scoring_params()) for token_ids in texts]
        return [scores_of(request.output.result()) for request in requests]

    def load_weights(self, folder: str, version: int | None = None) -> None:
        """Load weights of the same architecture from a folder, between two steps.

        Requests in flight continue with the new weights; cached values of the old weights are computed again. Later
        tokens are recorded with ``version``, by default the former version plus one (the engine starts with 0).
        """
        path = str(Path(folder).resolve())
        self._run(lambda: self._update({"folder": path}, self._version + 1 if version is None else version))

    def meet(self, meeting: "Meeting", first: int) -> None:
        """See `tasks.engines.interface.ModelEngine.meet`."""
        refusal = self._run(lambda: self._meet(meeting, first))
        if refusal is not None:
            raise EngineFailed(refusal)

    def receive_weights(self, specs: "list[Spec]", version: int) -> None:
        """See `tasks.engines.interface.ModelEngine.receive_weights`."""
        self._run(lambda: self._update({"specs": specs}, version))

    def take(self, pack: "SharedPack", version: int) -> None:
        """See `tasks.engines.interface.ModelEngine.take`."""
        self._run(lambda: self._update({"pack": pack}, version, is_whole=pack.is_last))

    def sleep(self) -> None:
        """See `tasks.engines.interface.ModelEngine.sleep`."""
        self._run(self._fall_asleep)

    def sketches(self) -> "list[Sketches]":
        """Sketches of the current weights from each process of the engine (tasks/weights/sketches.py)."""
        return self._run(lambda: self._llm.collective_rpc("sketches"))

    @property
    def version(self) -> int:
        """The version of the current weights."""
        return self._version

    @property
    def busy_seconds(self) -> float:
        """Seconds that the engine has spent on sampling since its start."""
        return self._busy_seconds

    @property
    def asleep_seconds(self) -> float:
        """Seconds that the engine has slept since its start."""
        since = self._fell_asleep
        return self._slept + (0.0 if since is None else time.perf_counter() - since)

    def close(self) -> None:
        """Stop the engine. Requests in flight fail. A second call has no effect."""
        if self._thread.is_alive():
            self._inbox.put(_Close())
            self._thread.join()

    # -- on the caller's threads ------------------------------------------------------------------------------------

    def _submit(self, token_ids: Sequence[int], params: "SamplingParams") -> _Request:
        if not 0 < len(token_ids) < self._limit:
            raise EngineFailed(f"the engine takes texts of 1 to {self._limit - 1} tokens, not of {len(token_ids)}")
        request = _Request(str(next(self._numbers)), list(token_ids), params, Future())
        self._put(request)
        return request

    def _run(self, command: Callable[[], Result]) -> Result:
        result: Future[Result] = Future()
        self._put(_Command(command, result))
        return result.result()

    def _put(self, message: _Request | _Command) -> None:
        # The order matters. The engine's thread sets `_failure` first and then empties the inbox; here the message is
        # put first and then `_failure` is read. So a message is always refused by one of the two, and no caller waits
        # for ever.
        self._inbox.put(message)
        if self._failure is not None:
            self._empty_inbox(self._failure)

    # -- on the engine's thread -------------------------------------------------------------------------------------

    def _live(self, make: "Callable[[], LLMEngine]") -> None:
        llm = None
        try:
            self._llm = llm = make()
            self._set_version(0)
            while self._take_in():
                began = time.perf_counter()
                for output in llm.step():
                    if output.finished:
                        self._waiting.pop(output.request_id).set_result(cast("RequestOutput", output))
                self._busy_seconds += time.perf_counter() - began
            self._failure = EngineFailed("the engine is closed")
        except Exception as error:
            self._failure = EngineFailed(f"the engine failed: {error!r}")
            self._failure.__cause__ = error
        finally:
            self._failure = self._failure or EngineFailed("the engine's thread ended")
            self._refuse_all(self._failure)
            if llm is not None:
                llm.engine_core.shutdown()

    def _take_in(self) -> bool:
        """Handle all messages in the inbox; False after a request to close. Blocks while there is nothing to step."""
        while True:
            try:
                # Without a request to step the thread sleeps in the queue; otherwise messages must not delay a step.
                message = self._inbox.get(block=not self._waiting or self._is_resting)
            except queue.Empty:
                return True
            match message:
                case _Close():
                    return False
                case _Request():
                    self._add(message)
                case _Abort():
                    if self._waiting.pop(message.request_id, None) is not None:
                        self._llm.abort_request([message.request_id])
                case _Command():
                    self._execute(message)

    def _add(self, request: _Request) -> None:
        from vllm.inputs.engine import tokens_input

        if not request.output.set_running_or_notify_cancel():  # cancelled while it was in the inbox
            return
        try:
            self._llm.add_request(request.request_id, tokens_input(request.token_ids), request.params)
        except ValueError as error:
            request.output.set_exception(EngineFailed(f"the engine refused a request: {error}"))
            return
        self._waiting[request.request_id] = request.output

    def _execute(self, command: _Command) -> None:
        """Run a command. If it fails, the engine's state is unknown, so the exception ends the engine's thread."""
        try:
            command.result.set_result(command.run())
        except Exception as error:
            command.result.set_exception(EngineFailed(f"the engine's command failed: {error!r}"))
            raise

    def _meet(self, meeting: "Meeting", first: int) -> str | None:
        """Join a group; returns the reason if it failed. It does not raise: the engine can continue without a group."""
        invitation = {"meeting": meeting, "first": first}
        try:
            self._llm.collective_rpc("init_weight_transfer_engine", kwargs={"init_info": invitation})
        except Exception as error:
            return f"the engine could not join the group: {error!r}"
        return None

    def _fall_asleep(self) -> None:
        """Release weights and cache. Requests in flight wait until new weights come; their cache is computed again."""
        if self._fell_asleep is None:
            self._llm.sleep(level=2, mode="keep")
            self._fell_asleep = time.perf_counter()

    @property
    def _is_resting(self) -> bool:
        """Whether steps must wait even with requests: the engine sleeps, or has only some of its new weights."""
        return self._fell_asleep is not None or self._is_updating

    def _update(self, source: dict[str, Any], version: int, *, is_whole: bool = True) -> None:
        """Load weights. If they are complete now (``is_whole``), wake the engine if it slept, and sample with them.

        ``source``: fields of `tasks.weights.transfer.Update`.
        """
        if not self._is_updating:
            if self._fell_asleep is not None:
                # Memory for the cache only after the update: until then the ranks beside the engine still need theirs.
                self._llm.wake_up(["weights"])
            self._llm.collective_rpc("start_weight_update")
            self._is_updating = True
        self._llm.collective_rpc("update_weights", kwargs={"update_info": source})
        if not is_whole:
            return
        self._llm.collective_rpc("finish_weight_update")
        if self._fell_asleep is not None:
            self._llm.wake_up(["kv_cache"])
        self._slept, self._fell_asleep, self._is_updating = self.asleep_seconds, None, False
        self._llm.reset_prefix_cache(reset_running_requests=True)
        self._set_version(version)

    def _set_version(self, version: int) -> None:
        self._llm.set_weight_version(str(version))
        self._version = version

    def _refuse_all(self, failure: EngineFailed) -> None:
        for output in self._waiting.values():
            output.set_exception(failure)
        self._waiting.clear()
        self._empty_inbox(failure)

    def _empty_inbox(self, failure: EngineFailed) -> None:
        """Refuse all messages in the inbox. Safe on several threads at once: each message goes to one of them."""
        while True:
            try:
                message = self._inbox.get_nowait()
            except queue.Empty:
                return
            if isinstance(message, _Request) and message.output.set_running_or_notify_cancel():
                message.output.set_exception(failure)
            elif isinstance(message, _Command):
                message.result.set_exception(failure)
