"""Models of well-known sizes with random weights, and batches made in advance for them."""

import itertools

import numpy as np

from benchmarks.common.corpora import generated_ids
from benchmarks.common.steps import config_of, random_targets
from mtt_jax.data.pack import Piece, assign_rows, lay_out

PRESETS = {
    "tiny": {"layers": 2, "width": 64, "heads": 2, "feedforward": 128},  # to try a command
    "minilm": {"layers": 6, "width": 384, "heads": 12, "feedforward": 1536},
    "bert-base": {"layers": 12, "width": 768, "heads": 12, "feedforward": 3072},
}
# Subwords of BERT's vocabulary, the longest sentence, and batches that are made.
VOCAB, LONGEST, READY = 30522, 128, 8


def config_of_preset(preset, rows, length, folder=""):
    """An encoder like BERT's of the preset's size, or the one in a folder."""
    train = {"batch_rows": rows, "row_length": length, "learning_rate": 1e-4}
    if folder:
        from mtt_jax.weights import pretrained

        return pretrained.complete(config_of({"init": folder, "pooling": "cls"}, train))
    bert = {"norm": "post", "activation": "gelu", "norm_epsilon": 1e-12, "pooling": "cls"}
    return config_of({**bert, **PRESETS[preset]}, train)


def preset_sentences(rows, length):
    """Subword ids of sentences that fill the batches twice."""
    return generated_ids(2 * READY * rows * length // 50, VOCAB, LONGEST)


def ours_ready_made(sentences, config):
    """Yields the same batches again and again: sentences packed, each labelled for both tasks."""
    rng, tasks = np.random.default_rng(0), config.task_list

    def piece(tokens):
        units = {"sentence": (), "word": (len(tokens),)}  # a label per subword
        none = np.zeros((len(tokens), 0), np.int32)
        return Piece(tokens, none, starts=np.arange(0), targets={
            task.name: (random_targets(task, units[task.unit], rng), np.ones(units[task.unit]))
            for task in tasks
        })  # fmt: skip

    pieces = [piece(sentence) for sentence in sentences]
    rows, length = config.train.batch_rows, config.train.row_length
    packed = assign_rows([len(piece.tokens) for piece in pieces], length, config.slots)
    mixed = [[pieces[i] for i in packed[row]] for row in rng.permutation(len(packed))]
    batches = [
        lay_out(mixed[i * rows : (i + 1) * rows], tasks, length, config.slots, rows)
        for i in range(READY)
    ]
    return itertools.cycle(batches)
