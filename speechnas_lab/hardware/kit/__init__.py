"""Measuring on a machine far away: what is written for it, the script that runs there, what comes back."""
