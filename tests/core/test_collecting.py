import gc

import pytest

from core import collecting


def test_the_collector_is_paused_and_goes_on_also_after_an_error() -> None:
    assert gc.isenabled()
    with pytest.raises(ValueError, match="stop"), collecting.paused():
        assert not gc.isenabled()
        with collecting.paused():
            pass
        assert not gc.isenabled(), "the outer block goes on"
        raise ValueError("stop")
    assert gc.isenabled()
