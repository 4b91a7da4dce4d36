"""What can be looked at: worlds, image sources and their Gymnasium environments."""
