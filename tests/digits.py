"""Numbers that nobody rounded, in texts that people read."""

import re

LONG = re.compile(r"(?<![\w.:-])-?\d*\.\d*[1-9]\d{5,}(?![\w.])")
"""A number with so many digits after the point that nobody rounded it; not a time, a digest or a version."""
