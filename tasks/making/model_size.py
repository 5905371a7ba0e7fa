"""The size of a config's model."""

from schemas.config import PipelineConfig
from schemas.settings import ModelSettings
from schemas.sizes import architecture_in, parameters_of


def parameters_in(config: PipelineConfig) -> int | None:
    """The number of parameters of the config's model; None if there is no model, or its folder cannot be read."""
    model = model_of(config)
    token_ids = config.tokenizer.vocabulary if config.tokenizer and config.tokenizer.vocabulary else 0
    return parameters_of(model, token_ids) if model else None


def model_of(config: PipelineConfig) -> ModelSettings | None:
    """The architecture of the config's model."""
    if config.model is None or config.model.path is None:
        return config.model
    return architecture_in(config.model.path)
