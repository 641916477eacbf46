"""Settings as values: frozen, typed, bounded, and refused when misspelt."""

from pydantic import BaseModel, ConfigDict


class BaseSettings(BaseModel):
    """A group of settings. Each field is one knob: a type, a bound and the sentence under it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
