"""The same server over gRPC.

In: messages of the Open Inference Protocol's GRPCInferenceService. Out: its answers, by the queue, the
limits and the models that HTTP has. Must not know: HTTP's framing, torch, specs.
"""
