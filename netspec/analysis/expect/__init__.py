"""What a spec demands of itself, held against the net.

In: the section `expect` and a TypedGraph. Out: findings, with the layers that spend the budget.
Must not know: how a fault is mended.
"""
