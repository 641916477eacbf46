from feedback.rows import DEMONSTRATIONS, PREFERENCES, VOTES, DemonstrationRow, PreferenceRow, VoteRow, table

PROMPT = [{"role": "user", "content": "Is it open?"}]


def test_the_fields_of_a_row_are_the_columns_in_order() -> None:
    for row, schema in ((PreferenceRow, PREFERENCES), (VoteRow, VOTES), (DemonstrationRow, DEMONSTRATIONS)):
        assert list(row._fields) == schema.names


def test_a_table_has_the_rows_it_was_made_of() -> None:
    rows = [
        DemonstrationRow("group", "train", PROMPT, "Until six.", 1.0, ["a", "b"]),
        DemonstrationRow("group", "judge", PROMPT, "No.", 2.0, []),
    ]
    assert table(rows, DEMONSTRATIONS).to_pylist() == [row._asdict() for row in rows]


def test_a_table_without_rows_has_its_columns() -> None:
    assert table([], VOTES).schema == VOTES
    assert len(table([], VOTES)) == 0
