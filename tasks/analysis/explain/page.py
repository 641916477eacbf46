"""An explanation as a page: the tokens of the answer in the colours of what they brought in, and the nearest pairs."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.attribution import Attribution
from tasks.analysis.explain import Explanation

UP, DOWN = (33, 102, 172), (202, 90, 0)
"""Blue and orange: told apart by all common kinds of colour blindness."""


def page(explanation: Explanation) -> str:
    """The page, as HTML that needs nothing else. Whatever people or models wrote is escaped."""
    surroundings = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    surroundings.filters |= {"signed": signed, "shade": shade, "visible": visible}
    return surroundings.get_template("page.html.jinja").render(
        version=explanation.version,
        missing=explanation.missing,
        explained=[(one, largest(one.attribution)) for one in explanation.explained],
    )


def largest(told: Attribution) -> float:
    """What the darkest colour stands for: the largest share, at least .1 so that nothing is made much of."""
    return max(0.1, *(abs(piece.total) for piece in told.pieces))


def signed(number: float) -> str:
    """A share as a label: +0.12, 0.00, −0.07."""
    text = f"{number:+.2f}".replace("-", "−")
    return text if text.strip("+−0.") else "0.00"


def shade(share: float, most: float) -> str:
    """The background of a piece: transparent at 0, blue above, orange below."""
    red, green, blue = UP if share > 0 else DOWN
    return f"rgba({red},{green},{blue},{0.75 * min(abs(share) / most, 1.0):.2f})"


def visible(text: str) -> str:
    """A piece as it is shown: a line break gets a mark."""
    return text.replace("\n", "⏎")
