"""opened.json as a typed value: when, and from which code, a round was opened."""

from core.stored import Stored


class OpeningFacts(Stored):
    """Facts recorded beside the inputs of a round. Of these, only `code` affects results."""

    request: str
    """Digest of the request: knobs, code and sources."""
    written: str | None = None
    """Digest of the values as written in params.yaml, the code and the sources; None in files of version 0.1.0."""
    code: str
    """Digest of the source files that change results."""
    inputs: str
    """SHA-256 (hex) of round.yaml."""
    at: str
    """UTC time, ISO 8601."""
    commit: str | None
    """The git commit of the code; None outside a git repository."""
    dirty: bool
    """Whether tracked files differed from that commit."""
