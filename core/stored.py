"""Values that are kept on disk as JSON: one form, written and read in one place, with the number of that form in it.

Whoever reads a file gets a typed value or an error that names the file. A key that this version does not know is
ignored, and a file of a form before the first number is read as form 1.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from core.errors import BadWorkspace, Damaged
from core.files import read_json, write_json

Json = dict[str, JsonValue]
"""A JSON object whose content is of no concern to the code that holds it."""

Values = Mapping[str, Any]
"""Parameters as plain values, by section and name: each section is checked and typed by the module that uses it."""

FORMAT = "format"
"""The key of the form's number."""


class Value(BaseModel):
    """A frozen value that can be written as JSON and read again. Keys that it does not know are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    def to_json(self) -> Json:
        """As plain values, in the order of the fields."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, value: object, origin: str = "JSON") -> Self:
        """Back from plain values.

        Raises:
            Damaged: a field is missing or of another type; names `origin`, where the value came from, and the field.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"])) or "it"
            raise Damaged(f"{origin} is not whole: {name}: {first['msg']}") from error


class Stored(Value):
    """A value with a file of its own."""

    form: ClassVar[int] = 1
    """The number of the form that is written. It grows when an older version could not read what is written."""

    def to_json(self) -> Json:
        """As plain values, the number of the form first."""
        return {FORMAT: self.form, **super().to_json()}

    @classmethod
    def from_json(cls, value: object, origin: str = "JSON") -> Self:
        """Back from plain values.

        Raises:
            BadWorkspace: a later version wrote it.
            Damaged: see `Value.from_json`.
        """
        form = value.get(FORMAT, 1) if isinstance(value, Mapping) else 1
        if isinstance(form, int) and form > cls.form:
            raise BadWorkspace(
                f"{origin} has form {form}, and this version reads forms up to {cls.form}: a later version wrote it; "
                "go on with that one"
            )
        return super().from_json(value, origin)

    def save(self, path: Path) -> None:
        """Write the file, whole."""
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file.

        Raises:
            Damaged: it is not whole.
            BadWorkspace: a later version wrote it.
        """
        return cls.from_json(read_json(path), str(path))
