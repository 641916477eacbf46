"""The figures of the measurement of large amounts, computed by hand; nothing is measured here."""

import json
from itertools import islice
from pathlib import Path

from benchmarks.feedback import Measured, reached, records, table, written, written_to_size

RUNS = {
    "import": [
        [Measured(8, 200_000_000, 10), Measured(10, 200_000_000, 10)],
        [Measured(4, 20_000_000, 10), Measured(4, 20_000_000, 10)],
    ],
    "curate": [
        [Measured(9, 300_000_000, 10), Measured(9, 300_000_000, 10)],
        [Measured(2, 150_000_000, 10), Measured(4, 150_000_000, 10)],
    ],
}


def test_ratios_are_those_of_medians_with_the_range_of_the_pairs() -> None:
    lines = table(RUNS).splitlines()
    assert "| import | 9.0 | 4.0 | 0.44 (0.40 to 0.50) | 200 | 20 | 0.10 (0.10 to 0.10) |" in lines
    assert "| whole | 18.0 | 7.0 | 0.39 (0.35 to 0.42) | 300 | 150 | 0.50 (0.50 to 0.50) |" in lines
    assert "| curate | 9.0 | 3.0 | 0.33 (0.22 to 0.44) | 300 | 150 | 0.50 (0.50 to 0.50) |" in lines


def test_stages_are_divided_by_whether_they_need_a_third() -> None:
    assert reached(RUNS).splitlines() == [
        "At most a third of the CPU time: curate; more: import, whole.",
        "At most a third of the memory: import; more: curate, whole.",
    ]


def test_the_records_are_always_the_same_preferences(tmp_path: Path) -> None:
    first = [json.loads(line) for line in islice(records(), 50)]
    assert first == [json.loads(line) for line in written(tmp_path / "a.jsonl", 50).read_bytes().splitlines()]
    assert len({record["prompt"] for record in first}) == 46, "every tenth prompt is judged twice"
    assert 5_000 <= written_to_size(tmp_path / "b.jsonl", 5_000).stat().st_size < 6_000
