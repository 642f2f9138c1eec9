"""One process per device: start them, watch them, end them together.

The parent supervises and does not work itself. Unlike a script that starts its own copies, this
needs no command line to repeat, so it works inside a sweep, from a notebook and with any Hydra
launcher, and all ranks write to the one folder of the run.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import torch
from omegaconf import DictConfig, ListConfig, OmegaConf

log = logging.getLogger(__name__)
STARTED_OUTSIDE = ("LOCAL_RANK", "OMPI_COMM_WORLD_RANK")
GOES_ON = {
    "train": "The run goes on from its last checkpoint with resume={}",
    "predict": "The same command goes on from what is done in {}",
}


def rank() -> int:
    """Global rank of this process; 0 outside distributed runs."""
    for name in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK"):
        if name in os.environ:
            return int(os.environ[name])
    return 0


def world() -> int:
    """How many ranks there are, as torchrun, SLURM or MPI says; 1 outside distributed runs."""
    for name in ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE"):
        if name in os.environ:
            return int(os.environ[name])
    return _tasks_of_slurm()


def ranks_to_start(trainer: DictConfig) -> int:
    """Processes that this one has to start: 0 where it trains itself.

    Args:
        trainer: ``accelerator``, ``devices`` and ``num_nodes`` as of the Lightning trainer.
    """
    if any(name in os.environ for name in STARTED_OUTSIDE) or _tasks_of_slurm() > 1:
        return 0
    devices = _count(trainer)
    return devices if devices > 1 or trainer.get("num_nodes", 1) > 1 else 0


def run_ranks(
    cfg: DictConfig, count: int, folder: Path, trainer: DictConfig, verb: str = "train"
) -> None:
    """Train or predict with one process per device, and return when all are done.

    Args:
        cfg: Configuration that all ranks share.
        count: Processes on this machine.
        folder: Where their configuration is left.
        trainer: As of `ranks_to_start`.
        verb: ``train`` or ``predict``.

    Raises:
        RuntimeError: If one of them failed; the others are stopped.
    """
    recipe = folder / "ranks.yaml"
    recipe.write_text(OmegaConf.to_yaml(cfg))
    node = int(os.environ.get("NODE_RANK", "0"))
    shared = {
        "MASTER_ADDR": os.environ.get("MASTER_ADDR", "127.0.0.1"),
        "MASTER_PORT": os.environ.get("MASTER_PORT") or str(_free_port()),
        "NODE_RANK": str(node),
        "WORLD_SIZE": str(count * trainer.get("num_nodes", 1)),
    }
    if trainer.accelerator == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        shared["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // count))
    # as one task of SLURM we number our ranks; Lightning would take SLURM's number for each of them
    outside = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_")}
    parent = str(os.getpid())  # ranks end when it is gone
    command = [sys.executable, "-m", "histoseg.engine.one_rank", verb, str(recipe), parent]
    children = []
    for local in range(count):
        own = {"LOCAL_RANK": str(local), "RANK": str(node * count + local)}
        children.append(subprocess.Popen(command, env={**outside, **shared, **own}))
    log.info("%d ranks started: %s", count, " ".join(str(child.pid) for child in children))
    try:
        failed = _wait(children)
    finally:
        _stop(children)
    if failed is not None:
        raise RuntimeError(
            f"rank {children.index(failed)} ended with code {failed.returncode}; its error is "
            f"above. {GOES_ON[verb].format(folder)}"
        )


def _wait(children: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes] | None:
    """Wait until all have ended well, or until the first has failed, which is returned."""
    while True:
        codes = [child.poll() for child in children]
        for child, code in zip(children, codes, strict=True):
            if code:
                return child
        if all(code == 0 for code in codes):
            return None
        time.sleep(0.2)


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()
    for child in children:
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()


def _count(trainer: DictConfig) -> int:
    """Devices asked for on this machine, as Lightning reads the setting."""
    devices = trainer.devices
    if isinstance(devices, list | ListConfig):
        return len(devices)
    if devices in (-1, "-1", "auto"):
        return torch.cuda.device_count() if trainer.accelerator in ("gpu", "cuda", "auto") else 1
    if isinstance(devices, str) and "," in devices:
        return len([d for d in devices.split(",") if d.strip()])
    return int(devices)


def _tasks_of_slurm() -> int:
    """Processes that SLURM started for this program; 1 outside SLURM."""
    return int(os.environ.get("SLURM_NTASKS", "1")) if "SLURM_PROCID" in os.environ else 1


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port
