"""Settings of the evaluation: which questions are asked, and who answers them."""

from typing import Annotated

from pydantic import Field

from schemas.identity import Identity, Positive
from schemas.records import Split


class EvaluatedSet(Identity):
    """The questions that are asked of one set, the same for all contestants."""

    split: Split = Split.TEST
    """The split whose questions are asked."""
    per_level: Positive | None = 128
    """Questions for each number of masks (RAMP) or hops (a set), drawn by hash; null: all questions of the split."""


class DecodingSettings(Identity):
    """How the questions are drawn and answered."""

    seed: int = 1
    """Seed of the draw of questions and of sampling."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Temperature of sampled decoding; every question is answered greedily as well."""
    part_rows: Positive = 512
    """Answers in one part of the output."""


class EvaluationSettings(DecodingSettings):
    """Which questions every model answers."""

    sets: Annotated[dict[str, EvaluatedSet], Field(min_length=1)] = Field(
        default_factory=lambda: {"ramp": EvaluatedSet()}
    )
    """The sets whose questions are asked: `ramp`, or the name of a set in the config's `sets`."""
    bootstrap: Positive = 10_000
    """Resamples of the bootstrap behind confidence intervals and paired differences. It changes no answer."""
