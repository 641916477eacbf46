from feedback.faults import Faults
from feedback.schema import RejectedRecord


def rejected(where: str, reason: str) -> RejectedRecord:
    return RejectedRecord(source="votes", where=where, reason=reason, record="{}")


def test_faults_are_counted_by_kind_with_the_first_of_each() -> None:
    faults = Faults()
    for line in range(1, 4):
        faults.add(rejected(f"a:{line}", f"judgements[{line}].ranks has {line} values, expected 2"))
    faults.add(rejected("a:9", "chosen is empty, expected text"))
    assert faults.total == 4
    assert faults.lines() == [
        "3 × a:1: judgements[1].ranks has 1 values, expected 2",
        "1 × a:9: chosen is empty, expected text",
    ]
