"""The settings of the server: `serving.yaml` in the workspace. They are no part of a round, and change no result."""

from collections.abc import Iterable

from pydantic import Field

from core.settings import BaseSettings, override, parse, read
from models.upstream_settings import UpstreamSettings
from tasks.people.label_settings import LabelSettings, TermsSettings
from tasks.state.workspace import Workspace


class ServingSettings(BaseSettings):
    """How requests are answered, and what is kept of them."""

    rows: int = Field(32, ge=1)
    """Answers that a model writes at once; more wait."""
    waiting: int = Field(256, ge=1)
    """Answers that may wait for the model, and requests that may wait for a version to be loaded. A request beyond that
    is refused with 503."""
    poll: float = Field(2.0, gt=0)
    """Seconds between two looks at the alias `champion`."""
    idle: float = Field(60.0, ge=0)
    """Seconds after which a version that is not the champion, and that nobody uses, is freed."""
    versions: int = Field(4, ge=1)
    """Versions that may be in memory at once. A request for one more is refused with 503."""
    request_bytes: int = Field(4_000_000, ge=1_000)
    """Largest request (bytes)."""
    requests_per_minute: int = Field(600, ge=1)
    """Requests that one key may make in a minute; without keys, each person on the pages, and all programs together."""
    retention_days: float | None = Field(90.0, gt=0)
    """Days after which answers are removed; null keeps them. Feedback on them stays."""
    hosts: tuple[str, ...] = ()
    """Names under which the server is reached, besides localhost: another `Host` is refused. Empty on a public address
    accepts any."""
    traces: bool = False
    """Whether each answer is also written to MLflow as a trace."""
    upstream: UpstreamSettings | None = None
    """A server with OpenAI's interface that writes the answers; null: this server has the models in memory."""
    label: LabelSettings = LabelSettings()
    """What annotators are asked on the label page, and how often."""
    terms: TermsSettings = TermsSettings()
    """Licence and consent of the feedback that the server takes."""


def settings(workspace: Workspace, overrides: Iterable[str] = ()) -> ServingSettings:
    """The content of `serving.yaml`, defaults without one, with `KEY=VALUE` overrides.

    Raises:
        BadParams: an unknown setting, or an invalid value.
    """
    values = read(workspace.serving) if workspace.serving.exists() else {}
    return parse(ServingSettings, override(values, overrides), str(workspace.serving))
