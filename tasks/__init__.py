"""The edges: read → compute → write, one file a step; and the only doors to Prefect events, MLflow and DVC."""
