"""Rows of token ids of different lengths in one flat array: 4 bytes a token, where a list of ints takes 36."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt


class Ragged:
    """Rows of token ids."""

    def __init__(self, rows: Iterable[Sequence[int]]) -> None:
        """Copy rows; they may come from an iterator, and are not kept."""
        parts = [np.asarray(row, dtype=np.int32) for row in rows]
        self._ids = np.concatenate([np.empty(0, np.int32), *parts])
        self._ends = np.cumsum([0, *map(len, parts)])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, row: int) -> list[int]:
        ids: list[int] = self._ids[self._ends[row] : self._ends[row + 1]].tolist()
        return ids

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Number of tokens of each row."""
        return np.diff(self._ends)
