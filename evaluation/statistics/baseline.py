"""What words alone know of a preference: the baseline that a reward model has to beat."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Pair = dict[str, Any]


def words(train: Sequence[Pair], held_out: Sequence[Pair]) -> npt.NDArray[np.float64]:
    """Probability that chosen wins for each held-out pair, by logistic regression on the words of both answers.

    Features are the differences of TF-IDF weights of words and word pairs. Each training pair is shown both ways round,
    so that the regression has no intercept to prefer the first answer with; soft labels become weights.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectors = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    vectors.fit([pair[side] for pair in train for side in ("chosen", "rejected")])

    def difference(pairs: Sequence[Pair]) -> Any:
        return vectors.transform([p["chosen"] for p in pairs]) - vectors.transform([p["rejected"] for p in pairs])

    from scipy.sparse import vstack

    forward, p = difference(train), np.array([pair["p_chosen"] for pair in train])
    features = vstack([forward, forward, -forward, -forward])
    won = np.repeat([1, 0, 0, 1], len(train))
    weights = np.concatenate([p, 1 - p, p, 1 - p])
    model = LogisticRegression(C=1.0, fit_intercept=False, max_iter=300).fit(features, won, sample_weight=weights)
    chances: npt.NDArray[np.float64] = model.predict_proba(difference(held_out))[:, 1]
    return chances
