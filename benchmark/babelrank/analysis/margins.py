"""The difference that is too small to matter."""

PRACTICAL_MARGIN = 0.001  # where three decimals are shown, smaller differences in accuracy may look equal
