"""What is being claimed: scenarios and the command line."""
