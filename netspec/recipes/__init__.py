"""What is made of several trainings: sweeps and folds, bags of runs, smaller nets.

In: specs, and the folders of runs. Out: folders of runs, model files. Must not know: commands,
servers.
"""
