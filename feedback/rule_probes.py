"""What is known about a source whose votes follow a rule: the utility of every answer, and its components."""

from feedback.probes import RedTeamPrompt, Trap
from feedback.rules import Rule
from feedback.schema import Prompt


class RuleProbes:
    """The utility of a rule. A rule has no traps and no red-team prompts of its own."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def traps(self, count: int) -> list[Trap]:
        """None."""
        return []

    def red_team_prompts(self, count: int) -> list[RedTeamPrompt]:
        """None."""
        return []

    def utility(self, prompt: Prompt, answer: str) -> float:
        """The rule's utility of an answer; a rule judges answers to any prompt."""
        return self._rule.utility(prompt, answer)

    def degrees(self, prompt: Prompt, answer: str) -> dict[str, float]:
        """Component of the rule → its degree in an answer, from 0 to 1."""
        return self._rule.degrees(prompt, answer)

    def harmful(self, answer: str) -> bool:
        """False: a rule has no red-team prompts whose answers could be harmful."""
        return False
