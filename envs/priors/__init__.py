"""Priors: each file says where somebody may look next in an image; `gazeworld.envs.prior.make_prior` finds it by name.

Whatever the image is
    uniform             anywhere
    centre              a Gaussian in the middle
From its pixels
    image_signature     where something sparse stands before its ground: the default
    contrast            where the intensity differs from its surroundings
    spectral_residual   OpenCV's, of a contrib wheel
    fine_grained        OpenCV's, of a contrib wheel
    deepgaze1           what people look at, learnt: AlexNet
    deepgaze2e          the same: four networks
    deepgaze3           the same, fixation by fixation
    onnx                a network of one's own
By the image's number
    precomputed         maps that lie beside the images
Controls, made of any of these
    mismatched          the map of an image of another label
    transposed          its own map, with rows and columns exchanged
"""
