"""docs/metrics.md: a template filled with the metrics that the modules named in it declare."""

import importlib
import textwrap
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from core.metrics import Metric, declared

TEMPLATE = Path(__file__).with_name("metrics.md.jinja")

WIDTH = 120


def metrics_page() -> str:
    """The page, as Markdown."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent), undefined=StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template(TEMPLATE.name).render(metrics=_entries)


def _entries(module: str, step: str | None = None, only: str = "", without: str | None = None) -> str:
    """The metrics that a module declares, one entry per metric.

    Args:
        module: the dotted name of the module.
        step: only metrics of this step.
        only: only metrics whose names begin with this.
        without: no metrics whose names begin with this.
    """
    metrics = declared(importlib.import_module(module))
    selected = (metric for metric in metrics if step in (None, metric.step) and metric.startswith(only))
    return "\n".join(_entry(metric) for metric in selected if without is None or not metric.startswith(without))


def _entry(metric: Metric) -> str:
    return textwrap.fill(metric.entry(), WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
