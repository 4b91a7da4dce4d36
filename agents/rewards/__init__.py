"""Rewards: every file is one, found by its name."""
