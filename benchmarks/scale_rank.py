"""The program of the ranks that benchmarks/scale.py starts."""

import sys

from benchmarks.scale import rank
from models.launcher import run_rank

if __name__ == "__main__":
    run_rank(lambda: rank(sys.argv[1:]))
