"""Arrow schemas and tables of row models."""

import types
import typing
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import BaseModel

_SCALARS = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def _arrow_type(annotation: object) -> tuple[pa.DataType, bool]:
    """The Arrow type of a field's annotation, and whether it may be null."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _arrow_type(arguments[0])
    if origin in (types.UnionType, typing.Union):
        (inner,) = [a for a in arguments if a is not type(None)]
        return _arrow_type(inner)[0], True
    if origin is Literal:
        return pa.string(), False
    if origin is list:
        return pa.list_(_arrow_type(arguments[0])[0]), False
    if isinstance(annotation, type):
        if issubclass(annotation, BaseModel):
            return pa.struct(list(arrow_schema(annotation))), False
        if issubclass(annotation, StrEnum):
            return pa.string(), False
        if annotation in _SCALARS:
            return _SCALARS[annotation], False
    raise TypeError(f"no Arrow type for {annotation!r}")


def arrow_schema(model: type[BaseModel]) -> pa.Schema:
    """The Arrow schema of a row model: one column for each field, in the order of the model."""
    fields = []
    for name, field in model.model_fields.items():
        kind, nullable = _arrow_type(field.annotation)
        fields.append(pa.field(name, kind, nullable=nullable))
    return pa.schema(fields)


def table_of(model: type[BaseModel], rows: Iterable[BaseModel]) -> pa.Table:
    """Rows as an Arrow table with exactly the model's columns."""
    return pa.Table.from_pylist([row.model_dump() for row in rows], schema=arrow_schema(model))
