"""Worlds: each file is one geometry of looking."""
