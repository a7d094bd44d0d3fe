"""Training steps of transformers with PyTorch, for the benchmarks to set ours beside.

On a GPU the model is compiled unless --no-compile says otherwise, AdamW is fused and float32
products may run in TF32, as XLA's do; attention is transformers' default, PyTorch's scaled dot
product. bfloat16 is by autocast.
"""

import contextlib
import itertools
import os
import sys

import numpy as np
from finetune import grouped, padded

# Tensor cores like widths that this divides.
MULTIPLE = 8


class PeerStep:
    """Steps of a model; each call takes one and returns its real tokens.

    Attributes:
      dtype: "float32" or "bfloat16".
    """

    def __init__(self, model, batches, dtype, learning_rate, gpu, compiled):
        """Takes a model of transformers and an iterator of (ids, mask, labels), PyTorch's."""
        import torch

        if gpu and not torch.cuda.is_available():
            sys.exit("error: JAX runs on a GPU and this PyTorch cannot; install its build for CUDA")
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        torch.set_float32_matmul_precision("high" if gpu else "highest")
        torch.manual_seed(0)
        self.torch, self.dtype, self.batches = torch, dtype, batches
        self.device = "cuda" if gpu else "cpu"
        self.model = model.to(self.device).train()
        self.parameters = list(self.model.parameters())
        self.optimizer = torch.optim.AdamW(self.parameters, lr=learning_rate, fused=gpu or None)
        if compiled:
            self.model = torch.compile(self.model, dynamic=True)
        self.positions = self.taken = 0

    def __call__(self):
        torch = self.torch
        ids, mask, labels = next(self.batches)
        tokens = int(mask.sum())
        self.taken += ids.shape[0]
        self.positions += ids.numel()
        ids, mask, labels = (t.to(self.device, non_blocking=True) for t in (ids, mask, labels))
        rounded = torch.autocast(self.device, torch.bfloat16)
        with rounded if self.dtype == "bfloat16" else contextlib.nullcontext():
            loss = self.model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return tokens

    def wait(self):
        """Returns when the steps taken are done."""
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    @property
    def width(self):
        """Mean positions of a row so far."""
        return self.positions / self.taken


def batch_members(lengths, order, size):
    """Endless batches of indices, in random order or of like length."""
    rng = np.random.default_rng(0)
    while True:
        if order == "grouped":
            yield from grouped(lengths, size, rng)
        else:
            mixed = rng.permutation(len(lengths))
            yield from (mixed[i : i + size] for i in range(0, len(mixed), size))


def batches_of(rows, task, order, size):
    """Yields (ids, mask, labels) of rows of `finetune.peer_rows`, padded to the longest."""
    for members in batch_members([len(row[0]) for row in rows], order, size):
        yield padded([rows[i] for i in members], task)


def ready_made(sentences, task, order, size, count):
    """The same `count` full batches again and again, of subword ids and a class for each."""
    import torch

    members = batch_members([len(sentence) for sentence in sentences], order, size)
    full = (chosen for chosen in members if len(chosen) == size)
    rng, found = np.random.default_rng(0), []
    for chosen in itertools.islice(full, count):
        rows = [(sentences[i], int(rng.integers(0, len(task.classes)))) for i in chosen]
        batch = padded(rows, task, MULTIPLE)
        found.append(tuple(t.pin_memory() for t in batch) if torch.cuda.is_available() else batch)
    return itertools.cycle(found)
