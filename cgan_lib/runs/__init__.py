"""Runs: training one, opening one, and what it leaves on disk."""
