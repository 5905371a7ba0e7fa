"""The base classes of settings that change what is computed. Such settings are part of a stage's fingerprint."""

from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


class Identity(BaseModel):
    """Settings that are part of a stage's fingerprint."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def refuse_unread(self, names: Iterable[str], why: str) -> None:
        """Raises ValueError if one of these fields differs from its default although nothing would read it."""
        for name in names:
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} would not be read: {why}")

    @classmethod
    def within(cls, wider: "Identity") -> Self:
        """The fields of this class, taken from a section with more fields: the ones that a stage reads."""
        return cls.model_construct(**{name: getattr(wider, name) for name in cls.model_fields})


class Reads(BaseModel):
    """All settings that one stage reads: whole sections, or single fields of a section.

    A stage has no other settings, so every setting that changes its rows is part of its fingerprint.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def all(self) -> dict[str, Any]:
        """Every field with its value, for people to read."""
        return self.model_dump(mode="json")

    @property
    def given(self) -> dict[str, Any]:
        """The input of the fingerprint: all values that differ from their defaults, those of sections by field.

        What a later version adds to a section or to a stage leaves fingerprints unchanged while it is at its default.
        """
        values = {name: getattr(self, name) for name in type(self).model_fields}
        dumped = self.model_dump(mode="json")
        return {name: _given(value, dumped[name]) for name, value in values.items() if not self._is_default(name)}

    def _is_default(self, name: str) -> bool:
        field = type(self).model_fields[name]
        return not field.is_required() and getattr(self, name) == field.get_default(call_default_factory=True)


def _given(value: Any, dumped: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_defaults=True)
    if isinstance(value, list):
        return [_given(*each) for each in zip(value, dumped, strict=True)]
    return dumped
