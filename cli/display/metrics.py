"""docs/metrics.md: the text of its template, with the declarations of the metrics from the modules that it names."""

import importlib
import textwrap
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from core.metrics import Metric, declared

TEMPLATE = Path(__file__).with_name("metrics.md.jinja")

WIDTH = 120


def metrics_page() -> str:
    """The page, as Markdown."""
    surroundings = Environment(
        loader=FileSystemLoader(TEMPLATE.parent), undefined=StrictUndefined, keep_trailing_newline=True
    )
    return surroundings.get_template(TEMPLATE.name).render(metrics=_entries)


def _entries(module: str, step: str | None = None, only: str = "", without: str | None = None) -> str:
    """The metrics that a module declares, one entry each.

    Args:
        module: its name.
        step: only those of this step.
        only: only those whose names begin so.
        without: all but those whose names begin so.
    """
    found = declared(importlib.import_module(module))
    kept = (metric for metric in found if step in (None, metric.step) and metric.startswith(only))
    return "\n".join(_entry(metric) for metric in kept if without is None or not metric.startswith(without))


def _entry(metric: Metric) -> str:
    return textwrap.fill(metric.entry(), WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
