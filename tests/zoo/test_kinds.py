"""The nets that run by default have in them what any net of the zoo has."""

from tests.zoo.kinds import IN_LARGE_NETS, SAMPLE, SPECS, kinds_in


def test_the_sample_has_every_kind() -> None:
    assert SPECS.keys() >= SAMPLE
    left = {name: kinds_in(name) - IN_LARGE_NETS for name in SPECS if name not in SAMPLE}
    held = set().union(*map(kinds_in, SAMPLE))
    assert not held & IN_LARGE_NETS
    assert {name: sorted(map(str, kinds - held)) for name, kinds in left.items() if kinds - held} == {}
    assert len(held) > 500
