"""A program that runs small services for a workspace, as `rounds up` runs the real ones.

    python -m tests.tasks.services.host WORKSPACE FOLDER SERVICES

SERVICES is a JSON list of objects: name, port and manner of each.
"""

import json
import sys
from pathlib import Path

from core.errors import RoundsError
from tasks.services import session
from tasks.state.workspace import Workspace
from tests.tasks.services.small import service


def main(root: str, folder: str, described: str) -> None:
    """Run them until they are to be ended."""
    services = [service(Path(folder), **settings) for settings in json.loads(described)]
    host = session.Host(
        services=services,
        exports={"ROUNDS_WORKSPACE": root},
        postgresql=False,
        prepare=lambda: print("prepared", flush=True),
        answers=lambda service: print(f"{service.name} answers", flush=True),
        ready=lambda problems: print(*problems.values(), "ready", sep="\n", flush=True),
    )
    try:
        session.run(Workspace(Path(root)), host)
    except RoundsError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        sys.exit(2)
    print("ended", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
