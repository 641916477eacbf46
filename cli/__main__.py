"""The command line: `rounds COMMAND`. Every module of `cli/` is imported, and registers its command on the app."""

import io
import os
import sys
from importlib import import_module
from pkgutil import iter_modules

import cli
from cli.app import app
from cli.display.console import console
from core.errors import RoundsError
from core.proxies import exempt_loopback

__all__ = ["app", "main"]

for _found in iter_modules(cli.__path__):
    if not (_found.ispkg or _found.name.startswith("_")):
        import_module(f"cli.{_found.name}")


def main() -> None:
    """Run the command line; an error with a cure is printed without a traceback."""
    os.environ.setdefault("DO_NOT_TRACK", "true")  # Prefect, MLflow and the Hugging Face hub heed it
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that is not UTF-8 shows `?` where it lacks a character
    exempt_loopback()
    try:
        app(prog_name="rounds")
    except RoundsError as error:
        console(stderr=True).print(f"{type(error).__name__}: {error}", style="red", soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
