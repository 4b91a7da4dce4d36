"""Three-dimensional objects: meshes, the stage they stand on, stored views of them, and how these are drawn."""
