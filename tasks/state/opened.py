"""opened.json as a value: the circumstances in which a round was opened."""

from core.stored import Stored


class Opened(Stored):
    """What is recorded beside the inputs of a round. It does not change results, except for the code."""

    request: str
    """What was asked for: digest of knobs, code and sources."""
    written: str | None = None
    """Digest of the values as written, the code and the sources; None in files of version 0.1.0."""
    code: str
    """Digest of the source files that change results."""
    inputs: str
    """SHA-256 (hex) of round.yaml."""
    at: str
    """UTC time, ISO 8601."""
    commit: str | None
    """The git commit of the code; None where there is no git."""
    dirty: bool
    """Whether tracked files differed from it."""
