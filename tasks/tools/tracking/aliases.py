"""Aliases of registered models."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient as MlflowClient

CHAMPION = "champion"
"""The alias of the policy that is in use."""

MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's error codes for a missing version or alias."""


def aliased(store: "MlflowClient", model: str) -> str | None:
    """The version of a registered model that the alias `champion` points to; None if unset."""
    from mlflow.exceptions import MlflowException

    try:
        return str(store.get_model_version_by_alias(model, CHAMPION).version)
    except MlflowException as error:
        if error.error_code not in MISSING:
            raise
        return None
