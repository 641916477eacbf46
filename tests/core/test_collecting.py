import gc

import pytest

from core import collecting


@collecting.paused()
def state_inside(error: Exception | None = None) -> list[bool]:
    """Whether the collector is on in the block, in a block within, and after that one."""
    states = [gc.isenabled()]
    with collecting.paused():
        states.append(gc.isenabled())
    states.append(gc.isenabled())
    if error:
        raise error
    return states


def test_the_collector_is_paused_to_the_end_of_the_outer_block() -> None:
    assert state_inside() == [False, False, False]
    assert gc.isenabled()


def test_it_goes_on_after_an_error() -> None:
    with pytest.raises(ValueError, match="stop"):
        state_inside(ValueError("stop"))
    assert gc.isenabled()
