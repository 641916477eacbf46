"""What an annotator is shown on the label page, and what they say of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from feedback.schema import Prompt

LabelKind = Literal["comparison", "binary", "rating", "critique", "correction", "demonstration"]
"""The kind of the event that a judgement becomes: two answers, one answer, or (`demonstration`) no answer is shown."""

STRENGTHS = 3
"""A preference is slight (1), clear (2) or strong (3)."""


class LabelTask(NamedTuple):
    """One item as one annotator is shown it. Nothing in it tells gold items, repeats or versions."""

    id: str
    """Names the task; only its annotator can judge it."""
    kind: LabelKind
    prompt: Prompt
    answers: tuple[str, ...]
    """The texts, from left to right: two of a comparison, none of a demonstration, otherwise one."""
    criteria: tuple[str, ...]
    """Asked after the overall question; of a comparison, a thumb or a rating."""
    scale: tuple[int, int] | None
    """Worst and best rating; None for other kinds."""
    editable: bool
    """Whether an edit of one of two answers may be added; a critique, correction or demonstration is the judgement."""
    until: datetime
    """How long the task is kept for the annotator. It can be judged afterwards, but others are then offered the item
    too."""


class LabelJudgement(BaseModel):
    """What an annotator says of one task. Fields of other kinds than the task's stay None.

    | kind | what is said |
    |---|---|
    | comparison | `preferred`; with `left` or `right`, perhaps `strength`; perhaps `correction` and `corrected` |
    | binary | `thumb` |
    | rating | `rating` |
    | critique, correction, demonstration | the field of that name |
    | any | `outcome` instead |
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    outcome: str | None = None
    """`skip` (others are asked) or `cannot_judge` (counts as a judgement), and nothing else is said."""
    preferred: str | None = None
    """`left`, `right`, `tie`, `both_good` or `both_bad`."""
    strength: Annotated[int, Field(ge=1, le=STRENGTHS)] | None = None
    """Of a preference, from 1 to 3."""
    thumb: str | None = None
    """`up` or `down`."""
    rating: int | None = None
    """On the scale of the task; higher is better."""
    critique: str | None = None
    correction: str | None = None
    """The answer, edited. In a comparison, it is stored as an event of its own."""
    corrected: str | None = None
    """`left` or `right`: which answer of a comparison was edited; by default the preferred one."""
    demonstration: str | None = None
    criteria: Mapping[str, str | int] = {}
    """Criterion → the same by this criterion alone: a value of `preferred`, `thumb` or `rating`, or `cannot_judge`."""
    reason: str | None = None
    """Why, in the annotator's words."""
    duration_ms: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    """From when the task was shown to when it was judged."""
    guideline_version: Annotated[str, Field(pattern="^[0-9a-f]{12}$")] | None = None
    """Version of the guidelines that the annotator had (`Guidelines.version`)."""
