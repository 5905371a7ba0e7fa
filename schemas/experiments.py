"""Experiments: configs that are run with several seeds, and which of their contestants are compared."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from schemas.config_files import document_of
from schemas.errors import BadInput, first_problem
from schemas.names import RAMP, refuse_name

View = Literal["effort", "masks", "cost"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Contrast(_Part):
    """One contestant against others, question by question."""

    set: str = RAMP
    """The set whose questions both answered."""
    metric: str | None = None
    """A metric of `tasks.evaluation.metrics`; null: span recall on RAMP, exact match on other sets."""
    decoding: Literal["greedy", "sampled"] = "greedy"
    """Which answers are compared."""
    a: str
    """The contestant: the label of its answers without the set, such as `ramp-rl` or `qa-rl.rag`."""
    b: Annotated[list[str], Field(min_length=1)]
    """The contestants that it is compared with."""

    @property
    def compared(self) -> str:
        return self.metric or ("span_recall" if self.set == RAMP else "exact")


class Experiment(_Part):
    """A question, the config that answers it, and how the page shows the answer."""

    name: str
    """A short name: small letters, digits, dots, dashes and underscores."""
    question: str
    """What the experiment asks, in a sentence."""
    config: str
    """The pipeline's config; relative to the file of the experiments."""
    paper: str
    """What the paper reports about this question."""
    note: str | None = None
    """What a reader must know to read the result."""
    contrasts: Annotated[list[Contrast], Field(min_length=1)]
    """The comparisons that answer the question."""
    views: list[View] = []
    """Further tables: `effort`, yield and diversity of the trajectories of each round; `masks`, recall by the kind,
    length, surprisal and evidence of a mask; `cost`, seconds of each model's training."""

    @field_validator("name")
    @classmethod
    def _is_a_label(cls, name: str) -> str:
        refuse_name(name, "the name of an experiment")
        return name

    @property
    def contestants(self) -> list[tuple[str, str]]:
        """Set and contestant of all answers that are compared, each once."""
        return list(dict.fromkeys((each.set, name) for each in self.contrasts for name in (each.a, *each.b)))


class Experiments(_Part):
    """The experiments of one page."""

    root: str
    """Folder of the results. Each seed has a root of a pipeline in it, which its experiments share."""
    seeds: Annotated[list[int], Field(min_length=1)]
    """The seeds of all training steps. Corpus, questions and the draw of evaluated questions are the same for all."""
    experiments: Annotated[list[Experiment], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_once(self) -> "Experiments":
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {self.seeds}: a seed is there twice")
        names = [each.name for each in self.experiments]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two experiments are named {name}")
        return self


def read_experiments(path: str) -> Experiments:
    """The experiments of a YAML file; paths of configs become relative to the working directory.

    Raises:
        BadInput: there is no such file, or it is not such a document.
    """
    document = document_of(path)
    try:
        read = Experiments.model_validate(document)
    except ValidationError as error:
        raise BadInput(f"{path}: {first_problem(error, document)}") from None
    folder = Path(path).parent
    resolved = [each.model_copy(update={"config": str(folder / each.config)}) for each in read.experiments]
    return read.model_copy(update={"experiments": resolved})
