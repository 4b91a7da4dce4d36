"""What is said where an optional package is missing."""


class MissingExtraError(ValueError):
    """Something that needs a package which is not installed; the message says which, and how to get it."""


def missing_sb3(error: ImportError) -> MissingExtraError:
    """The error to raise where Stable-Baselines3 or sb3-contrib cannot be imported."""
    return MissingExtraError(
        f"agents of Stable-Baselines3 need packages that are not installed ({error}); pip install 'gazeworld[rl]'"
    )
