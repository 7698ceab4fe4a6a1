"""The worker for PyTorch:  python torch_worker.py JOB_FOLDER eager|fused|compile|graphs cpu|cuda

eager     as the source documents write it: their modules, torch.optim's defaults, the loss read at every step
fused     the same, with the fused optimizer (RMSprop has none: foreach), the losses read at the end of a block
compile   torch.compile of loss and gradients, mu and logvar as one layer, fused optimizer (RMSprop: compiled, with the
          clipping)
graphs    compile, whose kernels are launched as CUDA graphs; on a GPU alone

Images are a uint8 tensor; a step takes its rows and scales them. No step waits for anything.
"""

import functools
import pathlib
import sys
import time

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from pipes import serve  # noqa: E402

import cases  # noqa: E402
import torch_losses  # noqa: E402
import torch_networks  # noqa: E402
from rates import repeated  # noqa: E402


class Training:
    """A model, its optimizer and its data."""

    def __init__(self, job, variant, device):
        self.job, self.variant, self.device = job, variant, device
        literal = variant in ("eager", "fused")
        mode = "reduce-overhead" if variant == "graphs" else "default"
        self.compiled = (lambda f: f) if literal else (lambda f: torch.compile(f, mode=mode))
        self.images, self.labels = (self.loaded(job.file(f"{kind}.npy")) for kind in ("images", "labels"))
        self.noise = [self.loaded(path) for path in sorted(pathlib.Path(job.folder).glob("noise_*.npy"))]
        self.model = torch_losses.MODELS[job.name](job.config, job.image_shape, job.n_classes, literal)
        with np.load(job.file("weights.npz")) as stored:
            torch_networks.load_in_order(self.model, list(stored.values()))
        if literal:
            for module in list(self.model.modules()):
                if isinstance(module, torch_networks.GaussianHead):
                    module.separate()
        self.model.to(device)
        self.update = self.wgan_step() if job.name == "wgan" else self.adam_step()

    def loaded(self, path):
        return torch.from_numpy(np.load(path)).to(self.device)

    def draws(self, step):
        return [pool[(step - self.job.first_step) % cases.CHECKED_STEPS] for pool in self.noise]

    def kept(self, loss):
        """A loss to read later; a CUDA graph's output is overwritten by the next step."""
        return loss.detach().clone() if self.variant == "graphs" else loss.detach()

    def adam_step(self):
        optimizer = torch.optim.Adam(
            self.model.parameters(), lr=self.job.config["lr"], fused=self.variant != "eager" or None
        )
        loss_of = self.compiled(lambda x, y, *noise: self.model(x.float() / 255, y, *noise))

        def step(indices, number):
            optimizer.zero_grad()
            loss = loss_of(self.images[indices], self.labels[indices], *self.draws(number))
            loss.backward()
            optimizer.step()
            return {"loss": self.kept(loss)}

        return step

    def wgan_step(self):
        model, config = self.model, self.job.config
        make = {} if self.variant == "eager" else {"foreach": True}
        critic_optimizer = torch.optim.RMSprop(model.critic.parameters(), lr=config["lr"], **make)
        generator_optimizer = torch.optim.RMSprop(model.generator.parameters(), lr=config["lr"], **make)
        generator_parameters = list(model.generator.parameters())
        critic_loss = self.compiled(lambda x, z: model.critic_loss(x.float() / 255, z))
        generator_loss = self.compiled(model.generator_loss)
        clip = config["clip"]

        @torch.no_grad()
        def clip_weights():
            if self.variant == "eager":
                for p in model.critic.parameters():
                    p.clamp_(-clip, clip)
            else:
                torch._foreach_clamp_min_(list(model.critic.parameters()), -clip)
                torch._foreach_clamp_max_(list(model.critic.parameters()), clip)

        update_critic = self.compiled(lambda: (critic_optimizer.step(), clip_weights()))
        update_generator = self.compiled(generator_optimizer.step)

        def step(indices, number):
            z = self.draws(number)
            critic_optimizer.zero_grad()
            loss = critic_loss(self.images[indices], z[0])
            loss.backward()
            update_critic()
            terms = {"critic_loss": self.kept(loss)}
            if number % config["n_critic"] == 0:
                generator_optimizer.zero_grad()
                loss = generator_loss(z[1])
                loss.backward(inputs=generator_parameters)  # the critic's gradients are not wanted
                update_generator()
                terms["generator_loss"] = self.kept(loss)
            return terms

        return step

    def run_block(self, block, count):
        """`count` steps -> (seconds, the terms of every step)."""
        order = self.loaded(self.job.file(f"order_{block}.npy"))
        first = cases.first_step_of(block, count, self.job.steps_per_epoch)
        started, terms = time.perf_counter(), []
        for position in range(count):
            if self.variant == "graphs":  # what earlier steps returned may be overwritten from here on
                torch.compiler.cudagraph_mark_step_begin()
            found = self.update(order[position], first + position)
            terms.append({k: v.item() for k, v in found.items()} if self.variant == "eager" else found)
        terms = [{k: float(v) for k, v in found.items()} for found in terms]
        return time.perf_counter() - started, terms

    def work(self, block, count):
        """What a step must do at least: FLOPs of matrix products and convolutions, forwards and backwards; bytes of
        parameters, gradients and moments that its optimizers read and write (Adam: 7 floats a parameter, RMSprop: 5).
        """
        with FlopCounterMode(display=False) as counter:
            self.run_block(block, count)
        if self.job.name == "wgan":
            critic, generator = (n_parameters(part) for part in (self.model.critic, self.model.generator))
            n_bytes = 4 * 5 * (critic + generator / self.job.config["n_critic"])
        else:
            n_bytes = 4 * 7 * n_parameters(self.model)
        return {"flops": counter.get_total_flops() / count, "bytes": n_bytes}


def n_parameters(module):
    return sum(p.numel() for p in module.parameters())


def finished(device):
    """Wait for what a GPU still has to do."""
    if device == "cuda":
        torch.cuda.synchronize()


def gemm_rate(size, seconds, device="cpu"):
    """GFLOP/s of PyTorch's matrix product for `size`^3, in float32."""
    a, b, out = (torch.rand(size, size, device=device) for _ in range(3))
    return {"gflops": 2e-9 * size**3 / repeated(lambda: (torch.mm(a, b, out=out), finished(device)), seconds)}


def copy_rate(n_bytes, seconds, device="cuda"):
    """GB/s, read and written bytes counted, of copying on the device `n_bytes` (256 MB at least)."""
    n = max(n_bytes, 2**28) // 2  # one copy lasts long enough for its launch not to count
    source, target = (torch.zeros(n, dtype=torch.uint8, device=device) for _ in range(2))
    return {"gb_per_s": 2e-9 * n / repeated(lambda: (target.copy_(source), finished(device)), seconds)}


def main():
    device = sys.argv[3]
    torch.backends.cudnn.allow_tf32 = False  # all compute in float32
    training = Training(cases.Job.read(sys.argv[1]), sys.argv[2], device)

    rates = {rate.__name__: functools.partial(rate, device=device) for rate in (gemm_rate, copy_rate)}
    serve({"steps": cases.steps_with(training.run_block), "work": training.work, **rates})


if __name__ == "__main__":
    main()
