"""Training: a policy looks, a world model learns from what it sees, and everything is saved so that it can go on.

loop              the one loop: collect, update, log, probe, save; NonFiniteLossError
optimiser         AdamW and the schedule of its learning rate
checkpoint        weights and optimisers on disk, whole or not at all
trained_methods   world models that were trained before, from the folders of their runs
recorder          metrics.jsonl, TensorBoard events, a line on the terminal
event_files       TensorBoard's files, as resumed runs need them
collapse_monitor  whether embeddings still spread
interrupt         Ctrl-C as a request
"""
