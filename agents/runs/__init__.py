"""Runs: from a scenario to what lies in its folder, and back.

scenario       Scenario: one experiment as data; Run: one in a folder
build          from a scenario to live objects: worlds, environments, policies, methods, sessions
train_run      train a run, or go on with one
evaluate_run   probe a run
policy_run     train a policy in the frozen world model of a run
sweep          plan many runs, try them out, train and probe what is left of them
joint_run      train a world model and a policy in alternating phases
resuming       who may write into the folder of a run or a policy, and what is there to go on with
records        what a finished run holds, for tables and reports
lock           one writer a folder
processes      several processes that train one world model
provenance     what a run was made with
"""
