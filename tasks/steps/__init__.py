"""The steps of a round, one file per step: read, compute, write."""
