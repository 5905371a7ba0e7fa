"""Settings of the evaluation: which questions are asked, and who answers them."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from schemas.identity import Identity, Positive
from schemas.names import refuse_name
from schemas.protocol_settings import OWN_NAME, ProtocolSettings, read_protocol
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


Way = Literal["agent", "prompt", "rag", "direct"]
Retrieval = Literal["live", "none", "random"]


class ContestantSettings(Identity):
    """A model with a way to answer and a retrieval."""

    model: str
    """The name of a step of training, or `start`; with `path`, the name under which a published model is reported."""
    path: Annotated[str, Field(min_length=1)] | None = None
    """The folder of a published model (config.json, safetensors, tokenizer.json), which answers with its own tokenizer.
    It is identified by the digest of its files. null: a model of this config."""
    way: Way = "agent"
    """`agent`: the loop of search and answer that the model was trained in; `prompt`: the same loop for a model that
    was not trained in it, explained by a prompt; `rag`: one retrieval with the question, then the answer; `direct`: the
    answer alone."""
    protocol: ProtocolSettings | None = None
    """The file of the protocol in which the model is asked (`deploy/protocols`), or its content. null: a model of this
    config, and an `agent`, have the config's own protocol, all others the one that `prompt` explains."""
    retrieval: Retrieval = "live"
    """`live`: the index; `random`: passages that have nothing to do with the question in place of what is found;
    `none`: no search. `direct` has no other."""

    @field_validator("protocol", mode="before")
    @classmethod
    def _from_its_file(cls, given: Any) -> Any:
        return read_protocol(given) if isinstance(given, str) else given

    @field_validator("protocol")
    @classmethod
    def _is_no_built_in_one(cls, protocol: ProtocolSettings | None) -> ProtocolSettings | None:
        if protocol is not None and protocol.name == OWN_NAME:
            raise ValueError(f"{OWN_NAME!r} is the built-in protocol of way prompt: give the protocol another name")
        return protocol

    @field_validator("model")
    @classmethod
    def _is_a_name(cls, model: str) -> str:
        refuse_name(model, "the name of a model")
        return model

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

    @property
    def asks_own_models(self) -> bool:
        """Whether a model of the config answers, and not published ones alone."""
        named = [settings.contestants for settings in self.sets.values()]
        return any(contestants is None or any(each.path is None for each in contestants) for contestants in named)

    @field_validator("sets", mode="before")
    @classmethod
    def _null_removes_a_set(cls, sets: Any) -> Any:
        return without_removed(sets)
