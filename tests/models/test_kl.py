import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.kl import KLController, KLSettings


def test_without_a_target_the_coefficient_stays() -> None:
    controller = KLController(KLSettings(coefficient=0.3))
    controller.update(100.0, episodes=128)
    assert controller.coefficient == 0.3


def test_a_ten_percent_error_by_hand() -> None:
    controller = KLController(KLSettings(coefficient=1.0, target=10, horizon=1000))
    controller.update(11.0, episodes=100)  # 1 + .1 × 100 / 1000
    assert controller.coefficient == pytest.approx(1.01)


def test_a_large_error_counts_twenty_percent() -> None:
    controller = KLController(KLSettings(coefficient=1.0, target=1, horizon=1000))
    controller.update(50.0, episodes=100)
    assert controller.coefficient == pytest.approx(1.02)
    controller.update(-3.0, episodes=100)
    assert controller.coefficient == pytest.approx(1.02 * 0.98)


@given(st.lists(st.floats(-10, 100), max_size=30))
def test_the_coefficient_stays_positive_and_survives_a_checkpoint(measured: list[float]) -> None:
    knobs = KLSettings(target=6)
    controller, restored = KLController(knobs), KLController(knobs)
    for kl in measured:
        controller.update(kl, 128)
    restored.load_state_dict(controller.state_dict())
    assert restored.coefficient == controller.coefficient > 0


def test_the_limit_stops() -> None:
    assert KLController(KLSettings(limit=10)).stops(10.1)
    assert not KLController(KLSettings(limit=10)).stops(10.0)
    assert not KLController(KLSettings()).stops(1e9)
