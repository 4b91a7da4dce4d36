"""What is being claimed: every file here is one scenario, a world, a policy, a method, training and probes as data.

`saccade_digits.py` is called `saccade-digits` by the commands, and beside it stands `saccade_digits.md`: what was
claimed, what was measured, what failed. Files that begin with `_` are tools of the others.

commands/   `gazeworld`, the command line: one file a command
reports/    tables, figures, pages: what was measured, shown to people
bench/      speeds, beside what one would use otherwise
"""
