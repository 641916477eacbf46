"""Entry point of `rounds`. It imports every module of `cli/`, and each registers its command on the app."""

import sys
from pathlib import Path

from core import interrupts

if Path(sys.argv[0]) == Path(__file__) or Path(sys.argv[0]).name == "rounds":  # not where a test imports this module
    interrupts.end_in_time()

import io
import os
from importlib import import_module
from pkgutil import iter_modules
from typing import NoReturn

from typer import Abort, TyperException

import cli
from cli.app import app
from cli.display import commands
from cli.display.console import console
from core import outages
from core.caches import provide_matplotlib_folder
from core.errors import RoundsError
from core.process import prepare

__all__ = ["app", "main"]

for _module in iter_modules(cli.__path__):
    if not (_module.ispkg or _module.name.startswith("_")):
        import_module(f"cli.{_module.name}")


def main() -> None:
    """Run the command line; a `RoundsError` is printed without a traceback, a wrong option with the usage."""
    os.environ.setdefault("DO_NOT_TRACK", "true")  # read by Prefect, MLflow and the Hugging Face hub
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that is not UTF-8 prints `?` for unknown characters
    prepare(commands.CompletedRecord)
    provide_matplotlib_folder()
    commands.forget()
    try:
        status = app(prog_name="rounds", standalone_mode=False)
    except KeyboardInterrupt:  # before or after the command itself
        sys.exit(interrupts.STATUS)
    except RoundsError as error:
        _fail(error)
    except TyperException as error:
        _print_usage(error)
        sys.exit(error.exit_code)
    except Abort:  # Ctrl-C within the command
        console(stderr=True).print("Aborted.")
        sys.exit(interrupts.STATUS)
    except Exception as error:
        if interrupts.interrupted():  # a library raised an error of its own when the interrupt arrived
            sys.exit(interrupts.STATUS)
        known = _of_mlflow(error) or outages.explained(error)
        if known is None:
            raise  # a bug, or an error without a known cure
        _fail(known)
    sys.exit(status if isinstance(status, int) else 0)


def _print_usage(error: TyperException) -> None:
    """A wrong command line as text: typer would print what was typed as it is."""
    out, context = console(stderr=True), getattr(error, "ctx", None)
    if not error.format_message():  # no arguments: typer has printed the help
        return
    if context is not None:
        out.print(context.get_usage(), soft_wrap=True)
        out.print(f"Try '{context.command_path} --help' for help.", soft_wrap=True)
    out.print(f"Error: {error.format_message()}", style="red", soft_wrap=True)


def _fail(error: RoundsError) -> NoReturn:
    console(stderr=True).print(commands.completed(f"{type(error).__name__}: {error}"), style="red", soft_wrap=True)
    sys.exit(2)


def _of_mlflow(error: Exception) -> RoundsError | None:
    """The error as one of this project if MLflow or its database raised it; MLflow is not imported for that."""
    if not {"mlflow.exceptions", "sqlite3"} & sys.modules.keys():
        return None
    from tasks.state.choosing import current_or_planned
    from tasks.tools import tracking

    try:
        root = current_or_planned(commands.workspace()).root
    except RoundsError:
        return None
    return tracking.explained(error, root)


if __name__ == "__main__":
    main()
