"""What changes what is computed: the type of all such settings. They are part of a stage's fingerprint."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


class Identity(BaseModel):
    """Settings that are part of a stage's fingerprint."""

    model_config = ConfigDict(extra="forbid", frozen=True)
