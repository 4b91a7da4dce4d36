"""What can be learnt: methods, encoders and their parts."""
