"""transformers with PyTorch: models, rows of a task, batches and training steps of the peer.

Needs requirements-peers.txt. On a GPU the model is compiled unless --no-compile is given, AdamW is
fused and float32 matmuls may run in TF32, as XLA's do; attention is transformers' default,
PyTorch's scaled dot product. bfloat16 is by autocast.
"""

import contextlib
import itertools
import os
import sys
from importlib.util import find_spec

import numpy as np

from benchmarks.common.corpora import reading_of

# The label that PyTorch's cross-entropy ignores.
IGNORED = -100
# Tensor cores like widths that this divides.
_MULTIPLE = 8
_AUTO = {"sentence": "SequenceClassification", "word": "TokenClassification"}


def installed():
    """Whether both libraries are there."""
    return all(map(find_spec, ("torch", "transformers")))


def require():
    """Ends the process with a hint if they are not."""
    if not installed():
        sys.exit("error: this needs pip install -r requirements-peers.txt")


def quiet_transformers():
    """The library, without notices and progress bars."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def use_all_cores():
    """Lets PyTorch use every core that this process may run on."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))


def weights_folder(init):
    """Where the pretrained weights of `encoder.init` are, for `from_pretrained`."""
    from mtt_jax.weights import pretrained

    return str(pretrained.find(init))


def tokenizer_of(init):
    """The tokenizer of transformers for `encoder.init`."""
    return quiet_transformers().AutoTokenizer.from_pretrained(weights_folder(init))


def model_for(task, init):
    """The AutoModelFor...Classification of a task, with a fresh head."""
    auto = getattr(quiet_transformers(), f"AutoModelFor{_AUTO[task.unit]}")
    kind = {"problem_type": task.problem_type} if task.problem_type else {}
    return auto.from_pretrained(weights_folder(init), num_labels=len(task.classes), **kind)


def peer_rows(task, records, tokenizer, longest):
    """What transformers reads of a task's records.

    Args:
      task: of a config.
      records: all with a label of the task.
      tokenizer: of transformers.
      longest: subwords of a row; longer sentences are cut.

    Returns:
      One (ids, label, first subword of each word) per record. The label is that of the sentence,
      or one per position; only a task per word has the last.
    """
    readings = [reading_of(record) for record in records]
    arrays = task.encode([r.labels[task.name] for r in records], [r.places for r in readings])
    gold = [task.example(arrays, index) for index in range(len(records))]
    if task.unit == "sentence":
        texts = [reading.text for reading in readings]
        encoded = tokenizer(texts, truncation=True, max_length=longest)
        rows = zip(encoded["input_ids"], gold, strict=True)
        return [(ids, label, {}) for ids, label in rows]
    words = [reading.words for reading in readings]
    encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=longest)
    rows = []
    for index, label in enumerate(gold):
        ids, firsts = encoded["input_ids"][index], {}
        for place, word in enumerate(encoded.word_ids(index)):
            if word is not None:
                firsts.setdefault(word, place)
        read, starts = (np.array(list(x), np.int64) for x in (firsts, firsts.values()))
        values, mask = task.target(label, read, starts, len(ids))
        rows.append((ids, np.where(mask > 0, values, IGNORED), firsts))
    return rows


def padded(rows, task, multiple=1):
    """input_ids, attention_mask and labels as tensors, of a width that `multiple` divides."""
    import torch

    width = -(-max(len(row[0]) for row in rows) // multiple) * multiple
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros_like(ids)
    labels = torch.full_like(ids, IGNORED)
    for index, row in enumerate(rows):
        size = len(row[0])
        ids[index, :size] = torch.as_tensor(row[0])
        mask[index, :size] = 1
        if task.unit == "word":
            labels[index, :size] = torch.as_tensor(row[1])
    if task.unit == "sentence":
        labels = torch.as_tensor(np.array([row[1] for row in rows]))
    return ids, mask, labels


def grouped_by_length(lengths, batch, rng):
    """Batches of similar length in random order: shuffled, then sorted within fifty batches."""
    order = rng.permutation(len(lengths))
    batches = []
    for begin in range(0, len(order), 50 * batch):
        part = sorted(order[begin : begin + 50 * batch], key=lambda i: -lengths[i])
        batches += [part[i : i + batch] for i in range(0, len(part), batch)]
    return [batches[i] for i in rng.permutation(len(batches))]


def _batch_members(lengths, order, size):
    """Yields batches of indices forever, in random order or grouped by length."""
    rng = np.random.default_rng(0)
    while True:
        if order == "grouped":
            yield from grouped_by_length(lengths, size, rng)
        else:
            mixed = rng.permutation(len(lengths))
            yield from (mixed[i : i + size] for i in range(0, len(mixed), size))


def batches_of(rows, task, order, size):
    """Yields (ids, mask, labels) of rows from `peer_rows`, padded to the longest."""
    for members in _batch_members([len(row[0]) for row in rows], order, size):
        yield padded([rows[i] for i in members], task)


def ready_made(sentences, task, order, size, count):
    """The same `count` full batches again and again, with a random class per sentence."""
    import torch

    members = _batch_members([len(sentence) for sentence in sentences], order, size)
    full = (chosen for chosen in members if len(chosen) == size)
    rng, found = np.random.default_rng(0), []
    for chosen in itertools.islice(full, count):
        rows = [(sentences[i], int(rng.integers(0, len(task.classes)))) for i in chosen]
        batch = padded(rows, task, _MULTIPLE)
        found.append(tuple(t.pin_memory() for t in batch) if torch.cuda.is_available() else batch)
    return itertools.cycle(found)


class PeerStep:
    """Training steps of a model; each call takes one and returns its real tokens.

    Attributes:
      dtype: "float32" or "bfloat16".
    """

    def __init__(self, model, batches, dtype, learning_rate, gpu, compiled):
        """Takes a model of transformers and an iterator of (ids, mask, labels) tensors."""
        import torch

        if gpu and not torch.cuda.is_available():
            sys.exit("error: JAX runs on a GPU, this PyTorch cannot; install its build for CUDA")
        use_all_cores()
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
        """Returns when all steps so far are computed."""
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    @property
    def width(self):
        """Mean positions per row so far."""
        return self.positions / self.taken
