"""What people said, as data: schema, sources, quality, preferences. Plain Python and Arrow, no torch."""
