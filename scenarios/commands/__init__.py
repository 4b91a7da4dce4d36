"""The machinery behind scenarios: what one is, how it becomes live objects and runs, and the command line."""
