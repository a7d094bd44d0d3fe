"""Engines: what runs the model in prediction, JAX or ONNX Runtime.

Each is called with (examples, aggregation) and returns inferences, in order.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mtt_jax.config.schema import ENGINES, Config
from mtt_jax.data.encode import Window, windows
from mtt_jax.data.pack import Piece, lay_out
from mtt_jax.data.tokenizer import vocabulary_size
from mtt_jax.devices import startup
from mtt_jax.errors import one_of
from mtt_jax.predict import graph
from mtt_jax.scoring.infer import (
    Inference,
    add_window,
    all_finite,
    each_finite,
    empty_inferences,
    infer,
    make_forward,
)
from mtt_jax.types import Example
from mtt_jax.weights import saved_model
from mtt_jax.weights.build import build_model
from mtt_jax.weights.saved_model import SavedModel

# Shapes of a compiled batch. With all-MiniLM-L6-v2 on two cores, 8 rows of 128 positions run at
# 8,100 tokens per second, 16 at 7,900 and a single one at 6,200; what fits in one row takes 7 ms at
# 32 positions, 11 at 64, 15 at 96 and 20 at 128.
_ROWS = (1, 2, 4, 8)
_POSITIONS = 32
# Positions of a batch for ONNX Runtime. Of 256 to 8,192, measured with all-MiniLM-L6-v2 on news and
# two cores, 512 was fastest: 135 texts per second, against 125 with 2,048 and 85 with 8,192.
_ONNX_POSITIONS = 512
# Batches at a time, so that the windows of each are of similar length.
_ONNX_BATCHES = 4


Progress = Callable[[int], None]


@dataclass(frozen=True)
class Engine:
    """What runs the model.

    Attributes:
      run: (examples, aggregation, progress) -> what the model says about each example, in order;
        progress is called with the number of examples that it has begun to read.
      batch_tokens: subwords that fill a batch; with fewer at a time it is slower per text.
      warm_up: compiles what `run` needs before it is needed, yielding after each shape.
    """

    run: Callable[[Sequence[Example], str, Progress | None], list[Inference]]
    batch_tokens: int
    warm_up: Callable[[], Iterator[None]]

    def __call__(
        self, examples: Sequence[Example], aggregation: str, progress: Progress | None = None
    ) -> list[Inference]:
        """See `run`."""
        return self.run(examples, aggregation, progress)


def load_for(engine: str, path: str | Path, verify: bool = True) -> SavedModel:
    """What an engine needs of a directory; see `saved_model.load`."""
    return saved_model.load(path, graph_is_enough=engine.startswith("onnx"), verify=verify)


def open_engine(name: str, model: SavedModel) -> Engine:
    """The engine with this name, ready to run a model.

    Raises:
      UserError: for an unknown name, or a package that is missing.
    """
    one_of("engine", name, _ENGINES)
    return _ENGINES[name](model)


def _jax(model: SavedModel, dtype: str = "") -> Engine:
    """Packed rows through the jitted model, in its own dtype or in another."""
    startup.prepare()
    startup.start_devices()
    encoder = model.config.encoder
    encoder = dataclasses.replace(encoder, dtype=dtype or encoder.dtype)
    config = dataclasses.replace(model.config, encoder=encoder)
    params = jax.tree.map(jax.numpy.asarray, model.params)
    forward = make_forward(build_model(config, vocabulary_size(model.tokenizer)))

    tasks, row_length = model.tasks, config.train.row_length

    def run(
        examples: Sequence[Example], aggregation: str, progress: Progress | None = None
    ) -> list[Inference]:
        length = _row_length(examples, config)
        read = partial(infer, forward, params, examples, config, _ROWS)
        return list(read(aggregation, length, tasks, progress))

    def warm_up() -> Iterator[None]:
        """One row of each length, and each number of rows of the full length: what `run` packs."""
        features = np.zeros((1, len(encoder.word_features)), np.int32)
        piece = Piece(np.zeros(1, np.int32), features, {}, np.zeros(0, np.int32))
        short = ((1, length) for length in range(_POSITIONS, row_length, _POSITIONS))
        for rows, length in (*short, *((rows, row_length) for rows in _ROWS)):
            batch = lay_out([[piece]], tasks, length, config.slots, rows)
            jax.block_until_ready(forward(params, batch))
            yield

    return Engine(run, _ROWS[-1] * row_length, warm_up)


def _row_length(examples: Sequence[Example], config: Config) -> int:
    """L: as short as possible for what fits in one row; so few shapes are ever compiled."""
    total = sum(len(example.tokens) for example in examples)
    longest = max((len(example.tokens) for example in examples), default=0)
    if longest > config.data.max_length or len(examples) > config.slots:
        return config.train.row_length
    return min(-(-total // _POSITIONS) * _POSITIONS, config.train.row_length)


def _onnx(model: SavedModel, int8: bool = False) -> Engine:
    """Batches of windows of similar length through ONNX Runtime."""
    session = graph.onnx_session(model, int8)
    config, tasks = model.config, model.tasks
    names = graph.output_names(config)

    def batched(
        examples: Sequence[Example],
        aggregation: str,
        positions: int = _ONNX_POSITIONS,
        progress: Progress | None = None,
    ) -> list[Inference]:
        begun: set[int] = set()
        found = empty_inferences(examples, tasks, config.encoder.width)
        pieces = windows(examples, config.data.max_length, config.data.overlap)
        for batch in _by_length(list(pieces), positions):
            ids = np.zeros((len(batch), len(batch[0].tokens)), np.int32)
            mask = np.zeros_like(ids)
            features = np.zeros((*ids.shape, len(config.encoder.word_features)), np.int32)
            for row, piece in enumerate(batch):
                ids[row, : len(piece.tokens)] = piece.tokens
                mask[row, : len(piece.tokens)] = 1
                features[row, : len(piece.tokens)] = piece.features
            inputs = dict(zip(graph.input_names(config), (ids, mask, features), strict=False))
            results = graph.run_onnx(session, names, inputs, model.path)
            outputs: dict[str, Any] = dict(zip(names, results, strict=True))
            sound = all_finite(results)
            # A batch shares the scales of int8: infinity in one row makes zeros of the others.
            apart = not int8 or len(batch) == 1
            for row, piece in enumerate(batch):
                logits = {task.name: outputs[task.name][row] for task in tasks}
                embedding = outputs[graph.EMBEDDING][row]
                if sound or (apart and all_finite([*logits.values(), embedding])):
                    add_window(found[piece.source], piece, tasks, logits, embedding, aggregation)
                else:
                    found[piece.source] = found[piece.source]._replace(finite=False)
            begun.update(piece.source for piece in batch)
            if progress:
                progress(len(begun))
        return found

    def run(
        examples: Sequence[Example], aggregation: str, progress: Progress | None = None
    ) -> list[Inference]:
        alone = partial(batched, aggregation=aggregation, positions=0)
        found = batched(examples, aggregation, progress=progress)
        return each_finite(found, examples, alone)

    def warm_up() -> Iterator[None]:
        """One short text: nothing is compiled, but the first call allocates its memory."""
        ids, features = np.zeros(2, np.int32), len(config.encoder.word_features)
        none = np.zeros(0, np.int32)
        run(
            [Example(ids, none, none.reshape(0, 2), {}, np.zeros((2, features), np.int32))], "first"
        )
        yield

    return Engine(run, _ONNX_BATCHES * _ONNX_POSITIONS, warm_up)


def _by_length(pieces: list[Window], positions: int) -> list[list[Window]]:
    """Batches of windows, longest first, none with more positions unless it has one window."""
    batches: list[list[Window]] = []
    for piece in sorted(pieces, key=lambda piece: -len(piece.tokens)):
        room = batches and (len(batches[-1]) + 1) * len(batches[-1][0].tokens) <= positions
        if room:
            batches[-1].append(piece)
        else:
            batches.append([piece])
    return batches


_MAKERS: list[Callable[[SavedModel], Engine]] = [
    _jax,
    partial(_jax, dtype="bfloat16"),
    _onnx,
    partial(_onnx, int8=True),
]
_ENGINES = dict(zip(ENGINES, _MAKERS, strict=True))
