"""The only modules that call DVC, MLflow's tracking API and Prefect's events API."""
