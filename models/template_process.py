"""Renders chat templates in a process of its own, with limits of CPU time, memory and output (`models.rendering`).

A template is a program from outside. The sandbox of Jinja keeps it from files and Python objects, but not from endless
loops and texts of any length. Each request and each answer is one line of JSON. The process imports none of our code.
"""

import json
import math
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEMORY = 1 << 29
"""Bytes of memory beyond what the imports need."""
LONGEST = 64_000_000
"""Characters of all rendered texts of a request."""

Render = Callable[..., tuple[list[str], Any]]


def main() -> None:
    """Answer requests until the input ends."""
    from transformers.utils.chat_template_utils import render_jinja_template

    _limit(resource.RLIMIT_AS, _used_memory() + MEMORY)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    for line in sys.stdin.buffer:
        answer = _answer(json.loads(line), render_jinja_template)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _answer(request: dict[str, Any], render: Render) -> dict[str, Any]:
    """`{texts}`, or `{error, reason}` with the names of the error's classes."""
    _limit_cpu(request.pop("seconds"))
    try:
        texts, _ = render(**request)
    except Exception as error:  # whatever a template does wrong
        return {"error": [each.__name__ for each in type(error).__mro__], "reason": str(error)[:500]}
    if (length := sum(map(len, texts))) > LONGEST:
        return {"error": ["TooLong"], "reason": f"it writes {length:,} characters, expected at most {LONGEST:,}"}
    return {"texts": texts}


def _limit_cpu(seconds: float) -> None:
    """The system ends the process when it has computed for so long from now on, whatever it is doing."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = math.ceil(used.ru_utime + used.ru_stime + seconds)
    _limit(resource.RLIMIT_CPU, until)


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _used_memory() -> int:
    """Bytes of the address space; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


if __name__ == "__main__":
    main()
