"""Prompts that people asked the server, and that may be used: a file of them, for `collect`."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from core.errors import BadFeedback
from feedback.schema import FeedbackEvent, Message, Prompt, RejectedRecord
from feedback.sources import Intake, Source

_PROMPT = TypeAdapter(tuple[Message, ...])


class Asked(Source):
    """Prompts for which answers are collected; the source itself has no feedback."""

    path: Path
    """A file of JSON lines with `prompt`, as `rounds feedback asked` writes it."""

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """Nothing."""
        return iter(())

    def check(self) -> None:
        """Check that each line is a prompt.

        Raises:
            BadFeedback: there is no such file, or a line is none; names it.
        """
        self._prompts()

    def files(self) -> list[Path]:
        """The file.

        Raises:
            BadFeedback: there is no such file.
        """
        if not self.path.is_file():
            raise BadFeedback(f"{self.path}: no such file; set `path` of the source asked to one that exists")
        return [self.path]

    def prompts(self, count: int, seed: int) -> list[Prompt]:
        """Up to `count` of the prompts, drawn at random by `seed`."""
        pool = self._prompts()
        return random.Random(seed).sample(pool, min(count, len(pool)))

    def _prompts(self) -> list[Prompt]:
        [file] = self.files()
        lines = file.read_text(encoding="utf-8").splitlines()
        return [self._prompt(number, line) for number, line in enumerate(lines, start=1)]

    def _prompt(self, number: int, line: str) -> Prompt:
        try:
            prompt = _PROMPT.validate_python(json.loads(line)["prompt"])
        except (ValueError, KeyError, TypeError, ValidationError, RecursionError) as error:
            raise BadFeedback(
                f"{self.path}:{number} is no prompt; write the file again with `rounds feedback asked FILE`"
            ) from error
        return prompt
