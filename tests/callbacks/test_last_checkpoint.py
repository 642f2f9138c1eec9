import pytest

from conftest import Compose
from histoseg.engine import checkpoint
from histoseg.engine.trainer import build_trainer


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_last_weights_can_be_taken_whatever_is_good(mode: str, composed: Compose) -> None:
    cfg = composed(
        "train", "model=cyclegan", "data=synthetic_stains", f"model.mode={mode}", tiny="cyclegan"
    )
    cfg.callbacks.best.monitor = None
    trainer = build_trainer(cfg, checkpoint.build(cfg))
    assert len(trainer.checkpoint_callbacks) == 2
    assert len({c.state_key for c in trainer.checkpoint_callbacks}) == 2
