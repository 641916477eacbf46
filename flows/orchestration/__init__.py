"""What the flows need from Prefect: a server, limits, pauses, names of runs."""
