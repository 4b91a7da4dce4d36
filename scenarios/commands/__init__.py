"""The commands of `gazeworld`: one file each, called as its command is, with its arguments and one function, `run`.

train           train a world model, and probe it
train_policy    learn where to look in the frozen world model of a run
train_jointly   world model and policy learn in turns
sweep           train and probe many runs
controls        does it matter that a map of what is salient is that of this image?
evaluate        probe a run
export          a trained model for others: a folder with a card, or the hub
watch           scan paths of a scenario or a run
score_gaze      how much policies look as people do
compare         policies swapped in the frozen world models of runs
fit_ensemble    what planning by disagreement and information needs
goal_reaching   is a place found whose embedding is given?
rollout_error   the error of imagined views against the horizon
table, report   runs beside each other, as a table and as a page
data            views of objects on disk: downloaded, drawn and packed
bench           speeds
list            what there is to choose from

Files that begin with `_` are what they share:

_main        finds the commands and imports the one that is asked for
_catalogue   scenarios and commands by their names
_arguments   words of a command line as typed arguments; how policies are named
_named       what a command trains: a scenario, or a run that goes on
_own_data    scenarios for one's own data, fitted to them
_scenario    options of the world, source, policy and method that are asked for
_words       words as they stand
_settings    settings of many runs at once
_places      names and places that are to be written, looked at before anything is done
_runs        what training and probing leave, drawn
_console     lines, errors, figures and progress
_outlets     output that never raises
"""
