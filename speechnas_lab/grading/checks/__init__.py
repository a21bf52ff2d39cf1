"""One file for each exercise: what it asks, its hints, its checks."""
