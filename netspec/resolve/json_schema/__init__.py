"""The language as JSON Schema, for editors and for the words of a fault.

In: the records. Out: a schema; what it says of a value. Must not know: places in a text.
"""
