"""A net with its weights becomes a file.

In: a spec, a run's folder, or a compiled network. Out: the file, or SpecError and no file. Must not
know: commands, servers.
"""
