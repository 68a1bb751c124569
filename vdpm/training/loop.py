"""The training loop: batches in, checkpoints and curves out, exactly resumed after any interruption."""

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from tqdm import tqdm

from vdpm.errors import UserError
from vdpm.files import replacing
from vdpm.model.weights import read_state
from vdpm.training import checkpoint
from vdpm.training.journal import Journal
from vdpm.training.learner import Learner, to_device
from vdpm.training.losses import measures
from vdpm.training.parallel import Engine, Place, local, restore, state, wrap
from vdpm.training.presets import Preset
from vdpm.training.sample import Batch

EXPLOSION = 100.0
"""A norm of the gradient so many times its running mean is no gradient any more."""
SETTLED = 100
"""Steps before explosions are looked for."""


def rate(step: int, preset: Preset) -> float:
    """Learning rate of a step: linear rise, full height, half a cosine down to nothing."""
    rise, fall = max(1, round(preset.warm_up * preset.steps)), max(1, round(preset.decay * preset.steps))
    rising = min(1.0, (step + 1) / rise)
    left = min(1.0, max(0.0, (preset.steps - step) / fall))
    return preset.lr * rising * 0.5 * (1.0 - math.cos(math.pi * left))


def optimiser(network: nn.Module, preset: Preset) -> torch.optim.AdamW:
    """AdamW; what has one dimension (biases, norms, scales) and tokens do not decay."""
    learning = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    decays = [p for name, p in learning if p.ndim > 1 and "token" not in name and "pos_embed" not in name]
    others = [p for name, p in learning if p.ndim <= 1 or "token" in name or "pos_embed" in name]
    groups = [{"params": decays, "weight_decay": preset.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=preset.lr, betas=preset.betas, fused=True)


@dataclass
class Progress:
    """Where a run is."""

    step: int = 0
    windows: int = 0
    seconds: float = 0.0
    """Of training, over all sessions."""
    norm: float = 0.0
    """Running mean of the norm of the gradient."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Steps from one to the next."""

    log: int = 20
    save: int = 500
    show: int = 500


@dataclass
class Tally:
    """Sums since the last row of the curve."""

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, value: float, count: float = 1.0) -> None:
        self.sums[name] = self.sums.get(name, 0.0) + value
        self.counts[name] = self.counts.get(name, 0.0) + count


