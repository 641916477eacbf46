"""When, and in which order: Prefect flows, and what they need of Prefect."""
