"""Registry of renderers: every file is one way to draw views of meshes on the stage of `gazeworld.envs.objects`.

    embree    ray casting on the CPU, with no graphics driver
    opengl    the GPU's driver without a window, or Mesa's
    blender   Cycles, which 3DIEBench was made with; slow

`gazeworld.envs.make_renderer` finds them by name; "auto" takes the fastest that works here.
"""
