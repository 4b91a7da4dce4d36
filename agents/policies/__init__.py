"""Policies: each file is one way to choose where to look next."""
