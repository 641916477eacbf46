import pytest

from models.strength import NO_STRENGTH, StrengthSettings, target

MARGIN = StrengthSettings(use_as="margin", scale=2.0)
SOFT = StrengthSettings(use_as="soft_label")


@pytest.mark.parametrize(
    ("knobs", "p", "strength", "expected"),
    [
        (NO_STRENGTH, 1.0, 0.5, (1.0, 3.0, 0.0)),
        (MARGIN, 1.0, 0.5, (1.0, 3.0, 1.0)),
        (MARGIN, 1.0, None, (1.0, 3.0, 0.0)),
        (MARGIN, 0.5, 0.5, (0.5, 3.0, 0.0)),  # a tie has no margin
        (SOFT, 1.0, 0.5, (0.75, 3.0, 0.0)),
        (SOFT, 0.75, 1.0, (0.75, 3.0, 0.0)),
        (SOFT, 1.0, None, (1.0, 3.0, 0.0)),
    ],
)
def test_target(
    knobs: StrengthSettings, p: float, strength: float | None, expected: tuple[float, float, float]
) -> None:
    assert target({"p_chosen": p, "weight": 3.0, "strength": strength}, knobs) == expected
