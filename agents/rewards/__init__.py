"""Rewards: each file is one thing to be rewarded for; `gazeworld.agents.rl.reward.make_reward` finds it by name.

coverage           the part of the scene that no earlier view has shown; needs no world model
inverse_dynamics   how well the own action can be told from two views
prediction_error   how wrong the world model was about what it would see
recognition        how much a view adds to the log-probability of the right label
representation     how much nearer a view brings the aggregate to that of the whole scene
"""
