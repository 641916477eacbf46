from feedback.probes import user_prompt
from feedback.rule_probes import RuleProbes
from feedback.rules.readable import Readable

PROMPT = user_prompt("How are you?")
ANSWER = "You ask kindly, and I am well today."


def test_the_utility_is_that_of_the_rule_and_there_are_no_traps() -> None:
    probes = RuleProbes(Readable())
    assert probes.utility(PROMPT, ANSWER) == Readable().utility(PROMPT, ANSWER) > 0
    assert probes.degrees(PROMPT, ANSWER) == Readable().degrees(PROMPT, ANSWER)
    assert (probes.traps(3), probes.red_team_prompts(3), probes.harmful(ANSWER)) == ([], [], False)
