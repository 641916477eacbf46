"""What training and sampling report: the metrics of the steps `sft`, `reward`, `policy` and `sample`.

The steps `reward` and `sample` measure some of it; the declarations are here because gates, which lie below the steps,
read them.
"""

from core.metrics import Metric

SFT_LOSS = Metric(
    "loss",
    "sft",
    "nats a token",
    "down",
    "Mean negative log-probability of the demonstrated answers' tokens, each weighted like its row; finally, "
    "the mean over the last epoch. Worry when it rises within a run: the learning rate is too high.",
)
SFT_GRAD_NORM = Metric(
    "grad_norm",
    "sft",
    "norm",
    "none",
    "Norm of the gradient before clipping. Worry when it grows over the run.",
)
SFT_EXAMPLES = Metric(
    "examples",
    "sft",
    "rows",
    "up",
    "Demonstrations it learned from.",
)
SFT_TRUNCATED = Metric(
    "truncated",
    "sft",
    "prompts",
    "down",
    "Prompts that lost their beginning to `model.max_prompt_tokens`.",
)
REWARD_LOSS = Metric(
    "loss",
    "reward",
    "nats",
    "down",
    "Weighted mean of -[p log σ(d) + (1 - p) log σ(-d)], d the score of chosen less rejected, p the share of "
    "the votes (Bradley and Terry 1952; Ouyang et al. 2022, eq. 1, for p = 1). log 2 = .69 is knowing "
    "nothing. Worry when it falls to nearly 0: the pairs are learned by heart.",
)
REWARD_ACCURACY = Metric(
    "accuracy",
    "reward",
    "share",
    "up",
    "Decided training pairs of the batch that the score orders as the votes do. Held-out accuracy is "
    "`evaluate/reward_accuracy`; worry when the two are far apart.",
)
REWARD_MARGIN = Metric(
    "margin",
    "reward",
    "log-odds",
    "none",
    "Mean score of chosen less rejected in the batch.",
)
REWARD_GRAD_NORM = Metric(
    "grad_norm",
    "reward",
    "norm",
    "none",
    "Norm of the gradient before clipping.",
)
REWARD_PAIRS = Metric(
    "pairs",
    "reward",
    "pairs",
    "up",
    "Pairs that the reward model learned from.",
)
REWARD_JUDGE_PAIRS = Metric(
    "judge_pairs",
    "reward",
    "pairs",
    "up",
    "Pairs that the judge model learned from.",
)
REWARD_TRUNCATED = Metric(
    "truncated",
    "reward",
    "prompts",
    "down",
    "Prompts that lost their beginning to `model.max_prompt_tokens`.",
)
REWARD_TEMPERATURE = Metric(
    "temperature",
    "reward",
    "none",
    "near 1",
    "What margins are divided by before σ, fitted on the judge's pairs (Guo et al. 2017). Worry far above 1: "
    "the reward model is much too sure of itself.",
)
REWARD_SURPRISE = Metric(
    "surprise",
    "reward",
    "nats a token",
    "down",
    "What a token of the pairs' answers surprises the SFT model by on average: the H from which likelihood "
    "counts in the score (`reward.likelihood`). 0 where that is 0.",
)
REWARD_ANNOTATORS = Metric(
    "annotators",
    "reward",
    "annotators",
    "none",
    "Annotators whose votes were held against the model that did not learn from the same pairs, those with "
    "few votes counted as one; 0 where there is nobody to compare with. Each of them stands in "
    "`data/reports/reward.json`, by all votes and by those of the newest round, and the gate `annotators` "
    "reads that.",
)
POLICY_OBJECTIVE_SCORE = Metric(
    "objective/score",
    "policy",
    "standard deviations",
    "up",
    "Mean reward of the sampled answers, normalised to mean 0 and standard deviation 1 over the answers of "
    "the training pairs; `policy.unended_score` for an answer without an end. It is what training maximises, "
    "so it says nothing about quality. Worry when it rises while fresh votes do not: the policy found out "
    "what the reward model gets wrong.",
)
POLICY_OBJECTIVE_SCORE_STD = Metric(
    "objective/score_std",
    "policy",
    "standard deviations",
    "none",
    "Spread of the scores in the batch. Worry near 0: all answers are alike, and there is nothing left to learn from.",
)
POLICY_OBJECTIVE_KL = Metric(
    "objective/kl",
    "policy",
    "nats an answer",
    "near its budget",
    "log π(token) - log π_SFT(token), summed over an answer, averaged over answers: estimator k1 (Schulman "
    "2020). Compare with `policy.kl.target` and with the gate `kl_budget`. Worry when it climbs without end, "
    "or is well below 0 in more than a few iterations: k1 is 0 or more on average.",
)
POLICY_OBJECTIVE_KL_COEFFICIENT = Metric(
    "objective/kl_coefficient",
    "policy",
    "score a nat",
    "none",
    "Price of the KL per token, β; constant unless `policy.kl.target` is set (Ziegler et al. 2019, section "
    "2.2). Worry when it moves by orders of magnitude: the target is out of reach.",
)
POLICY_OBJECTIVE_KL_STOP = Metric(
    "objective/kl_stop",
    "policy",
    "flag",
    "absent",
    "1 in the iteration in which `policy.kl.limit` ended the training.",
    rare=True,
)
POLICY_OBJECTIVE_ENTROPY = Metric(
    "objective/entropy",
    "policy",
    "nats a token",
    "slowly down",
    "Mean surprise of the sampled tokens, an unbiased estimate of the entropy. Worry when it falls to 0: the "
    "policy has collapsed onto a few answers.",
)
POLICY_ANSWER_TOKENS = Metric(
    "answer/tokens",
    "policy",
    "tokens",
    "none",
    "Mean length of the sampled answers, EOS included. Worry when it runs away in either direction: length is "
    "the easiest thing to exploit.",
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
    "Answers that ended by themselves. Worry below .9: they are cut off at `model.max_answer_tokens`.",
)
POLICY_LOSS = Metric(
    "loss",
    "policy",
    "none",
    "none",
    "Clipped surrogate (Schulman et al. 2017, eq. 7) with a dual clip (Ye et al. 2020), mean over tokens. "
    "Around 0 by construction; its size means little.",
)
POLICY_APPROX_KL = Metric(
    "approx_kl",
    "policy",
    "nats a token",
    "small",
    "KL of the updated policy from the one that sampled, estimator k3 (Schulman 2020). Worry above .05: lower "
    "the learning rate or the epochs.",
)
POLICY_CLIP_FRACTION = Metric(
    "clip_fraction",
    "policy",
    "share",
    "small",
    "Tokens whose gradient the clip has cut. Worry above .3, for the same reason; at exactly 0 the clip does "
    "nothing and the steps may be too small.",
)
POLICY_GRAD_NORM = Metric(
    "grad_norm",
    "policy",
    "norm",
    "none",
    "Norm of the policy's gradient before clipping. Worry when it is always above `policy.gradient_clip`.",
)
POLICY_ROLLOUT_MISMATCH = Metric(
    "rollout_mismatch",
    "policy",
    "nats",
    "near 0",
    "In the first iteration: the largest difference between a log-probability noted while sampling and the "
    "one the model gives afterwards. Worry above 1e-3 in float32: the ratios of PPO would compare two "
    "different computations.",
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
    "Norm of the critic's gradient before clipping.",
)
POLICY_VALUE_EXPLAINED_VARIANCE = Metric(
    "value/explained_variance",
    "policy",
    "share",
    "towards 1",
    "1 - Var(return - value) / Var(return), before the update. Negative in the first iterations; worry when "
    "it stays there: the critic is worse than a constant.",
)
POLICY_TIME_ROLLOUT = Metric(
    "time/rollout",
    "policy",
    "seconds",
    "down",
    "Time that an iteration spends sampling.",
)
POLICY_TIME_SCORE = Metric(
    "time/score",
    "policy",
    "seconds",
    "down",
    "Time that an iteration spends on reward, reference and critic.",
)
POLICY_TIME_TRAIN = Metric(
    "time/train",
    "policy",
    "seconds",
    "down",
    "Time that an iteration spends on gradient steps.",
)
POLICY_TIME_TOKENS_PER_SECOND = Metric(
    "time/tokens_per_second",
    "policy",
    "tokens a second",
    "up",
    "Answer tokens over the three together.",
)
SAMPLE_ANSWERS = Metric(
    "answers",
    "sample",
    "answers",
    "none",
    "Progress: answers given so far by the model whose turn it is.",
)
SAMPLE_PROMPTS = Metric(
    "prompts",
    "sample",
    "prompts",
    "up",
    "Held-out prompts that both answered, at most `sample.prompts`.",
)
SAMPLE_TOKENS = Metric(
    "tokens",
    "sample",
    "tokens",
    "down",
    "Tokens of the answers of both.",
)
