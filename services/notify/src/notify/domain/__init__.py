"""What concerns whom, and how it is said. Pure: no IO, no clock, no randomness."""
