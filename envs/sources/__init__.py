"""Registry of sources: every file loads one kind of data with its function `load(split, root, **options)`.

Images
    digits          handwritten digits as scenes, which need no file
    search          scenes in which looking matters, of the same digits
    stamps          photographic cut-outs before noise or photographs, composed when looked at
    stl10           STL-10
    cifar100        CIFAR-100
    tiny_imagenet   Tiny ImageNet
    fashion_mnist   Fashion-MNIST, enlarged
    folder          any tree of images, one folder a class
Objects
    solids          parametric solids, drawn here
    furniture       models of Sweet Home 3D, drawn here
    meshes          any folder of 3-D models, drawn here
    3diebench       3DIEBench, or a tree in its layout
    packed          a packed store of such a tree

`gazeworld.envs.load_source` finds them by name.
"""
