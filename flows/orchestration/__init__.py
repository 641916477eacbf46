"""The Prefect side of the flows: server, concurrency limit, pauses, names of runs."""
