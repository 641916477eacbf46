"""Entry point of `rounds`. It imports every module of `cli/`, and each registers its command on the app."""

import io
import os
import sys
from importlib import import_module
from pkgutil import iter_modules

import cli
from cli.app import app
from cli.display.console import console
from core.caches import provide_matplotlib_folder
from core.errors import RoundsError
from core.proxies import exempt_loopback

__all__ = ["app", "main"]

for _module in iter_modules(cli.__path__):
    if not (_module.ispkg or _module.name.startswith("_")):
        import_module(f"cli.{_module.name}")


def main() -> None:
    """Run the command line; a `RoundsError` is printed without a traceback."""
    os.environ.setdefault("DO_NOT_TRACK", "true")  # read by Prefect, MLflow and the Hugging Face hub
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that is not UTF-8 prints `?` for unknown characters
    exempt_loopback()
    provide_matplotlib_folder()
    try:
        app(prog_name="rounds")
    except RoundsError as error:
        console(stderr=True).print(f"{type(error).__name__}: {error}", style="red", soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
