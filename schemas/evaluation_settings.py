"""Settings of the evaluation: which questions are asked, and who answers them."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from schemas.identity import Identity, Positive
from schemas.records import Split
from schemas.set_settings import without_removed


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


Way = Literal["agent", "rag", "direct"]
Retrieval = Literal["live", "none", "random"]


class ContestantSettings(Identity):
    """A model with a way to answer and a retrieval."""

    model: str
    """The name of a step of training, or `start`."""
    way: Way = "agent"
    """`agent`: the loop of search and answer; `rag`: one retrieval with the question, then the answer; `direct`: the
    answer alone."""
    retrieval: Retrieval = "live"
    """`live`: the index; `random`: passages that have nothing to do with the question in place of what is found;
    `none`: no search. `direct` has no other."""

    @model_validator(mode="before")
    @classmethod
    def _direct_has_no_search(cls, given: Any) -> Any:
        is_direct = isinstance(given, dict) and given.get("way") == "direct"
        return {"retrieval": "none", **given} if is_direct else given

    @model_validator(mode="after")
    def _the_way_has_this_retrieval(self) -> "ContestantSettings":
        if self.way == "direct" and self.retrieval != "none":
            raise ValueError(f"way direct searches for nothing: remove retrieval: {self.retrieval}")
        if self.way == "rag" and self.retrieval == "none":
            raise ValueError("way rag has a retrieval: set way: direct for an answer without one")
        return self


class EvaluatedSetSettings(EvaluatedSet):
    """The questions of one set, and who answers them."""

    contestants: list[ContestantSettings] | None = None
    """Who answers; null: every model with live search, and the last one that was trained on the set also without
    search, with random passages and, if the set is not RAMP, by `rag`."""
    known_by: str | None = None
    """The name of a step of training, or `start`: this model answers the questions `direct`, too, and all scores are
    given a second time for the questions that it does not answer exactly. Default: `start` if `model.path` names a
    published model and the set is not RAMP; null: no such scores."""


class EvaluationSettings(DecodingSettings):
    """Which questions every model answers."""

    sets: Annotated[dict[str, EvaluatedSetSettings], Field(min_length=1)] = Field(
        default_factory=lambda: {"ramp": EvaluatedSetSettings()}
    )
    """The sets whose questions are asked: `ramp`, or the name of a set in the config's `sets`."""
    bootstrap: Positive = 10_000
    """Resamples of the bootstrap behind confidence intervals and paired differences. It changes no answer."""

    @field_validator("sets", mode="before")
    @classmethod
    def _null_removes_a_set(cls, sets: Any) -> Any:
        return without_removed(sets)
