"""Benchmarks: each script prints a table, names its baseline, and writes its results to results/."""
