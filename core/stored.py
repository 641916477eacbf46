"""Typed values stored on disk as JSON, with a format version in each file.

Reading a file gives a typed value or an error that names the file. Unknown keys are ignored, and a file without a
format version is read as version 1.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from core.errors import BadWorkspace, Damaged
from core.files import read_json, write_json

Json = dict[str, JsonValue]
"""A JSON object that is passed on without being interpreted."""

Values = Mapping[str, Any]
"""Parameters as plain values, by section and name. The module that uses a section validates and types it."""

FORMAT = "format"
"""The key of the format version."""


class Value(BaseModel):
    """A frozen value that can be written as JSON and read again. Unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    def to_json(self) -> Json:
        """The fields as JSON values, in field order."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, value: object, origin: str = "JSON") -> Self:
        """Build the value from JSON values.

        Raises:
            Damaged: a field is missing or has the wrong type; names the field and `origin`, the source of the value.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"])) or "it"
            raise Damaged(
                f"{origin} is incomplete or invalid: {name}: {first['msg']}; restore it from a backup"
            ) from error


class Stored(Value):
    """A value that is stored in its own file."""

    format_version: ClassVar[int] = 1
    """The format version that is written. Incremented when older code could not read new files."""

    def to_json(self) -> Json:
        """The fields as JSON values, preceded by the format version."""
        return {FORMAT: self.format_version, **super().to_json()}

    @classmethod
    def from_json(cls, value: object, origin: str = "JSON") -> Self:
        """Build the value from JSON values.

        Raises:
            BadWorkspace: a later version wrote it.
            Damaged: see `Value.from_json`.
        """
        version = value.get(FORMAT, 1) if isinstance(value, Mapping) else 1
        if isinstance(version, int) and version > cls.format_version:
            raise BadWorkspace(
                f"{origin} has format version {version}, and this version of rounds reads up to {cls.format_version}; "
                "use the later version of rounds that wrote the file"
            )
        return super().from_json(value, origin)

    def save(self, path: Path) -> None:
        """Write the file, atomically."""
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file.

        Raises:
            Damaged: it is incomplete or invalid.
            BadWorkspace: a later version wrote it.
        """
        return cls.from_json(read_json(path), str(path))
