"""Watching between rounds: guards on live feedback, with automatic rollback, and drift of feedback that waits."""
