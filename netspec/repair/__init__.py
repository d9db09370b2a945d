"""From findings to edits that were tried, and to the number that a person would change.

In: a source and its findings. Out: findings with fixes, each checked again. Must not know: the
sentences of a finding: evidence is asked.
"""
