"""Baseline for the reward model: a logistic regression on the words of both answers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

PairRow = dict[str, Any]


def words(train: Sequence[PairRow], held_out: Sequence[PairRow]) -> npt.NDArray[np.float64]:
    """Probability that chosen wins for each held-out pair, by logistic regression on the words of both answers.

    Features are the differences of TF-IDF weights of words and word pairs. Each training pair is used in both
    orders and without an intercept, so that the first answer has no advantage; soft labels become weights.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectors = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    vectors.fit([pair[side] for pair in train for side in ("chosen", "rejected")])

    def difference(pairs: Sequence[PairRow]) -> Any:
        return vectors.transform([p["chosen"] for p in pairs]) - vectors.transform([p["rejected"] for p in pairs])

    from scipy.sparse import vstack

    forward, p = difference(train), np.array([pair["p_chosen"] for pair in train])
    features = vstack([forward, forward, -forward, -forward])
    won = np.repeat([1, 0, 0, 1], len(train))
    weights = np.concatenate([p, 1 - p, p, 1 - p])
    model = LogisticRegression(C=1.0, fit_intercept=False, max_iter=300).fit(features, won, sample_weight=weights)
    probabilities: npt.NDArray[np.float64] = model.predict_proba(difference(held_out))[:, 1]
    return probabilities
