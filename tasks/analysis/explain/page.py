"""An explanation as an HTML page: tokens coloured by their contribution to the score, and the nearest pairs."""

from pathlib import Path

from models.attribution import Attribution
from tasks.analysis.explain import Explanation
from tasks.pages.html import render

UP, DOWN = (33, 102, 172), (202, 90, 0)
"""Blue and orange: distinguishable with all common kinds of colour blindness."""


def page(explanation: Explanation) -> str:
    """The page, as self-contained HTML. All text of people and models is escaped."""
    return render(
        Path(__file__).with_name("page.html.jinja"),
        {"signed": signed, "shade": shade, "visible": visible},
        version=explanation.version,
        missing=explanation.missing,
        explained=[(item, largest(item.attribution)) for item in explanation.explained],
    )


def largest(attribution: Attribution) -> float:
    """The contribution shown in the darkest colour: the largest one, but at least .1 so that noise stays pale."""
    return max(0.1, *(abs(piece.total) for piece in attribution.pieces))


def signed(number: float) -> str:
    """A contribution as a label: +0.12, 0.00, −0.07."""
    text = f"{number:+.2f}".replace("-", "−")
    return text if text.strip("+−0.") else "0.00"


def shade(share: float, most: float) -> str:
    """The background colour of a piece: transparent at 0, blue above, orange below."""
    red, green, blue = UP if share > 0 else DOWN
    return f"rgba({red},{green},{blue},{0.75 * min(abs(share) / most, 1.0):.2f})"


def visible(text: str) -> str:
    """The text of a piece with visible line breaks."""
    return text.replace("\n", "⏎")
