"""Prefect flows: the order of the steps, and when they run."""
