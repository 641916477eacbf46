"""A section of the full report as a page by Evidently: drift and distribution of every column (extra `reports`).

Evidently has limits of its own (up to 1,000 rows a p-value below .05, above that a distance of .1), one column at a
time: its findings are to be looked at. Alarms are those of the step `drift`.
"""

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import NotInstalled
from core.files import write_text
from tasks.analysis.drift.sections import Rows, Section


class DriftPage(NamedTuple):
    """What a page shows."""

    name: str
    path: Path
    before: int
    now: int
    columns: int
    drifted: int
    """Columns that have drifted, as Evidently sees it."""


def available() -> None:
    """Find out whether Evidently is there, before anything is read.

    Raises:
        NotInstalled: it is missing, or cannot be imported beside what else is installed.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            for name in ("evidently", "evidently.presets"):
                import_module(name)
    except ImportError as missing:
        raise NotInstalled(
            f"the full report is drawn by Evidently, which cannot be imported ({missing}); `make reports` installs the "
            "extra `reports`. The step `drift` and its page need nothing of it."
        ) from missing


def draw(section: Section, path: Path) -> DriftPage:
    """Write the page. Columns of which either side knows no value are left out."""
    with warnings.catch_warnings(action="ignore"):  # of Evidently's own making, some of them over each constant column
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset, DataSummaryPreset

        section = _known(section)
        told = DataDefinition(
            text_columns=[*section.texts],
            numerical_columns=[*section.numbers],
            categorical_columns=[*section.categories],
        )
        before, now = (Dataset.from_pandas(_frame(section, rows), told) for rows in (section.before, section.now))
        found = Report([DataDriftPreset(), DataSummaryPreset()]).run(now, before)
        write_text(path, found.get_html_str(as_iframe=False))
        drifted = _drifted(found.dict()["metrics"])
    return DriftPage(section.name, path, len(section.before), len(section.now), len(_columns(section)), drifted)


def _columns(section: Section) -> tuple[str, ...]:
    return section.texts + section.numbers + section.categories


def _known(section: Section) -> Section:
    def known(columns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in columns if _has(section.before, name) and _has(section.now, name))

    return section._replace(
        texts=known(section.texts), numbers=known(section.numbers), categories=known(section.categories)
    )


def _has(rows: Rows, name: str) -> bool:
    return any(row[name] is not None for row in rows)


def _frame(section: Section, rows: Rows) -> Any:
    from pandas import DataFrame

    frame = DataFrame([{name: row[name] for name in _columns(section)} for row in rows])
    return frame.astype(dict.fromkeys(section.numbers, "float64"))


def _drifted(metrics: Any) -> int:
    [found] = (metric["value"] for metric in metrics if metric["metric_name"].startswith("DriftedColumnsCount"))
    return int(found["count"])
