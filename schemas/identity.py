"""What changes what is computed: the type of all such settings. They are part of a stage's fingerprint."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


class Identity(BaseModel):
    """Settings that are part of a stage's fingerprint."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def refuse_unread(self, names: Iterable[str], why: str) -> None:
        """Raises ValueError where one of these fields, which nothing reads then, is not at its default."""
        for name in names:
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} would not be read: {why}")
