"""The cyclic garbage collector of Python, while very many objects are made."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Pause the collector: for blocks that make many objects, none of them in cycles.

    It would look at all of them again and again, which takes a third of the time, and free none. Objects without cycles
    are freed as always.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
