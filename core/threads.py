"""How threads of the libraries that compute wait for each other; imported before any of them is loaded."""

import os

PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
"""Waiting threads sleep. By default they spin, so that on a busy machine two threads are slower than one."""


def wait_passively() -> None:
    """Let the threads of OpenMP sleep while they wait, unless the environment says otherwise.

    OpenMP reads its variables once, when it is loaded: with torch or scikit-learn.
    """
    for name, value in PASSIVE.items():
        os.environ.setdefault(name, value)
