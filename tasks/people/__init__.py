"""Votes and approvals by people, and the waits of a round for them."""
