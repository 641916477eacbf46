"""Who is asked: votes and approvals by people, and the waits for them."""
