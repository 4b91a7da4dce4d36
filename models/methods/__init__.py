"""Methods: each file is one way to learn from streams."""
