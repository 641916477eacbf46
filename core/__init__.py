"""What every other package may import: errors, settings, plug-ins, atomic file writes. No outside tool, no torch."""

from core.threads import wait_passively

wait_passively()
