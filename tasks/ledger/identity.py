"""Which settings a stage is known by: all for people, and for its fingerprint those that are not at their defaults."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import BaseModel


class Part(NamedTuple):
    """Some of a section's settings: all but ``without``, or ``only`` these."""

    section: BaseModel
    without: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None

    def dump(self, exclude_defaults: bool) -> dict[str, Any]:
        return self.section.model_dump(
            mode="json",
            include=None if self.only is None else set(self.only),
            exclude=set(self.without),
            exclude_defaults=exclude_defaults,
        )


@dataclass(frozen=True)
class StageSettings:
    """The identity settings of a stage, by section: all, and those that are given (see `schemas.manifest.Recipe`)."""

    all: dict[str, Any]
    given: dict[str, Any]


def identity_of(**sections: BaseModel | Part | Any) -> StageSettings:
    """Of sections of the config, parts of them, or plain values, which always count as given."""

    def told(section: Any, exclude_defaults: bool) -> Any:
        part = Part(section) if isinstance(section, BaseModel) else section
        return part.dump(exclude_defaults) if isinstance(part, Part) else part

    return StageSettings(
        all={name: told(section, False) for name, section in sections.items()},
        given={name: told(section, True) for name, section in sections.items()},
    )
