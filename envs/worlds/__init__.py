"""Registry of worlds: every file is one geometry of looking, named as the file is.

    saccade        a square glimpse jumps over a still image
    rotation       an object is turned and lit: stored views of 3DIEBench's kind, or views drawn on the spot
    augmentation   an image is cropped, coloured and blurred by hand-crafted augmentations

To add one, put a file here with one class derived from `gazeworld.envs.World`. Files that begin with `_` are tools.
"""
