"""What can act: policies, the training loop, probes and figures."""
