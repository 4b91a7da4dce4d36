"""Small stand-ins that can be checked by counting: worlds, methods, data on disk, renderers, finished runs."""
