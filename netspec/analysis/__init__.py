"""What a net is: its sizes, what it costs and sees, what is odd about it, how two differ.

In: a Graph, typed by `infer`, then a TypedGraph. Out: the TypedGraph, reports, findings. Must not
know: how a text is read, the name of any layer type, torch.
"""
