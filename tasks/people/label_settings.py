"""The settings of labelling, sections `label` and `terms` of `serving.yaml`: no part of a round."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from core.settings import BaseSettings

Origin = Literal["collected", "served"]
"""Answers that the last finished round collected, and answers of the server to people with the consent `opt-in`."""


class LabelSettings(BaseSettings):
    """What annotators are asked on the label page, and how often."""

    fill: tuple[Origin, ...] = ("collected",)
    """Answers of which every two to one prompt become items of the queue `main` without a command: `collected`, those
    of the last finished round, and `served`, those of the server to people with the consent `opt-in`. Empty: none."""
    open_items: int = Field(500, ge=1)
    """Items of `main` that want judgements at which no more are added without a command."""
    overlap: int = Field(1, ge=1, le=100)
    """Judgements that an item wants, each by another annotator; `rounds label add --overlap` sets another number."""
    gold: float = Field(0.07, ge=0, le=0.5)
    """Share of the tasks that are gold items, of those whose right answer is known."""
    repeats: float = Field(0.03, ge=0, le=0.5)
    """Share of the tasks that are items which the annotator has judged before, to measure self-agreement."""
    hold: float = Field(1_800.0, ge=60)
    """Seconds for which a task is kept for an annotator; after that, others are offered the item too."""
    criteria: tuple[Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")], ...] = Field((), max_length=10)
    """Criteria that are asked after the overall question."""
    rating: int = Field(5, ge=2, le=10)
    """Best rating; the worst is 1."""

    @model_validator(mode="before")
    @classmethod
    def _terms_have_moved(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and (moved := [name for name in ("licence", "consent") if name in values]):
            raise ValueError(f"{' and '.join(moved)} hold for all feedback; write them in the section `terms`")
        return values


class TermsSettings(BaseSettings):
    """Licence and consent of the feedback that the server takes: over HTTP, in the chat, and on the label page."""

    licence: str = Field("own", min_length=1)
    """Licence of what people say (SPDX), where a record or item states none; `own`: it is this organisation's own."""
    consent: str = Field("opt-in", min_length=1)
    """Consent of those who say it, where a request, record or item states none; the gate `licence` names those it
    allows. The login says that the model learns from what is judged; applications have to tell their users."""
