"""Models as Hugging Face folders (config.json, safetensors): create, fit to a tokenizer, read and write."""

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.errors import BadInput
from schemas.settings import ModelSettings
from tasks.capacity.model_shape import MADE_FOR

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def new_model(settings: ModelSettings, vocabulary: int, out: str, made_for: str | None = None) -> None:
    """Write the folder of a new model whose embedding has a row for each of ``vocabulary`` token ids.

    It is a Qwen2 with random weights (``settings.seed``). If ``settings.path`` is a model's folder, it is that model,
    with rows added for token ids that it lacks. The config records the tokenizer that the model was ``made_for``
    (`AgentTokenizer.digest`), and models trained from it inherit that.

    Raises:
        BadInput: the settings fit no architecture, or the folder has no model.
    """
    model = _from_nothing(settings, vocabulary) if settings.path is None else _fitted(settings, vocabulary)
    if made_for is not None:
        setattr(model.config, MADE_FOR, made_for)
    save_model(model, out)


def load_model(folder: str, dtype: "torch.dtype | None" = None) -> "PreTrainedModel":
    """The model of a folder, by default in the precision of its files.

    Raises:
        BadInput: the folder has no model.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype or "auto", local_files_only=True)
    except (OSError, ValueError) as error:
        raise _no_model(folder, error) from None


def _no_model(folder: str, error: Exception) -> BadInput:
    return BadInput(f"{folder}: no model there, or a damaged one: {' '.join(str(error).split())[:200]}")


def load_sharded(folder: str, dtype: "torch.dtype", deepspeed_config: dict[str, Any]) -> "PreTrainedModel":
    """Load the model of a folder under ZeRO 3; all ranks call this together.

    Besides its share, a rank never holds more than one layer. Only rank 0 reads the weights, one by one.

    Raises:
        BadInput: the folder has no model, or its weights do not match its architecture.
    """
    import deepspeed
    import torch
    from safetensors import safe_open
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.integrations.deepspeed import HfDeepSpeedConfig

    try:
        architecture = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise _no_model(folder, error) from None
    sharding = HfDeepSpeedConfig(deepspeed_config)  # while this object exists, transformers creates models sharded
    model: PreTrainedModel = AutoModelForCausalLM.from_config(architecture, dtype=dtype)
    del sharding
    named = model.state_dict(keep_vars=True)
    missing = {id(weight) for weight in named.values()}
    for path in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(path, "pt") as tensors:
            for name in tensors.offset_keys():
                if name not in named:
                    raise BadInput(f"{path}: {name} is no weight of this model: set engineering.zero_stage to 1 or 2")
                weight = named[name]
                is_sharded = isinstance(weight, torch.nn.Parameter)  # buffers are whole on every rank
                gathered = deepspeed.zero.GatheredParameters([weight] if is_sharded else [], modifier_rank=0)
                with gathered, torch.no_grad():
                    if torch.distributed.get_rank() == 0 or not is_sharded:
                        weight.copy_(tensors.get_tensor(name))
                missing.discard(id(weight))
    if missing:
        raise BadInput(f"{folder}: {len(missing)} of the model's weights are missing: copy the whole folder again")
    return model


def save_model(model: "PreTrainedModel", out: str, weights: "dict[str, torch.Tensor] | None" = None) -> None:
    """Write a model's folder atomically; an existing folder is replaced.

    ``weights`` are written instead of the model's own, which may be only a rank's share.
    """
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    target = Path(out)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        model.save_pretrained(temporary, state_dict=weights)
        temporary.chmod(0o755)  # mkdtemp creates folders that only the owner can read
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _from_nothing(settings: ModelSettings, vocabulary: int) -> "PreTrainedModel":
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    if settings.hidden % settings.heads or settings.hidden // settings.heads % 2:
        raise BadInput(f"model.hidden ({settings.hidden}) must be an even multiple of model.heads ({settings.heads})")
    shared = settings.key_value_heads or settings.heads
    if settings.heads % shared:
        raise BadInput(f"model.heads ({settings.heads}) must be a multiple of model.key_value_heads ({shared})")
    torch.manual_seed(settings.seed)
    config = Qwen2Config(
        vocab_size=max(vocabulary, settings.vocabulary or 0),
        hidden_size=settings.hidden,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=shared,
        intermediate_size=settings.intermediate,
        max_position_embeddings=settings.max_position,
        rope_parameters={"rope_type": "default", "rope_theta": settings.rope_base},
        initializer_range=settings.init_std,
        tie_word_embeddings=settings.tied,
        bos_token_id=None,
        eos_token_id=None,
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if settings.dtype == "bf16" else torch.float32)
    try:  # created in the final precision: memory may not suffice for weights in two precisions at once
        return Qwen2ForCausalLM(config)
    finally:
        torch.set_default_dtype(before)


def _fitted(settings: ModelSettings, vocabulary: int) -> "PreTrainedModel":
    import torch

    assert settings.path is not None
    torch.manual_seed(settings.seed)
    model = load_model(settings.path)
    rows = model.get_input_embeddings().weight.shape[0]  # type: ignore[index]
    if vocabulary > rows:
        model.resize_token_embeddings(vocabulary)
    return model
