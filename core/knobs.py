"""The base class of all settings: frozen, typed, bounded; a misspelt name is an error."""

from pydantic import BaseModel, ConfigDict


class BaseSettings(BaseModel):
    """A group of settings. Each field is one knob: a type, bounds and, below it, a sentence that explains it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
