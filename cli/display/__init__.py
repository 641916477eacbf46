"""Output shared by several commands: the summary of a round, progress, generated pages."""
