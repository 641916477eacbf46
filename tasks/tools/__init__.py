"""The only doors to DVC, MLflow runs and Prefect events."""
