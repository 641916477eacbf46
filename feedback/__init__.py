"""Feedback as data: schema, sources, checks, preferences, splits. Plain Python and Arrow, no torch."""