class Trainer:
    """A run: its model, its optimiser, where it is and where it writes."""

    def __init__(self, run: Path, learner: Learner, place: Place, engine: Engine) -> None:
        self.run, self.place, self.preset = run, place, learner.preset
        self.network = learner.network
        self.model = wrap(learner, place, engine)
        self.optimiser = optimiser(self.model, self.preset)
        self.progress, self.tally, self.journal = Progress(), Tally(), None

    def resume(self) -> bool:
        """Go on from the newest checkpoint, if there is one."""
        found = checkpoint.newest(self.run)
        if found is None:
            return False
        kept = checkpoint.read_state(found)
        restore(self.model, self.optimiser, read_state(found / "model.safetensors"), kept["optimiser"])
        self.progress = Progress(**kept["progress"])
        torch.set_rng_state(kept["random"])
        return True

    def save(self) -> None:
        """Write a checkpoint; all processes take part, the first one writes."""
        weights, moments = state(self.model, self.optimiser)
        if self.place.first:
            kept = {"optimiser": moments, "progress": asdict(self.progress), "random": torch.get_rng_state()}
            checkpoint.write(self.run, self.progress.step, self.network.sizes, weights, self.network.licence, kept)
        self.place.wait()

    def train(self, batches: Iterator[Batch], pace: Pace) -> None:
        """Until the steps of the preset are done. Raises `UserError` when the loss explodes or is no number."""
        self.model.train()
        if self.place.first:
            self.journal = Journal(self.run, self.progress.step)
        steps = self.preset.steps
        shows = tqdm(total=steps, initial=self.progress.step, unit="step", disable=not self.place.first, mininterval=5)
        with shows as bar:
            while self.progress.step < steps:
                self.step(batches)
                self.tell(bar, pace)
                if self.progress.step % pace.save == 0 or self.progress.step == steps:
                    self.save()

    def step(self, batches: Iterator[Batch]) -> None:
        """One update from `accumulate` batches of this process."""
        started = time.perf_counter()
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.progress.step, self.preset)
        self.optimiser.zero_grad(set_to_none=True)
        share = self.preset.accumulate // self.place.world
        for number in range(share):
            asked = time.perf_counter()
            self.batch = to_device(next(batches), self.place.device)
            self.tally.add("waited", time.perf_counter() - asked)
            with local(self.model, last=number == share - 1):
                loss, found, self.answer = self.model(self.batch)
                self.check(float(loss.detach()), "loss")
                (loss / share).backward()
            self.count(loss, found)
        self.update()
        self.progress.seconds += time.perf_counter() - started

    def update(self) -> None:
        """Clip and step."""
        learning = [part for part in self.network.children() if any(p.requires_grad for p in part.parameters())]
        norms = [self.clipped(part) for part in learning]
        norm, progress = math.hypot(*norms), self.progress
        self.check(norm, "gradient", EXPLOSION * progress.norm if progress.step > SETTLED else math.inf)
        progress.norm = norm if not progress.step else 0.98 * progress.norm + 0.02 * norm
        self.tally.add("grad_norm", norm)
        self.optimiser.step()
        progress.step += 1

    def clipped(self, part: nn.Module) -> float:
        """Norm of the gradient of a part of the network, which is clipped on its own: heads have far larger ones (VGGT)."""
        norm = nn.utils.clip_grad_norm_(part.parameters(), self.preset.clip)
        return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)

    def check(self, value: float, what: str, limit: float = math.inf) -> None:
        """Stop, with the batch saved, at what is no number or far too large."""
        if math.isfinite(value) and value <= limit:
            return
        path = self.run / f"bad-batch-{self.progress.step:08d}-{self.place.rank}.pt"
        with replacing(path) as file:
            torch.save({key: value for key, value in asdict(self.batch).items()}, file)
        raise UserError(
            f"step {self.progress.step}: the {what} is {value:.4g}; the batch is in {path}, the last checkpoint is from "
            "before. Lower the learning rate, or look at the batch"
        )

    def count(self, loss: Tensor, found: dict[str, Tensor]) -> None:
        """Losses and measures of a batch."""
        self.progress.windows += len(self.batch.names) * self.place.world
        for name, value in {"loss": loss, **{f"loss_{name}": value for name, value in found.items()}}.items():
            self.tally.add(name, float(value.detach()))
        for name, (value, count) in measures(self.answer, self.batch).items():
            self.tally.add(name, value, count)

    def tell(self, bar: tqdm, pace: Pace) -> None:
        """Advance the bar, and write a row every few steps."""
        bar.update()
        progress = self.progress
        if progress.step % pace.log and progress.step != self.preset.steps:
            return
        means = self.joint(self.tally)
        self.tally = Tally()
        if self.journal is None:
            return
        row = {"step": progress.step, "windows": progress.windows, "seconds": round(progress.seconds, 2)}
        row |= {"lr": rate(progress.step - 1, self.preset), **{name: round(mean, 6) for name, mean in means.items()}}
        self.journal.write(row)
        if progress.step % pace.show == 0:
            self.journal.show(self.batch, self.answer, progress.step)
        speed = progress.windows / max(progress.seconds, 1e-9)
        bar.set_postfix(loss=means["loss"], motion=means.get("displacement_error", math.nan), per_s=f"{speed:.1f}")

    def joint(self, tally: Tally) -> dict[str, float]:
        """Means over the batches of all processes; all of them count the same names."""
        both = torch.tensor([list(tally.sums.values()), list(tally.counts.values())], dtype=torch.float64)
        sums, counts = self.place.mean(both.to(self.place.device)).tolist()
        return {name: part / count for name, part, count in zip(tally.sums, sums, counts, strict=True) if count}
