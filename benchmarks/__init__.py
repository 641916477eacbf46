"""Measured claims: each script prints a table and says what it compares with. Results are kept in results/."""
