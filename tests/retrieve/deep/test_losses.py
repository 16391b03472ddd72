"""The losses: by hand, and the sampled one against the whole softmax."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from shortlist.retrieve.deep.losses import full_softmax, sampled_softmax


def test_full_softmax_by_hand() -> None:
    """Scores (0, log 3): the second item has probability ¾. The weights are 1 and 2."""
    states = torch.tensor([[1.0], [1.0]])
    vectors = torch.tensor([[0.0], [math.log(3)]])
    loss = full_softmax(states, vectors, torch.tensor([1, 0]), torch.tensor([1.0, 2.0]))
    assert loss.item() == pytest.approx(-math.log(3 / 4) - 2 * math.log(1 / 4))


def test_sampled_softmax_by_hand() -> None:
    """Target exp(0) = 1; a negative exp(log 3) expected ½ times counts 6; the target among the negatives does not count."""
    states, own = torch.tensor([[1.0]]), torch.tensor([[0.0]])
    negatives = torch.tensor([[math.log(3)], [0.0]])
    loss = sampled_softmax(
        states,
        own,
        negatives,
        torch.log(torch.tensor([0.5, 0.5])),
        torch.tensor([[False, True]]),
        torch.ones(1),
    )
    assert loss.item() == pytest.approx(math.log(7))


def test_sampled_softmax_estimates_the_whole_one() -> None:
    """With many negatives, drawn very unevenly, loss and gradient are those of the whole catalogue."""
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(50, 4, generator=generator)
    targets = torch.randint(50, (20,), generator=generator)
    share = torch.from_numpy(np.linspace(1, 9, 50).astype(np.float32))
    share /= share.sum()
    drawn = torch.multinomial(share, 100_000, replacement=True, generator=generator)
    losses, gradients = [], []
    for sampled in (False, True):
        states = torch.randn(20, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()
        if sampled:
            expected = torch.log(len(drawn) * share[drawn])
            loss = sampled_softmax(
                states,
                vectors[targets],
                vectors[drawn],
                expected,
                targets[:, None] == drawn[None],
                torch.ones(20),
            )
        else:
            loss = full_softmax(states, vectors, targets, torch.ones(20))
        torch.autograd.backward(loss)
        assert states.grad is not None
        losses.append(loss.item())
        gradients.append(states.grad.numpy())
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
    np.testing.assert_allclose(gradients[1], gradients[0], atol=0.02)


def test_all_negatives_may_be_the_target() -> None:
    states = torch.ones(1, 2, requires_grad=True)
    loss = sampled_softmax(
        states, torch.ones(1, 2), torch.ones(1, 2), torch.zeros(1), torch.tensor([[True]]), torch.ones(1)
    )
    torch.autograd.backward(loss)
    assert loss.item() == 0
    assert states.grad is not None
    assert torch.isfinite(states.grad).all()
