"""Speeds, measured beside what one would use otherwise; `gazeworld bench KIND` runs them.

rollout   glimpses per second of the vector environment, beside a Dataset and DataLoader
views     views of objects per second, packed and live
sb3       steps per second through the adapter for Stable-Baselines3
step      where the time of a training step goes
methods   training steps of every method at an equal batch
"""
