"""What changes what is computed: the type of all such settings. They are part of a stage's fingerprint."""

from collections.abc import Iterable
from typing import Annotated, Any, Self

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

    @classmethod
    def within(cls, wider: "Identity") -> Self:
        """These fields of a section that has more of them: what a stage reads of it, and no more."""
        return cls.model_construct(**{name: getattr(wider, name) for name in cls.model_fields})


class Reads(BaseModel):
    """All settings that one stage reads: sections, or the fields of one that it reads alone.

    A stage has no other settings, so that what changes its rows is part of its fingerprint.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def all(self) -> dict[str, Any]:
        """Every field with its value, for people."""
        return self.model_dump(mode="json")

    @property
    def given(self) -> dict[str, Any]:
        """What the fingerprint is made from: fields of sections that are not at their defaults, and all other values.

        A setting that a later version adds to a section changes no fingerprint while it is at its default.
        """
        values = {name: getattr(self, name) for name in type(self).model_fields}
        dumped = self.model_dump(mode="json")
        return {name: _given(value, dumped[name]) for name, value in values.items()}


def _given(value: Any, dumped: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_defaults=True)
    if isinstance(value, list):
        return [_given(*each) for each in zip(value, dumped, strict=True)]
    return dumped
