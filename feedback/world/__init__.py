"""The demo world: the help-desk of a shop, small enough to be read whole, with a utility that is known.

`catalogue` holds every sentence there is, `requests` what customers ask, `answers` what an answer is worth,
`demonstrations` the answers to start from; `traps` and `attacks` are what models are tried with. Nothing here is random
beyond the seed that is passed in.
"""

from feedback.world.answers import CRITERIA, AnswerParts, criteria, harmful, parts, utility
from feedback.world.attacks import attacks
from feedback.world.demonstrations import best, demonstrate
from feedback.world.requests import CustomerRequest, flags, parse, prompts, render
from feedback.world.traps import traps

__all__ = [
    "CRITERIA",
    "AnswerParts",
    "CustomerRequest",
    "attacks",
    "best",
    "criteria",
    "demonstrate",
    "flags",
    "harmful",
    "parse",
    "parts",
    "prompts",
    "render",
    "traps",
    "utility",
]
