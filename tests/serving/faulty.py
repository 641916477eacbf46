"""A feedback database that fails."""

from feedback.store.database import Database
from serving.storage import Storage
from tasks.state.workspace import Workspace


class Faulty(Storage):
    """A database at which every look fails with the next error, and then none."""

    def __init__(self, workspace: Workspace, *errors: Exception) -> None:
        super().__init__(workspace)
        self.errors = list(errors)

    def database(self) -> Database:
        if self.errors:
            raise self.errors.pop(0)
        return super().database()
