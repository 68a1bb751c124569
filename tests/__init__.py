"""Beartype as jaxtyping calls it under test: an int is welcome where a float is asked for, as to the type checker."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
