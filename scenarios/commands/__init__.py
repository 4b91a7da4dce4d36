"""The commands of `gazeworld`: one file each, called as its command is, with its arguments and one function, `run`.

Files that begin with `_` are what they share:

_main        finds the commands and imports the one that is asked for
_catalogue   scenarios and commands by their names
_arguments   words of a command line as typed arguments; how policies are named
_places      names and places that are to be written, looked at before anything is done
_runs        what training and probing leave, drawn
_console     lines, errors, figures and progress
_outlets     output that never raises
"""
