import math
from pathlib import Path

from tasks.state import metric_points
from tasks.state.metric_points import ReportedMetrics


def values(points: list[metric_points.MetricPoint]) -> list[tuple[str, float, int]]:
    return [(point.name, point.value, point.step) for point in points]


def opened(folder: Path) -> ReportedMetrics:
    lines = ReportedMetrics(folder, "policy")
    lines.open()
    return lines


def test_a_value_is_reported_once(tmp_path: Path) -> None:
    first = opened(tmp_path)
    for step in range(3):
        first.add({"policy/kl": 0.1 * step}, step, 4)
    again = opened(tmp_path)
    again.add({"policy/kl": 7.0, "policy/late": 1.0}, 2, 4)  # killed at iteration 3, continues from 2
    again.add({"policy/kl": 0.3}, 3, 4)
    expected = [("policy/kl", 0.0, 0), ("policy/kl", 0.1, 1), ("policy/kl", 0.2, 2)]
    expected += [("policy/late", 1.0, 2), ("policy/kl", 0.3, 3)]
    assert values(again.unsent) == values(ReportedMetrics(tmp_path, "policy").unsent) == expected


def test_sent_points_are_recorded(tmp_path: Path) -> None:
    lines = opened(tmp_path)
    lines.add({"policy/kl": 0.1, "policy/loss": 0.2}, 0, None)
    lines.sent(1)
    assert values(ReportedMetrics(tmp_path, "policy").unsent) == [("policy/loss", 0.2, 0)]
    lines.close()
    assert ReportedMetrics(tmp_path, "policy").closed
    assert not opened(tmp_path).closed  # the step has begun again


def test_a_point_read_from_disk_is_the_point_that_was_sent(tmp_path: Path) -> None:
    lines = opened(tmp_path)
    lines.add({"policy/kl": 1 / 3}, 0, None)
    assert ReportedMetrics(tmp_path, "policy").unsent == lines.unsent
    lines.add({"policy/score": math.inf}, 1, None)
    assert [math.isnan(point.value) for point in lines.unsent] == [False, True]
    assert [math.isnan(point.value) for point in ReportedMetrics(tmp_path, "policy").unsent] == [False, True]


def test_a_half_written_line_is_dropped(tmp_path: Path) -> None:
    lines = opened(tmp_path)
    lines.add({"policy/kl": 0.5}, 0, None)
    with lines.file.open("a") as torn:
        torn.write('{"at": "2026-')
    again = opened(tmp_path)
    again.add({"policy/kl": 0.6}, 1, None)
    assert values(ReportedMetrics(tmp_path, "policy").unsent) == [("policy/kl", 0.5, 0), ("policy/kl", 0.6, 1)]


def test_the_folder_belongs_to_one_round(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    metric_points.begin(folder, "one")
    opened(folder).add({"policy/kl": 0.5}, 0, None)
    metric_points.begin(folder, "one")
    assert metric_points.steps(folder) == ["policy"]
    metric_points.begin(folder, "two")
    assert metric_points.steps(folder) == []
