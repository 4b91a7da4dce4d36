"""Registry of methods: every file is one way to learn from streams, found by its name with `make_method`.

seq_jepa            predict the next view from an aggregate of the views and actions before it
conv_jepa           every view on its own foretells the last one, given the way there
byol                each of two views foretells a momentum target's embedding of the other
conditional_byol    the same, and the predictor is told the action
simclr              contrast between two views
equimod             SimCLR, and a projection in which the action is foretold
sen                 contrast between predicted and seen embeddings
vicreg              two views agree while components keep variance and lose covariance
vicreg_traj         VICReg, and three views in a row on a straight path
sie                 half of the embedding invariant, half steered by the action
contextssl          what a view becomes depends on a context of pairs before it
inverse_dynamics    the action is told from the views before and after it
"""
