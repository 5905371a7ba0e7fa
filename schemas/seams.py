"""Seams: where one of several kinds does a piece of the work, and a package of somebody else may bring another kind.

A seam has a table of the kinds that are built in, each with its model of settings, and a group of entry points for all
others. The config names a kind (``teacher: {kind: scripted}``), and the settings of that kind validate the rest. What
does the work is in a registry beside the seam's interface (docs/extending.md lists them).

An entry point of the group ``masksearch.rewards`` (and so on) is a class that has a class ``Settings``. Its ``kind`` is
the entry point's name and its ``version`` is part of every fingerprint and of every job's config.
"""

import inspect
import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any, ClassVar, Generic, TypeVar, get_args

from pydantic import Field, GetCoreSchemaHandler, SerializationInfo, SerializerFunctionWrapHandler, model_serializer
from pydantic_core import CoreSchema, core_schema

from schemas.errors import BadInput
from schemas.identity import Identity

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class BadKind(BadInput, ValueError):
    """A kind that is not known, or a package whose entry point cannot be used. In a model it is a field's error."""


class Kind(Identity):
    """Settings of one kind. A subclass names it (``kind: Literal["mine"] = "mine"``) and adds what that kind reads."""

    default: ClassVar[str]
    """The kind that a config need not name. It adds no ``kind`` to a fingerprint."""
    version: ClassVar[int | None] = None
    """Raised when the code of an installed kind changes what it computes. A built-in kind has None: its stage has a
    version."""

    kind: str

    @model_serializer(mode="wrap")
    def _with_kind_and_version(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """Fingerprints leave defaults out, and two kinds may have the same fields: the name and version stay."""
        is_implied = info.exclude_defaults and self.kind == self.default
        named = {} if is_implied else {"kind": self.kind}
        versioned = {} if self.version is None else {"version": self.version}
        return {**named, **versioned, **handler(self)}


class ChatModelSettings(Identity):
    """Settings of a kind that sends prompts to a chat model behind an endpoint of the runtime."""

    model: str | None = None
    """The name of the model. Default: the first that the endpoint lists."""
    temperature: Annotated[float, Field(ge=0)] = 0.7


K = TypeVar("K", bound=Kind)


class Seam(Generic[K]):
    """One seam: ``Annotated[base, seam]`` is a field that takes the settings of any of its kinds.

    Args:
        name: of the entry point group, after ``masksearch.``.
        base: the settings that all kinds have.
        built_in: the kinds of this project, by name.
        short: the field that a string alone stands for, in place of a mapping.
        older_name: what configs used to say in place of ``kind``. It is still read.
    """

    def __init__(
        self,
        name: str,
        base: type[K],
        built_in: Mapping[str, type[K]],
        *,
        short: str | None = None,
        older_name: str | None = None,
    ) -> None:
        self.group, self.base, self.built_in = f"masksearch.{name}", base, built_in
        self._short, self._older_name = short, older_name

    @property
    def installed(self) -> list[str]:
        """The names of the kinds that installed packages bring."""
        return sorted({entry.name for entry in entry_points(group=self.group)} - self.built_in.keys())

    def settings_of(self, kind: str) -> type[K]:
        """The settings of a kind.

        Raises:
            BadKind: there is no such kind, or the package that has it cannot be used.
        """
        built_in = self.built_in.get(kind)
        settings: type[K] = built_in if built_in is not None else self._extension(kind).Settings
        return settings

    def extension(self, kind: str, interface: type) -> Any:
        """The class of a kind that a package brings.

        Raises:
            BadKind: as `settings_of`, or the class does not implement the interface.
        """
        extension = self._extension(kind)
        if not issubclass(extension, interface):
            raise BadKind(f"{self._where(kind)}: {extension.__name__} does not inherit {interface.__name__}")
        if inspect.isabstract(extension):
            missing = ", ".join(sorted(extension.__abstractmethods__))
            raise BadKind(f"{self._where(kind)}: {extension.__name__} lacks {missing}")
        return extension

    def validated(self, value: Any) -> K:
        """Settings as a config or a job's config has them.

        Raises:
            ValidationError: the kind's own model refuses them.
            BadKind: as `settings_of`; or they were written by another version of the kind.
        """
        if isinstance(value, self.base):
            return value
        given = self._mapping_of(value)
        kind = given.setdefault("kind", self.base.default)
        if not isinstance(kind, str):
            raise BadKind(f"kind {kind!r} is not a name: choose one of {self._known()}")
        settings = self.settings_of(kind)
        if settings.version is not None and given.pop("version", settings.version) != settings.version:
            raise BadKind(
                f"kind {kind}: these settings are for version {value['version']} of it, and version "
                f"{settings.version} is installed"
            )
        return settings.model_validate(given)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            lambda value, _: self.validated(value),
            handler(source),
            serialization=core_schema.simple_ser_schema("any"),  # by the kind's own model, not by the base
        )

    def _mapping_of(self, value: Any) -> dict[str, Any]:
        if isinstance(value, str) and self._short is not None:
            return {self._short: value}
        if not isinstance(value, Mapping):
            raise BadKind(f"{value!r} is not a mapping with a kind: choose one of {self._known()}")
        given = dict(value)
        if self._older_name in given:
            if "kind" in given:
                raise BadKind(f"kind and {self._older_name} are two names of one setting: give kind alone")
            given["kind"] = given.pop(self._older_name)
        return given

    def _known(self) -> str:
        installed = self.installed
        return ", ".join(self.built_in) + (f"; installed: {', '.join(installed)}" if installed else "")

    def _where(self, kind: str) -> str:
        return f"the entry point {kind} of {self.group}"

    def _extension(self, kind: str) -> Any:
        entries = list(entry_points(group=self.group, name=kind))
        packages = sorted({_package_of(entry) for entry in entries})
        if not entries:
            raise BadKind(f"there is no kind {kind!r}: choose one of {self._known()}")
        if len(packages) > 1:
            raise BadKind(f"several packages have {self._where(kind)}: {', '.join(packages)}. Uninstall all but one")
        where = f"{self._where(kind)} (package {packages[0]}, {entries[0].value})"
        try:
            extension = entries[0].load()
        except Exception as error:  # the import of a package may raise anything
            raise BadKind(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
        problem = self._problem_with(extension, kind)
        if problem is not None:
            raise BadKind(f"{where} cannot be used: {problem}")
        return extension

    def _problem_with(self, extension: Any, kind: str) -> str | None:
        settings = getattr(extension, "Settings", None)
        if not isinstance(extension, type) or not isinstance(settings, type) or not issubclass(settings, self.base):
            return f"it is not a class that has a class Settings({self.base.__name__})"
        if not _NAME.fullmatch(kind):
            return "its name may have small letters, digits and underscores only"
        named = settings.model_fields["kind"]
        if get_args(named.annotation) != (kind,) or named.default != kind:
            return f'its Settings need the field kind: Literal["{kind}"] = "{kind}"'
        if type(settings.version) is not int:
            return "its Settings need a version: ClassVar[int] = 1"
        return None


def _package_of(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.module
