"""How threads of the libraries that compute wait for each other; imported before any of them is loaded."""

import os

PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000"}
"""A waiting thread spins some 10,000 times, and then sleeps (benchmarks/results/threads.md).

By default it spins for much longer, so that on a busy machine two threads are slower than one. Without any spinning,
products of small matrices take 1.2 to 1.5 times as long on a quiet machine; on a busy one they take half as long, and
those of large matrices the same.
"""


def wait_passively() -> None:
    """Let the threads of OpenMP sleep while they wait, unless the environment says otherwise.

    OpenMP reads its variables once, when it is loaded: with torch or scikit-learn.
    """
    for name, value in PASSIVE.items():
        os.environ.setdefault(name, value)
