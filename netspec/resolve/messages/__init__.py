"""What to say of a word that does not fit.

In: the word, and what could stand there. Out: a finding with its nearest words. Must not know:
sizes, graphs.
"""
