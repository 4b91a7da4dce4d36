"""Policies: each file is one way to choose where to look next; `gazeworld.agents.policy.make_policy` finds it by name.

Without a model
    uniform        anywhere
    centre         always the middle
    grid           a grid of places, in random order
    saliency       where a map says that something is, with inhibition of return
    dwell          around the present fixation, and now and then to another salient place
    deepgaze3      where people would look next, after what they have looked at
    unseen         views of an object that have not been shown yet
By planning one or more steps ahead with a world model
    novelty        what is foreseen to be unlike all that was seen
    disagreement   where an ensemble disagrees about what will be seen
    information    where the next view is expected to say most about the label
    goal           towards a view that is given
Learnt
    sb3            what an agent of Stable-Baselines3 has learnt (`gazeworld.agents.rl`)
"""
