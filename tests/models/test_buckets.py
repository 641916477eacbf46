import pytest

from models.buckets import bucket


@pytest.mark.parametrize(
    ("rows", "rounded"), [(1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (16, 16), (17, 32), (33, 48), (128, 128)]
)
def test_rows_are_powers_of_two_or_multiples_of_sixteen(rows: int, rounded: int) -> None:
    assert bucket(rows, 1) == (rounded, 64)


@pytest.mark.parametrize(("columns", "rounded"), [(1, 64), (64, 64), (65, 128), (384, 384)])
def test_columns_are_multiples_of_sixty_four(columns: int, rounded: int) -> None:
    assert bucket(1, columns) == (1, rounded)


def test_a_batch_of_128_has_at_most_twelve_numbers_of_rows() -> None:
    assert len({bucket(rows, 1).rows for rows in range(1, 129)}) == 12  # 1, 2, 4, 8, and 16 to 128
