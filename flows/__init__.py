"""Prefect flows: the order of the steps, and when they run."""

import warnings

# Prefect warns while it is imported; `orchestration.server` names the folder with its cure
warnings.filterwarnings("ignore", message="Failed to create the Prefect home")
