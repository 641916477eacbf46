"""What was: lineage, differences, replay, garbage collection, evidence archives."""
