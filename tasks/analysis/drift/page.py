"""One page of the full drift report, drawn by Evidently: drift and distribution of every column (extra `reports`).

Evidently applies its own limits, one column at a time: with up to 1,000 rows a p-value below .05, with more a distance
above .1. Its results are for inspection only; alarms come from the step `drift`.
"""

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import NotInstalled
from core.files import write_text
from tasks.analysis.drift.sections import Rows, Section
from tasks.pages.html import without_tags


class DriftPage(NamedTuple):
    """A page, and a summary of what it shows."""

    name: str
    path: Path
    before: int
    now: int
    columns: int
    drifted: int
    """Number of columns that drifted by Evidently's limits."""


def available() -> None:
    """Check that Evidently can be imported, before any data is read.

    Raises:
        NotInstalled: it is not installed, or cannot be imported with the other installed packages.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            for name in ("evidently", "evidently.presets"):
                import_module(name)
    except ImportError as error:
        raise NotInstalled(
            f"the full drift report needs Evidently, which cannot be imported ({error}); run `make reports` to install "
            "the extra `reports`. The step `drift` and its page do not need it."
        ) from error


def draw(section: Section, path: Path) -> DriftPage:
    """Write the page. Columns without any value on one side are left out."""
    with warnings.catch_warnings(action="ignore"):  # Evidently's own, one for each constant column
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset, DataSummaryPreset

        section = _observed(section)
        definition = DataDefinition(
            text_columns=[*section.texts],
            numerical_columns=[*section.numbers],
            categorical_columns=[*section.categories],
        )
        before, now = (Dataset.from_pandas(_frame(section, rows), definition) for rows in (section.before, section.now))
        report = Report([DataDriftPreset(), DataSummaryPreset()]).run(now, before)
        write_text(path, report.get_html_str(as_iframe=False))
        drifted = _drifted(report.dict()["metrics"])
    return DriftPage(section.name, path, len(section.before), len(section.now), len(_columns(section)), drifted)


def _columns(section: Section) -> tuple[str, ...]:
    return section.texts + section.numbers + section.categories


def _observed(section: Section) -> Section:
    def observed(columns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in columns if _has(section.before, name) and _has(section.now, name))

    return section._replace(
        texts=observed(section.texts), numbers=observed(section.numbers), categories=observed(section.categories)
    )


def _has(rows: Rows, name: str) -> bool:
    return any(row[name] is not None for row in rows)


def _frame(section: Section, rows: Rows) -> Any:
    from pandas import DataFrame

    frame = DataFrame([{name: _safe(row[name]) for name in _columns(section)} for row in rows])
    return frame.astype(dict.fromkeys(section.numbers, "float64"))


def _safe(value: Any) -> Any:
    return without_tags(value) if isinstance(value, str) else value


def _drifted(metrics: Any) -> int:
    [value] = (metric["value"] for metric in metrics if metric["metric_name"].startswith("DriftedColumnsCount"))
    return int(value["count"])
