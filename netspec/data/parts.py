"""What parts of the data are called: by their role, `test`, and where several of a net's own data layers
read for one also by the layer, `test data2`. In: such a name; out: its role, its words.
"""

from collections.abc import Mapping

__all__ = ["describe_part", "part_of_layer", "role_of"]


def part_of_layer(role: str, layer: str) -> str:
    """The part that one of several data layers reads for a role."""
    return f"{role} {layer}"


def role_of(part: str) -> str:
    """What the samples of a part are for: train, val, test, or all."""
    return part.partition(" ")[0]


def describe_part(part: str, words: Mapping[str, str]) -> str:
    """What a part is, by words for the roles: `training`, `test of data2`."""
    role, _, layer = part.partition(" ")
    if layer:
        return f"{words[role]} of {layer}"
    return words[role]
