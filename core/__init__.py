"""What every room may rely on: errors, knobs, plug-ins, whole-file writes, intervals. No tool, no torch."""
