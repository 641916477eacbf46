from benchmarks.serving import Kept, Load, percentiles, table


def test_percentiles_of_hundred_and_one_durations() -> None:
    assert percentiles([float(number) for number in range(101)]) == (50.0, 99.0)


def test_the_table_says_what_was_lost() -> None:
    text = table([Load("rounds", 4, 12.34, 0.25, 0.5, 300.0)], Kept(100, 2, 98, 50.0))
    assert "| rounds | 4 | 12.3 | 0.250 | 0.500 | 300 |" in text
    assert "100 records were acknowledged (50/s while it ran), 98 are stored, 2 acknowledged" in text
