"""What several commands print: the summary of a round, progress, names of people."""
