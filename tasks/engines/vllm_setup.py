"""Starts vLLM, and converts requests and samples to and from its types. The first call imports vLLM."""

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from schemas.runtime import EngineRuntime
from tasks.capacity.model_shape import config_of
from tasks.engines.interface import EngineFailed, Sample, Sampling, StopReason, TokenScores

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams
    from vllm.v1.engine.llm_engine import LLMEngine


@dataclass(frozen=True, slots=True)
class ModelFacts:
    dtype: str
    """The dtype in the model's config. Without it vLLM would convert float32 to bfloat16."""
    longest: int
    """The maximum number of tokens of a text."""

    @classmethod
    def read(cls, folder: str) -> "ModelFacts":
        """Raises BadInput where the folder has no model."""
        config = config_of(folder)
        dtype = config.get("dtype") or config.get("torch_dtype") or "auto"
        return cls(dtype, config["max_position_embeddings"])


def _set_environment(runtime: EngineRuntime) -> None:
    """Set the variables that vLLM reads on import. Values that the user has set stay."""
    defaults = {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_CPU_KVCACHE_SPACE": str(runtime.cpu_cache_gb),
        "OMP_NUM_THREADS": str(runtime.threads),
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "HF_HUB_OFFLINE": "1",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def start(model_folder: str, dtype: str, runtime: EngineRuntime, longest: int, sleeps: bool, seed: int) -> "LLMEngine":
    _set_environment(runtime)
    import torch
    from vllm import EngineArgs
    from vllm.config import WeightTransferConfig
    from vllm.platforms import current_platform
    from vllm.v1.engine.llm_engine import LLMEngine

    from tasks.weights.transfer import BACKEND, Registered

    on_cpu = current_platform.is_cpu()
    if on_cpu:
        torch.set_num_threads(runtime.threads)
    return LLMEngine.from_engine_args(
        EngineArgs(
            model=model_folder,
            dtype=cast(Any, dtype),
            skip_tokenizer_init=True,
            max_model_len=longest,
            max_num_seqs=runtime.in_flight,
            enforce_eager=on_cpu,
            enable_sleep_mode=sleeps and not on_cpu,
            # On CPUs a seeded request whose prompt is processed in several steps ends the engine, because generators of
            # CPUs have no offset.
            enable_chunked_prefill=not on_cpu,
            gpu_memory_utilization=runtime.gpu_memory_share,
            tensor_parallel_size=runtime.tensor_parallel,
            enable_prefix_caching=True,
            logprobs_mode="processed_logprobs",
            generation_config="vllm",
            disable_log_stats=True,
            seed=seed,
            weight_transfer_config=WeightTransferConfig(backend=BACKEND),
            worker_extension_cls=f"{Registered.__module__}.{Registered.__qualname__}",
        )
    )


def params_of(sampling: Sampling) -> "SamplingParams":
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        seed=sampling.seed,
        max_tokens=sampling.max_tokens,
        stop_token_ids=list(sampling.stop_ids),
        ignore_eos=True,
        # vLLM's own interface accepts minus infinity, which is probability 0. The -100 of the OpenAI interface is not.
        logit_bias=dict.fromkeys(sampling.banned_ids, -math.inf) or None,
        logprobs=0,
        flat_logprobs=True,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def sample_of(output: "RequestOutput") -> Sample:
    """Raises EngineFailed where vLLM aborted the request: its tokens so far are no complete sample."""
    (completion,) = output.outputs
    if completion.finish_reason not in ("stop", "length"):
        raise EngineFailed(f"the engine did not finish a request: {completion.finish_reason}")
    stopped = completion.finish_reason == "stop"
    spans = completion.weight_versions or []
    return Sample(
        token_ids=list(completion.token_ids),
        logprobs=flat(completion.logprobs),
        stop_reason=StopReason.STOP if stopped else StopReason.LENGTH,
        versions=[int(span.version) for span in spans for _ in range(span.start, span.end)],
    )


def scoring_params() -> "SamplingParams":
    """A request for the log probabilities of a text's tokens. vLLM also samples one token, which is discarded."""
    from vllm import SamplingParams

    return SamplingParams(
        max_tokens=1, temperature=0.0, prompt_logprobs=0, flat_logprobs=True, detokenize=False, ignore_eos=True
    )


def scores_of(output: "RequestOutput") -> TokenScores:
    """The scores of a prompt's tokens, except for the first one, which has neither log probability nor rank."""
    logprobs: Any = output.prompt_logprobs
    return TokenScores(flat(logprobs), [] if logprobs is None else list(logprobs.ranks))


def flat(logprobs: Any) -> list[float]:
    """The values of vLLM's flat log probabilities, one per token; a prompt's first token has none."""
    return [] if logprobs is None else list(logprobs.logprobs)
