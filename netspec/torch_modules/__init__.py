"""The nn.Modules that torch lacks. Their text is written out into emitted files.

In: tensors. Out: tensors. Must not know: netspec: a file of theirs runs without it.
"""
