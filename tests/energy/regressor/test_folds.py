"""No CPU model is ever on both sides of a split."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.catalogue import Catalogue
from energy.errors import InputError
from energy.regressor.folds import cpu_folds, fold_sides, unseen

SERVERS = list(Catalogue.shipped().servers.values())


@given(st.lists(st.sampled_from(SERVERS), min_size=2, max_size=80), st.integers(0, 5))
def test_training_and_test_share_no_cpu_model_and_every_server_is_tested_once(
    servers: list, seed: int
) -> None:
    """Whatever servers, whatever seed."""
    if len({server.cpu_key for server in servers}) < 2:
        return
    tested: list[int] = []
    for train, test in fold_sides(cpu_folds(servers, seed=seed)):
        seen = {servers[place].cpu_key for place in train}
        assert seen.isdisjoint(servers[place].cpu_key for place in test)
        assert train
        tested += test
    assert sorted(tested) == list(range(len(servers)))


def test_folds_are_of_like_size() -> None:
    """495 servers in ten folds, the largest CPU model having 39."""
    numbers = cpu_folds(SERVERS)
    sizes = [numbers.count(fold) for fold in range(10)]
    assert max(sizes) - min(sizes) <= 5


def test_folds_do_not_depend_on_the_order_of_the_servers() -> None:
    """A server's fold goes by its CPU model."""
    forwards = dict(zip((s.cpu_key for s in SERVERS), cpu_folds(SERVERS), strict=True))
    backwards = SERVERS[::-1]
    assert forwards == dict(zip((s.cpu_key for s in backwards), cpu_folds(backwards), strict=True))


def test_one_cpu_model_cannot_be_cross_validated() -> None:
    """There would be nothing to learn from."""
    alike = [server for server in SERVERS if server.cpu_key == SERVERS[0].cpu_key]
    with pytest.raises(InputError, match="1 CPU model"):
        cpu_folds(alike)


def test_servers_of_the_training_list_are_left_out_and_counted() -> None:
    """By CPU model, not by server."""
    kept, excluded = unseen(SERVERS, {SERVERS[0].cpu_key})
    assert len(kept) + excluded == len(SERVERS)
    assert all(server.cpu_key != SERVERS[0].cpu_key for server in kept)
    assert excluded >= 1


def test_a_number_without_a_maker_counts_as_seen_and_shares_the_fold_of_every_maker() -> None:
    """8380 is an Opteron and a Xeon: whoever leaves the maker out tests on neither."""
    named = next(server for server in SERVERS if server.cpu_key == "intel 8380")
    bare = replace(named, cpu="8380 270W")
    assert unseen([bare], {"intel 8380"}) == ([], 1)
    assert unseen([bare], {"intel 8280"}) == ([bare], 0)
    others = [server for server in SERVERS if server.cpu_key == "amd 7601"]
    numbers = cpu_folds([named, *others, bare])
    assert numbers[0] == numbers[-1] != numbers[1]
