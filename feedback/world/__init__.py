"""The demo world: the help desk of a shop, with a small set of sentences and a known utility function.

`catalogue` has all sentences, `requests` the customers' questions, `answers` the utility of an answer,
`demonstrations` the demonstrations of round 0, `traps` and `red_team` the probes. All randomness comes from the seed
or the random number generator that is passed in.
"""

from feedback.world.answers import CRITERIA, AnswerParts, criteria, harmful, parts, utility
from feedback.world.demonstrations import best, demonstrate
from feedback.world.red_team import red_team_prompts
from feedback.world.requests import CustomerRequest, flags, parse, prompts, render
from feedback.world.traps import traps

__all__ = [
    "CRITERIA",
    "AnswerParts",
    "CustomerRequest",
    "best",
    "criteria",
    "demonstrate",
    "flags",
    "harmful",
    "parse",
    "parts",
    "prompts",
    "red_team_prompts",
    "render",
    "traps",
    "utility",
]
