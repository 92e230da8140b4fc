"""A simulated portfolio that plays the loop from the past up to now; what it assumes is said in `simulation`."""
