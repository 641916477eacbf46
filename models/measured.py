"""Metrics of training and sampling: the steps `sft`, `reward`, `policy` and `sample`.

Some are measured in the steps `reward` and `sample`. They are declared here, because gates read them and must not
import steps.
"""

from core.metrics import Metric

SFT_LOSS = Metric(
    "loss",
    "sft",
    "nats per token",
    "down",
    "Mean negative log-probability per token of the demonstrated answers, weighted by row; the final value is the "
    "mean over the last epoch. Worry when it rises within a run: the learning rate is too high.",
)
SFT_GRAD_NORM = Metric(
    "grad_norm",
    "sft",
    "norm",
    "none",
    "L2 norm of the gradient before clipping. Worry when it grows over the run.",
)
SFT_EXAMPLES = Metric(
    "examples",
    "sft",
    "rows",
    "up",
    "Demonstrations trained on.",
)
SFT_CUT_PROMPTS = Metric(
    "cut_prompts",
    "sft",
    "share",
    "down",
    "Share of the demonstrations whose prompt is longer than `model.max_prompt_tokens`: they lose their beginning. The "
    "gate `data_quality` holds above .5.",
)
SFT_CUT_ANSWERS = Metric(
    "cut_answers",
    "sft",
    "share",
    "down",
    "Share of the demonstrated answers that are longer than `model.max_answer_tokens`: they lose their end, and the "
    "model does not learn to end them. The gate `data_quality` holds above .5.",
)
REWARD_LOSS = Metric(
    "loss",
    "reward",
    "nats",
    "down",
    "Weighted mean of -[p log σ(d) + (1 - p) log σ(-d)], where d is the score of the chosen answer minus that of "
    "the rejected one (and minus the margin of `reward.strength`), and p the share of votes for the chosen answer "
    "(Bradley and Terry 1952; Ouyang et al. 2022, eq. 1, for p = 1). "
    ".69 (log 2) is chance level. Worry when it falls to nearly 0: the model overfits.",
)
REWARD_ACCURACY = Metric(
    "accuracy",
    "reward",
    "share",
    "up",
    "Share of the batch's non-tied training pairs for which the score prefers the same answer as the votes. "
    "Held-out accuracy is `evaluate/reward_accuracy`; worry when the two are far apart.",
)
REWARD_MARGIN = Metric(
    "margin",
    "reward",
    "log-odds",
    "none",
    "Mean score of the chosen answer minus that of the rejected one, over the batch.",
)
REWARD_GRAD_NORM = Metric(
    "grad_norm",
    "reward",
    "norm",
    "none",
    "L2 norm of the gradient before clipping.",
)
REWARD_PAIRS = Metric(
    "pairs",
    "reward",
    "pairs",
    "up",
    "Pairs that the reward model was trained on.",
)
REWARD_JUDGE_PAIRS = Metric(
    "judge_pairs",
    "reward",
    "pairs",
    "up",
    "Pairs that the judge model was trained on.",
)
REWARD_TRUNCATED = Metric(
    "truncated",
    "reward",
    "prompts",
    "down",
    "Prompts truncated on the left to `model.max_prompt_tokens`.",
)
REWARD_CUT_PROMPTS = Metric(
    "cut_prompts",
    "reward",
    "share",
    "down",
    "Share of the distinct prompts of the training pairs (`train` and `judge`) that are longer than "
    "`model.max_prompt_tokens`: they lose their beginning. The gate `data_quality` holds above .5.",
)
REWARD_CUT_ANSWERS = Metric(
    "cut_answers",
    "reward",
    "share",
    "down",
    "Share of the distinct answers in these pairs that are longer than `model.max_answer_tokens`: they lose their end. "
    "The gate `data_quality` holds above .5.",
)
REWARD_EQUAL_AFTER_CUT = Metric(
    "equal_after_cut",
    "reward",
    "share",
    "0",
    "Share of these pairs whose two answers are equal after the cut. They are left out of training. The gate "
    "`data_quality` holds above .05, and the round stops above `reward.max_equal_after_cut`.",
)
REWARD_TEMPERATURE = Metric(
    "temperature",
    "reward",
    "none",
    "near 1",
    "Temperature that margins are divided by before σ, fitted on the judge's pairs (Guo et al. 2017). Worry far "
    "above 1: the reward model is overconfident.",
)
REWARD_SURPRISE = Metric(
    "surprise",
    "reward",
    "nats per token",
    "down",
    "Mean negative log-probability per token of the pairs' answers under the SFT model: the baseline H of the "
    "likelihood term in the score (`reward.likelihood`). 0 if `reward.likelihood` is 0.",
)
REWARD_START_CORRELATION = Metric(
    "start_correlation",
    "reward",
    "-1 to 1",
    "none",
    "Correlation of the margins of reward model and judge before training, over the judge's pairs: what both take from "
    "the likelihood term (`reward.likelihood`), though they are trained on disjoint pairs. Absent without that term.",
)
REWARD_ANNOTATORS = Metric(
    "annotators",
    "reward",
    "annotators",
    "none",
    "Annotators whose votes were compared with the model that was not trained on the same pairs; those with few "
    "votes are pooled and count as one. 0 if there are fewer than two to compare. `data/reports/reward.json` lists "
    "each of them, over all votes and over those of the newest round; the gate `annotators` reads it.",
)
POLICY_CUT_PROMPTS = Metric(
    "cut_prompts",
    "policy",
    "share",
    "down",
    "Share of the prompts that the policy is trained on that are longer than `model.max_prompt_tokens`: they lose "
    "their beginning. The gate `data_quality` holds above .5.",
)
POLICY_OBJECTIVE_SCORE = Metric(
    "objective/score",
    "policy",
    "standard deviations",
    "up",
    "Mean reward of the sampled answers, normalised to mean 0 and standard deviation 1 over the answers of the "
    "training pairs; `policy.unended_score` for an answer without EOS. Training maximises it, so it is no evidence "
    "of quality. Worry when it rises but the win rate in fresh votes does not: the policy exploits errors of the "
    "reward model.",
)
POLICY_OBJECTIVE_SCORE_STD = Metric(
    "objective/score_std",
    "policy",
    "standard deviations",
    "none",
    "Standard deviation of the scores in the batch. Worry near 0: all answers get the same score, so there is no "
    "training signal.",
)
POLICY_OBJECTIVE_KL = Metric(
    "objective/kl",
    "policy",
    "nats per answer",
    "near its budget",
    "log π(token) - log π_SFT(token), summed over each answer, averaged over answers: estimator k1 (Schulman "
    "2020). Compare with `policy.kl.target` and with the gate `kl_budget`. Worry when it keeps rising, or is well "
    "below 0 in more than a few iterations: the expected value of k1 is at least 0.",
)
POLICY_OBJECTIVE_KL_COEFFICIENT = Metric(
    "objective/kl_coefficient",
    "policy",
    "score per nat",
    "none",
    "KL penalty coefficient β, per token; constant unless `policy.kl.target` is set (Ziegler et al. 2019, section "
    "2.2). Worry when it changes by orders of magnitude: the target cannot be reached.",
)
POLICY_OBJECTIVE_KL_STOP = Metric(
    "objective/kl_stop",
    "policy",
    "flag",
    "absent",
    "1 in the iteration in which `policy.kl.limit` stopped training.",
    rare=True,
)
POLICY_OBJECTIVE_ENTROPY = Metric(
    "objective/entropy",
    "policy",
    "nats per token",
    "slowly down",
    "Mean negative log-probability of the sampled tokens, an unbiased estimate of the entropy. Worry when it falls "
    "to 0: the policy has collapsed onto a few answers.",
)
POLICY_ANSWER_TOKENS = Metric(
    "answer/tokens",
    "policy",
    "tokens",
    "none",
    "Mean length of the sampled answers, including EOS. Worry when it changes strongly in either direction: length "
    "is the easiest feature to exploit.",
)
POLICY_ANSWER_SAMPLED = Metric(
    "answer/sampled",
    "policy",
    "tokens",
    "down",
    "Tokens sampled in all iterations so far.",
)
POLICY_ANSWER_ENDED = Metric(
    "answer/ended",
    "policy",
    "share",
    "near 1",
    "Share of answers that end with EOS. Worry below .9: the others are cut off at `model.max_answer_tokens`.",
)
POLICY_LOSS = Metric(
    "loss",
    "policy",
    "none",
    "none",
    "Clipped surrogate loss (Schulman et al. 2017, eq. 7) with a dual clip (Ye et al. 2020), mean over tokens. "
    "Close to 0 by construction; its size means little.",
)
POLICY_APPROX_KL = Metric(
    "approx_kl",
    "policy",
    "nats per token",
    "small",
    "KL of the updated policy from the policy that sampled the answers, estimator k3 (Schulman 2020). Worry above "
    ".05: lower the learning rate or the number of epochs.",
)
POLICY_CLIP_FRACTION = Metric(
    "clip_fraction",
    "policy",
    "share",
    "small",
    "Share of tokens whose probability ratio was clipped, so that their gradient is 0. Worry above .3: lower the "
    "learning rate or the number of epochs. At exactly 0 clipping has no effect, and the updates may be too small.",
)
POLICY_GRAD_NORM = Metric(
    "grad_norm",
    "policy",
    "norm",
    "none",
    "L2 norm of the policy's gradient before clipping. Worry when it is always above `policy.gradient_clip`.",
)
POLICY_ROLLOUT_MISMATCH = Metric(
    "rollout_mismatch",
    "policy",
    "nats",
    "near 0",
    "Largest absolute difference between a log-probability recorded during sampling and the same one from a forward "
    "pass, over an eighth of the iteration's answers (4 to 16); in bfloat16 and TF32, and if a vLLM server samples, "
    "over all answers, and the policy is trained on those of the forward pass. In float32 the round stops above .001: "
    "PPO's ratios would compare two different computations. In bfloat16 single tokens differ by up to .6; see "
    "`policy/rollout_mismatch_mean`.",
)
POLICY_ROLLOUT_MISMATCH_MEAN = Metric(
    "rollout_mismatch_mean",
    "policy",
    "nats per token",
    "near 0",
    "Mean of the differences of `policy/rollout_mismatch`. The round stops above .1 in bfloat16, and above .0125 on a "
    "GPU in float32, which multiplies in TF32.",
)
POLICY_VALUE_LOSS = Metric(
    "value/loss",
    "policy",
    "score²",
    "down",
    "Half the squared error of the critic, clipped. Worry when it does not fall in the first iterations.",
)
POLICY_VALUE_GRAD_NORM = Metric(
    "value/grad_norm",
    "policy",
    "norm",
    "none",
    "L2 norm of the critic's gradient before clipping.",
)
POLICY_VALUE_EXPLAINED_VARIANCE = Metric(
    "value/explained_variance",
    "policy",
    "share",
    "towards 1",
    "1 - Var(return - value) / Var(return), before the update. Negative in the first iterations; worry when it "
    "stays negative: the critic is worse than a constant.",
)
POLICY_TIME_ROLLOUT = Metric(
    "time/rollout",
    "policy",
    "seconds",
    "down",
    "Sampling time per iteration.",
)
POLICY_TIME_SCORE = Metric(
    "time/score",
    "policy",
    "seconds",
    "down",
    "Time per iteration for computing rewards, reference log-probabilities and values.",
)
POLICY_TIME_TRAIN = Metric(
    "time/train",
    "policy",
    "seconds",
    "down",
    "Time per iteration for gradient steps.",
)
POLICY_TIME_TOKENS_PER_SECOND = Metric(
    "time/tokens_per_second",
    "policy",
    "tokens per second",
    "up",
    "Answer tokens, divided by the sum of these three times.",
)
SAMPLE_ANSWERS = Metric(
    "answers",
    "sample",
    "answers",
    "none",
    "Progress: answers sampled so far from the current model (first the candidate, then the champion).",
)
SAMPLE_PROMPTS = Metric(
    "prompts",
    "sample",
    "prompts",
    "up",
    "Held-out prompts that both models answered, at most `sample.prompts`.",
)
SAMPLE_CUT_PROMPTS = Metric(
    "cut_prompts",
    "sample",
    "share",
    "down",
    "Share of the held-out prompts that are longer than `model.max_prompt_tokens`: both models see only their end. The "
    "gate `data_quality` holds above .5.",
)
SAMPLE_TOKENS = Metric(
    "tokens",
    "sample",
    "tokens",
    "down",
    "Tokens in the answers of both models.",
)
