"""The gates of a workspace, and what the gate `licence` lets feedback state: read by more steps than `verdict`.

Beside it, what the operator states of the feedback of a source, which the gate then reads.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field, SerializeAsAny

from core.plugins import chosen, used_by_name
from core.settings import BaseSettings, override, parse, read, section
from evaluation.gates import Gate
from evaluation.gates.licence import LicenceGate
from feedback.terms import Forbids, SourceTermsSettings, anything_goes
from tasks.state.workspace import Workspace

GATES = (
    *("data_quality", "annotators", "licence", "drift"),
    *("reward_accuracy", "calibration"),
    *("win_rate", "criteria", "slices", "safety", "red_team", "refusal", "length", "diversity"),
    *("kl_budget", "overoptimisation", "cost"),
)
"""The gates used by default: on the data, the reward model, the answers, the training."""


class VerdictSettings(BaseSettings):
    """The gates that a candidate has to pass. Approval by a person is not a gate: see `approval`."""

    gates: Annotated[dict[str, SerializeAsAny[Gate] | None], used_by_name("evaluation.gates", *GATES)] = Field(
        default_factory=dict, validate_default=True
    )
    """Gates by name, with their knobs; `null` disables one. The verdict is the worst result of any gate."""
    trust_judge: bool = False
    """If there are no fresh votes, use the judge model's win rate. The judge is trained on the same people's votes and
    shares their bias."""


def forbids(knobs: VerdictSettings) -> Forbids:
    """Which licences and consents keep feedback out of training: those that the gate `licence` does not allow.

    Without the gate, none do.
    """
    return next((gate.forbids for gate in chosen(knobs.gates) if isinstance(gate, LicenceGate)), anything_goes)


def forbids_now(workspace: Workspace, overrides: Iterable[str] = ()) -> Forbids:
    """The same by params.yaml as it is now, with overrides on top. A workspace without params.yaml has the defaults.

    Raises:
        BadParams: params.yaml cannot be read, or a knob is invalid.
    """
    return forbids(section(VerdictSettings, _values(workspace, overrides), "verdict", workspace.params))


class StatedTermsSettings(BaseSettings):
    """What the operator states of the feedback of some sources."""

    terms: dict[str, SourceTermsSettings] = Field(default_factory=dict)
    """Source → licence and consent of its events that state none, such as `{http: {licence: own, consent: opt-in}}`.
    A word that the gate `licence` does not allow, such as `consent: not asked`, leaves the events out."""


def terms_now(workspace: Workspace, overrides: Iterable[str] = ()) -> dict[str, SourceTermsSettings]:
    """`curate.terms` of params.yaml as it is now, with overrides on top.

    Raises:
        BadParams: params.yaml cannot be read, or a term is invalid.
    """
    section = _values(workspace, overrides).get("curate") or {}
    own = {name: value for name, value in section.items() if name in StatedTermsSettings.model_fields}
    return parse(StatedTermsSettings, own, str(workspace.params), ("curate",)).terms


def _values(workspace: Workspace, overrides: Iterable[str]) -> Mapping[str, Any]:
    return override(read(workspace.params) if workspace.params.exists() else {}, overrides)
