"""Which clips a mixture consists of: a pure function that shares out any range."""

import pytest

from generation import families
from vdpm.errors import UserError


def test_all_names_every_family_in_turn():
    clips = families.mixture("all", range(2 * len(families.names())))
    assert sorted(clips) == sorted((name, index) for name in families.names() for index in range(2))


def test_weights_and_disjoint_ranges():
    whole = families.mixture("kubric_f:2,room", range(300))
    assert len(set(whole)) == 300
    assert sum(family == "kubric_f" for family, _ in whole) == 200
    assert (
        families.mixture("kubric_f:2,room", range(100)) + families.mixture("kubric_f:2,room", range(100, 300)) == whole
    )
    assert sorted(index for family, index in whole if family == "room") == list(range(100))


def test_one_family_counts_as_the_clips_do():
    assert families.mixture("kubric_f", range(5, 8)) == [("kubric_f", 5), ("kubric_f", 6), ("kubric_f", 7)]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("kubric_z", "choose one of"),
        ("room,room", "named twice"),
        ("room:0", "whole number"),
        ("room:x", "whole number"),
    ],
)
def test_a_bad_mixture_is_refused(spec, words):
    with pytest.raises(UserError, match=words):
        families.mixture(spec, range(3))
