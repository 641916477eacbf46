"""The settings of labelling: section `label` of `serving.yaml`. They are no part of a round, and change no result."""

from typing import Annotated, Literal

from pydantic import Field

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
    licence: str = Field("own", min_length=1)
    """Licence of what annotators say (SPDX), for items that state none; `own`: it is this organisation's own."""
    consent: str = Field("opt-in", min_length=1)
    """Consent of the annotators to its use, for items that state none; the gate `licence` names those it allows. The
    login says that the model learns from what is judged."""
