"""Past rounds: lineage, differences, replay, garbage collection, evidence archives."""
