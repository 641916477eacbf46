"""The base class of all settings: frozen, typed and bounded; an unknown name is an error."""

from pydantic import BaseModel, ConfigDict


class BaseSettings(BaseModel):
    """A group of settings. Each field is one knob: a type, bounds and a docstring, which docs/params.md shows."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
