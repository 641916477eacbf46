"""Evaluation: metrics, statistical tests, gates and guards. Depends on no workspace and no tool."""
