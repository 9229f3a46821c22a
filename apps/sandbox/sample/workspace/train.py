"""Trains a small network on made-up digits with NumPy, and logs to W&B: the sample workspace's training script.

It does what a careful script does on a preemptible cluster: it writes its config and checkpoints below
`outputs/<run id>/`, continues from the newest checkpoint, and on SIGTERM saves, tells W&B that it is being
preempted, and leaves with a non-zero status.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import wandb
import yaml
from safetensors.numpy import load_file, save_file

try:
    import torch
except ImportError:  # checkpoints are .safetensors only
    torch = None

DEVICE_MEMORY = 2 << 20  # bytes of the "GPU" that the wide configuration does not fit into


DEFAULTS = {
    "lr": 0.1,
    "hidden": 32,
    "batch_size": 50,
    "grow_at": 0,
    "epochs": 40,
    "patience": 1000,
    "data": "digits-v1",
    "epoch_seconds": 1.5,
    "seed": 7,
}


class OutOfMemoryError(RuntimeError):
    """What a GPU says when a batch does not fit."""


class Preempted(Exception):
    """SIGTERM came: save and leave."""


def arguments():
    """Return what was given on the command line, and nothing else: defaults are in DEFAULTS."""
    parser = argparse.ArgumentParser(argument_default=argparse.SUPPRESS)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--hidden", type=int)
    parser.add_argument("--batch-size", "--batch_size", type=int)
    parser.add_argument("--grow-at", type=int, help="from this epoch on the pictures are twice as large; 0 = never")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--patience", type=int, help="epochs without a new best before it stops")
    parser.add_argument("--data")
    parser.add_argument("--epoch-seconds", type=float, help="how long one epoch takes at least")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--resume", action="store_true", help="continue WANDB_RUN_ID: its config, changed as given")
    return vars(parser.parse_args())


def load_digits(name, seed):
    """Return (x, y): 600 noisy 8x8 pictures of ten prototypes, and their labels."""
    if name != "digits-v1":
        raise FileNotFoundError(f"[Errno 2] No such file or directory: 'data/{name}.npz'")
    rng = np.random.default_rng(seed)
    prototypes = rng.normal(size=(10, 64))
    labels = rng.integers(0, 10, size=600)
    return prototypes[labels] + rng.normal(scale=1.6, size=(600, 64)), labels


def fresh_weights(hidden, seed):
    rng = np.random.default_rng(seed)
    return {
        "w1": rng.normal(scale=0.1, size=(64, hidden)),
        "b1": np.zeros(hidden),
        "w2": rng.normal(scale=0.1, size=(hidden, 10)),
        "b2": np.zeros(10),
    }


def allocate(hidden, batch, scale=1):
    """Take the memory of weights, gradients and optimizer, and of a batch of pictures ``scale`` times as wide."""
    needed = (64 * hidden + hidden * 10) * 4 * 3 + batch * (64 * scale**2) * 16
    if needed > DEVICE_MEMORY:
        raise OutOfMemoryError(
            f"CUDA out of memory. Tried to allocate {needed / 2**20:.2f} MiB. GPU 0 has a total capacity of "
            f"{DEVICE_MEMORY / 2**20:.2f} MiB of which 1.20 MiB is free."
        )


def one_epoch(weights, x, y, lr, batch):
    """Train one epoch in place; return (steps, loss, accuracy)."""
    order = np.random.permutation(len(x))
    losses, hits = [], 0
    for start in range(0, len(x), batch):
        xb, yb = x[order[start : start + batch]], y[order[start : start + batch]]
        hidden = np.maximum(xb @ weights["w1"] + weights["b1"], 0)
        logits = hidden @ weights["w2"] + weights["b2"]
        logits -= logits.max(axis=1, keepdims=True)
        chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        losses.append(-np.log(chances[np.arange(len(yb)), yb] + 1e-12).mean())
        hits += int((chances.argmax(axis=1) == yb).sum())
        grad = chances.copy()
        grad[np.arange(len(yb)), yb] -= 1
        grad /= len(yb)
        back = (grad @ weights["w2"].T) * (hidden > 0)
        weights["w2"] -= lr * hidden.T @ grad
        weights["b2"] -= lr * grad.sum(axis=0)
        weights["w1"] -= lr * xb.T @ back
        weights["b1"] -= lr * back.sum(axis=0)
    return len(losses), float(np.mean(losses)), hits / len(x)


def newest_checkpoint(folder):
    found = sorted(folder.glob("step-*.safetensors"), key=lambda path: int(path.stem.split("-")[1]))
    return found[-1] if found else None


def save(folder, weights, epoch, step):
    """Write a checkpoint under a temporary name first, so that a killed run leaves no half of one."""
    path = folder / f"step-{step}.safetensors"
    save_file(weights, f"{path}.tmp", metadata={"epoch": str(epoch), "step": str(step)})
    os.replace(f"{path}.tmp", path)
    if torch is not None:
        torch.save({name: torch.from_numpy(value) for name, value in weights.items()}, folder / f"step-{step}.pt")
    for old in sorted(folder.glob("step-*.*"), key=os.path.getmtime)[:-6]:
        old.unlink()


def restore(path):
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        meta = json.loads(file.read(size))["__metadata__"]
    return load_file(path), int(meta["epoch"]), int(meta["step"])


def task_mark():
    """Return the file that tells a requeued job which run it was in the middle of; None outside of Slurm."""
    if "SLURM_ARRAY_JOB_ID" not in os.environ:
        return None
    return Path("outputs") / f".run-of-{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"


def raise_preempted(number, frame):
    raise Preempted


def train(run, config, folder):
    x, y = load_digits(config["data"], config["seed"])
    allocate(config["hidden"], config["batch_size"])
    weights, epoch, step = fresh_weights(config["hidden"], config["seed"]), 0, 0
    if (path := newest_checkpoint(folder)) is not None:
        weights, epoch, step = restore(path)
        print(f"Resumed from {path.name} at epoch {epoch}", flush=True)
    best, waited = float("inf"), 0
    while epoch < config["epochs"]:
        began = time.monotonic()
        if config["grow_at"] and epoch >= config["grow_at"]:
            allocate(config["hidden"], config["batch_size"], scale=2)
        steps, loss, accuracy = one_epoch(weights, x, y, config["lr"], config["batch_size"])
        epoch, step = epoch + 1, step + steps
        run.log({"loss": loss, "accuracy": accuracy, "epoch": epoch, "global_step": step})
        print({"loss": round(loss, 4), "epoch": float(epoch), "global_step": step}, flush=True)
        best, waited = (loss, 0) if loss < best - 0.02 else (best, waited + 1)
        if epoch % 5 == 0:
            save(folder, weights, epoch, step)
        if waited >= config["patience"]:
            print(f"EarlyStopping: no better loss for {waited} epochs", flush=True)
            break
        time.sleep(max(0.0, config["epoch_seconds"] - (time.monotonic() - began)))
    save(folder, weights, epoch, step)


def main():
    given = arguments()
    config = {**DEFAULTS, **given}
    if given.pop("resume", False):
        told = yaml.safe_load(Path("outputs", os.environ["WANDB_RUN_ID"], "config.yaml").read_text())["training"]
        config = {**DEFAULTS, **told, **given}
    np.random.seed(config["seed"])
    random.seed(config["seed"])
    versions = {"numpy": np.__version__, "python": sys.version.split()[0], "wandb": wandb.__version__}
    seeds = {"numpy": config["seed"], "python": config["seed"]}
    run = wandb.init(config={**config, "seeds": seeds, "versions": versions})
    folder = Path("outputs") / run.id / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    mark = task_mark()
    if mark:
        mark.write_text(run.id)
    written = {"wandb_run_id": run.id, "training": dict(config)}
    (folder.parent / "config.yaml").write_text(yaml.safe_dump(written))
    if run.sweep_id:
        print(f"Sweep ID: {run.sweep_id}", flush=True)
    print(f"Run: {run.id}", flush=True)
    signal.signal(signal.SIGTERM, raise_preempted)
    try:
        train(run, config, folder)
    except Preempted:
        print("Preempted: the newest checkpoint is kept", flush=True)
        run.mark_preempting()
        run.finish(exit_code=143)
        sys.exit(143)
    if mark:
        mark.unlink()
    run.finish()


if __name__ == "__main__":
    main()
