"""Shelf of renderers: every file is one way to draw views of meshes on the stage of `gazeworld.envs.objects`."""
