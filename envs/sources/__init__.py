"""Sources: each file loads one kind of image data."""
