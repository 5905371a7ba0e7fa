"""vLLM in this process, on a GPU or on CPUs by the same code.

One background thread makes the engine, steps it and ends it; requests come to it through a queue and leave it through
futures, so that many trajectories run each at its own pace in one continuous batch. Commands (new weights) run between
steps. A step that fails ends every request in flight, and all later ones, with `EngineFailed`.

A process that starts an engine needs the ``if __name__ == "__main__"`` guard, since vLLM may spawn workers. It must not
hold a torch.distributed group of several ranks: vLLM makes one of its own, and `VllmEngine.close` ends it. Starting an
engine seeds the global random generators.
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
        """Start the engine: seconds on CPUs, a minute on a GPU. One that ``sleeps`` can give a GPU's memory back.

        Raises:
            BadInput: the folder holds no model, or a model of shorter texts.
            EngineFailed: vLLM does not start.
        """
        model = ModelFacts.read(model_folder)
        if max_tokens > model.longest:
            raise BadInput(f"{model_folder}: the model reads {model.longest} tokens, not agent.max_tokens {max_tokens}")
        # vLLM always samples a token: the one more is what it takes to score a text of max_tokens.
        self._limit = min(max_tokens + 1, model.longest)
        self._inbox: queue.SimpleQueue[_Request | _Abort | _Command | _Close] = queue.SimpleQueue()
        self._waiting: dict[str, Future[RequestOutput]] = {}
        self._numbers = itertools.count()
        self._failure: EngineFailed | None = None
        self._version, self._busy_seconds = 0, 0.0
        self._fell_asleep: float | None = None
        self._slept, self._is_updating = 0.0, False
        # OpenMP's number of threads belongs to the thread that sets it, so the thread that steps must be the one that
        # starts: the attention kernel refuses a batch that was prepared under another number.
        self._thread = threading.Thread(
            target=lambda: self._live(lambda: start(model_folder, model.dtype, runtime, self._limit, sleeps, seed)),
            name="vllm-engine",
            daemon=True,
        )
        self._thread.start()
        self._run(lambda: None)

    def __enter__(self) -> "VllmEngine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def failure(self) -> EngineFailed | None:
        """Why the engine will never answer again, or None."""
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
        """The log probability of every token but the first given those before it: ``len(token_ids) - 1`` values.

        At temperature 1, computed in full: nothing is taken from the prefix cache.
        """
        return self.score_all([token_ids])[0].logprobs

    def score_all(self, texts: Sequence[Sequence[int]]) -> list[TokenScores]:
        """`score`, of many texts in one batch, with every token's rank.

        Raises:
            EngineFailed: a text is too long, or there is no answer.
        """
        requests = [self._submit(token_ids, scoring_params()) for token_ids in texts]
        return [scores_of(request.output.result()) for request in requests]

    def load_weights(self, folder: str, version: int | None = None) -> None:
        """Take the weights of another folder of the same architecture, between two steps.

        Requests in flight go on under the new weights: what was cached under the old ones is computed again. Tokens
        are sampled under ``version`` from then on; by default one more than before (the engine starts with 0).
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
        """Of the weights in use, by each process of the engine (sketches.py)."""
        return self._run(lambda: self._llm.collective_rpc("sketches"))

    @property
    def version(self) -> int:
        """Of the weights that sample now."""
        return self._version

    @property
    def busy_seconds(self) -> float:
        """Time that the engine has spent on sampling since it was started."""
        return self._busy_seconds

    @property
    def asleep_seconds(self) -> float:
        """Time that it has slept since it was started."""
        since = self._fell_asleep
        return self._slept + (0.0 if since is None else time.perf_counter() - since)

    def close(self) -> None:
        """End the engine; requests in flight fail. Closing twice does no harm."""
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
        self._inbox.put(message)
        if self._failure is not None:  # set before the engine's thread empties the inbox for the last time
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
        """Handle what came in, waiting for something where there is nothing to step; False at the end."""
        while True:
            try:
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

        if not request.output.set_running_or_notify_cancel():
            return
        try:
            self._llm.add_request(request.request_id, tokens_input(request.token_ids), request.params)
        except ValueError as error:
            request.output.set_exception(EngineFailed(f"the engine refused a request: {error}"))
            return
        self._waiting[request.request_id] = request.output

    def _execute(self, command: _Command) -> None:
        """Run a command; one that fails leaves the engine in an unknown state, so it ends the engine."""
        try:
            command.result.set_result(command.run())
        except Exception as error:
            command.result.set_exception(EngineFailed(f"the engine's command failed: {error!r}"))
            raise

    def _meet(self, meeting: "Meeting", first: int) -> str | None:
        """Why not all met, or None: no reason to end the engine."""
        invitation = {"meeting": meeting, "first": first}
        try:
            self._llm.collective_rpc("init_weight_transfer_engine", kwargs={"init_info": invitation})
        except Exception as error:
            return f"the engine did not meet the others: {error!r}"
        return None

    def _fall_asleep(self) -> None:
        """Requests in flight wait until it wakes: it gives up their cache, and the weights, which new ones replace."""
        if self._fell_asleep is None:
            self._llm.sleep(level=2, mode="keep")
            self._fell_asleep = time.perf_counter()

    @property
    def _is_resting(self) -> bool:
        """Whether there is nothing to step, whoever waits: it sleeps, or has only some of its new weights."""
        return self._fell_asleep is not None or self._is_updating

    def _update(self, source: dict[str, Any], version: int, *, is_whole: bool = True) -> None:
        """Take weights, and if these are all or the last of them, sample by them; who slept is awake then.

        ``source``: fields of `tasks.weights.transfer.Update`.
        """
        if not self._is_updating:
            if self._fell_asleep is not None:
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
        """Refuse what is in it: on any thread, and on several at once."""
        while True:
            try:
                message = self._inbox.get_nowait()
            except queue.Empty:
                return
            if isinstance(message, _Request) and message.output.set_running_or_notify_cancel():
                message.output.set_exception(failure)
            elif isinstance(message, _Command):
                message.result.set_exception(failure)
