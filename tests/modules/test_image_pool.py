"""Pools of made pictures: what they keep, and how often they hand out an old one."""

import logging

import pytest
import torch

from histoseg.modules.image_pool import ImagePool, restore


def numbered(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1, 1)


def test_while_there_is_room_pictures_are_kept_and_returned() -> None:
    pool = ImagePool(3)
    made = numbered(1, 2, 3).requires_grad_()
    found = pool(made)
    assert not found.requires_grad
    assert torch.equal(found, made)
    assert [float(p) for p in pool.pictures] == [1, 2, 3]


def test_later_half_of_them_are_exchanged_for_any_of_the_kept() -> None:
    pool, rounds = ImagePool(4), 4000
    pool(numbered(-1, -2, -3, -4))
    exchanged, ages = 0, []
    for i in range(rounds):
        before = [float(p) for p in pool.pictures]
        found, now = float(pool(numbered(i))), [float(p) for p in pool.pictures]
        if found != i:
            exchanged += 1
            ages.append(before.index(found))
            assert now[ages[-1]] == i
        else:
            assert before == now
    assert abs(exchanged / rounds - 0.5) < 4 * (0.25 / rounds) ** 0.5
    shares = torch.bincount(torch.tensor(ages), minlength=4) / exchanged
    assert torch.allclose(shares, torch.tensor(0.25), atol=4 * (0.1875 / exchanged) ** 0.5)


def test_without_a_size_new_ones_pass_and_a_negative_one_is_refused() -> None:
    pool, made = ImagePool(0), numbered(1, 2)
    assert torch.equal(pool(made), made)
    assert not pool.pictures
    with pytest.raises(ValueError, match="pool is -1"):
        ImagePool(-1)


def test_what_is_kept_does_not_change_with_the_batch() -> None:
    pool, made = ImagePool(1), numbered(1)
    pool(made)
    made.fill_(5)
    assert float(pool.pictures[0]) == 1


def test_a_seed_decides() -> None:
    def run() -> list[float]:
        torch.manual_seed(3)
        pool = ImagePool(2)
        return [float(pool(numbered(i))) for i in range(20)]

    assert run() == run()


@pytest.mark.parametrize(
    ("world", "expected", "said"),
    [
        (2, [[1, 2], [3, 4]], ""),
        (1, [[1, 2]], "of 2 ranks and the run goes on with 1: those beyond are left out"),
        (3, [[1, 2], [3, 4], [1, 2]], "goes on with 3: new ranks begin with copies"),
    ],
)
def test_pools_go_on_with_any_number_of_ranks(
    world: int, expected: list[list[float]], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    stored = [{"a": list(numbered(*numbers))} for numbers in ((1, 2, 9), (3, 4))]
    for rank in range(world):
        pools = {"a": ImagePool(2)}
        restore(pools, stored, rank=rank, world=world, device=torch.device("cpu"))
        assert [float(p) for p in pools["a"].pictures] == expected[rank]
        pools["a"].pictures[0].fill_(0)
    assert float(stored[0]["a"][0]) == 1, "ranks share no memory"
    assert (said in caplog.text) if said else not caplog.records
    assert len(caplog.records) <= 1, "one rank says it"


def test_a_run_that_has_only_begun_has_no_pools_to_restore(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pools = {"a": ImagePool(2)}
    with caplog.at_level(logging.INFO):
        restore(pools, [], rank=0, world=4, device=torch.device("cpu"))
    assert not pools["a"].pictures
    assert not caplog.records
