import numpy as np
import pytest
import torch.distributed as dist

from histoseg.data.draws import Draw, Draws


def as_rank(draws: Draws, rank: int, world: int) -> Draws:
    draws.rank, draws.world = rank, world
    return draws


def test_order_and_seeds_depend_on_seed_and_epoch_alone() -> None:
    a, b = Draws(50, seed=3, shuffle=True), Draws(50, seed=3, shuffle=True)
    list(a)  # having been read once changes nothing
    assert list(a) == list(b)
    b.set_epoch(1)
    assert list(a) != list(b)
    assert sorted(d.item for d in b) == list(range(50))
    a.set_epoch(1)
    assert list(a) == list(b)
    assert list(Draws(50, seed=4, shuffle=True)) != list(Draws(50, seed=3, shuffle=True))


def test_one_item_gets_another_seed_in_another_epoch() -> None:
    draws = Draws(10, seed=0, shuffle=True)
    first = {d.item: d.seed for d in draws}
    draws.set_epoch(1)
    assert all(first[d.item] != d.seed for d in draws)


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_evaluation_draws_every_item_exactly_once_over_all_ranks(world: int) -> None:
    shards = [as_rank(Draws(20, seed=0, shuffle=False), r, world) for r in range(world)]
    assert sorted(d.item for shard in shards for d in shard) == list(range(20))
    assert [len(list(s)) for s in shards] == [len(s) for s in shards]


def test_training_gives_every_rank_equally_many_items_none_twice() -> None:
    shards = [list(as_rank(Draws(20, seed=0, shuffle=True), r, 3)) for r in range(3)]
    assert {len(s) for s in shards} == {6}
    seen = [d.item for s in shards for d in s]
    assert len(set(seen)) == len(seen) == 18


def test_items_in_order_without_shuffling() -> None:
    assert [d.item for d in Draws(5, seed=0, shuffle=False)] == [0, 1, 2, 3, 4]
    assert all(isinstance(d, Draw) for d in Draws(5, seed=0, shuffle=False))
    assert np.unique([d.seed for d in Draws(100, seed=0, shuffle=False)]).size == 100


def test_fewer_items_than_ranks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_rank", lambda: 0)
    monkeypatch.setattr(dist, "get_world_size", lambda: 4)
    with pytest.raises(ValueError, match="3 items cannot be shared by 4 ranks"):
        Draws(3, seed=0, shuffle=True)
