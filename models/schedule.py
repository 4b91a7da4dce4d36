"""Schedules as pure functions of progress in [0, 1]: learning rate and momentum have no other writer."""

import math


def learning_rate(
    progress: float, *, peak: float = 4e-4, start: float = 1e-5, end: float = 1e-5, warmup: float = 0.01
) -> float:
    """Linear warm-up from `start` to `peak` over the fraction `warmup`, then a cosine down to `end`.

    Appendix A.2: 1e-5 → 4e-4 in 20 epochs (1 % of 2000, 2 % of 1000), back to 1e-5. Raises ValueError outside [0, 1].
    """
    _check(progress)
    if progress < warmup:
        return start + (peak - start) * progress / warmup
    if warmup >= 1:
        return peak
    fraction = (progress - warmup) / (1 - warmup)
    return end + (peak - end) * (1 + math.cos(math.pi * fraction)) / 2


def momentum(progress: float, *, base: float = 0.996) -> float:
    """BYOL's target decay: 1 − (1 − base) · (cos(π · progress) + 1) / 2, rising from `base` to 1 (appendix A.3)."""
    _check(progress)
    return 1 - (1 - base) * (math.cos(math.pi * progress) + 1) / 2


def _check(progress: float) -> None:
    if not 0 <= progress <= 1:
        raise ValueError(f"progress is {progress}, expected a number from 0 to 1")
