from cli.display.stored import _counts


def test_a_name_with_line_breaks_is_one_line() -> None:
    assert [*_counts("licence", {"a\r\nchampion is 9\u2028b": 2})] == ["by licence:", "        2  a champion is 9 b"]
