"""What is fuzzed: for each target the inputs to draw, and what is done with one.

Whatever is drawn, there is a result or a refusal: a `UserError` of one line, or a `RequestError`
with a status of 4xx. Everything else is a failure: another exception, a wait without end, memory
out of proportion.
"""

import bz2
import contextlib
import functools
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import zstandard
from hypothesis import strategies as st
from ml_collections import ConfigDict
from safetensors.numpy import save

from mtt_jax.cli import COMMANDS
from mtt_jax.cli.options import Parser
from mtt_jax.config import files as config_files
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import default_config
from mtt_jax.data import inputs
from mtt_jax.data import tokenizer as tokenizers
from mtt_jax.data.clean import clean
from mtt_jax.data.encode import encode_texts, reading_of
from mtt_jax.data.readers.offsets import Annotated, check_unit, entities_of, lengthened, spans_of
from mtt_jax.data.readers.rows import Place
from mtt_jax.data.readers.spans import longest
from mtt_jax.data.words import split_words
from mtt_jax.errors import UserError
from mtt_jax.model import hf
from mtt_jax.model.hf import tensors
from mtt_jax.serve.schema import RequestError, checked, parsed, with_thresholds
from mtt_jax.serve.settings import Settings
from mtt_jax.tasks import align
from mtt_jax.tasks.schemes import (
    FILE_SCHEMES,
    illegal_tags,
    read_tagging,
    spans_to_tags,
    tags_to_spans,
)
from mtt_jax.weights import pretrained, saved_model
from tests.data.readers.test_any_file import EDIT, MORE, damaged, read_for_all_tasks
from tests.data.readers.test_every_format import SAMPLES
from tests.faults.hostile import (
    TEXTS,
    as_json,
    changed,
    damaged_bytes,
    damaged_json,
    hostile,
    texts,
)
from tests.helpers import make_config, save_four_tasks
from tests.model.test_hf_weights import SETTINGS as BERT
from tests.model.test_hf_weights import random_tensors


class Target(NamedTuple):
    """One kind of input.

    Attributes:
      name: for the table.
      inputs: the strategy that draws one.
      check: (input, empty folder) -> reads it; raises what a user would see.
    """

    name: str
    inputs: st.SearchStrategy
    check: Callable[[Any, Path], Any]


def attempt(target: Target, value: Any, folder: Path) -> str:
    """What comes of one input: "" for a result, otherwise the refusal.

    Raises:
      Exception: whatever else than a refusal.
    """
    try:
        target.check(value, folder)
    except UserError as error:
        message = str(error)
    except RequestError as error:
        if not 400 <= error.status < 500:
            raise
        message = error.message
    else:
        return ""
    assert message.strip(), "a refusal without a word"
    assert "Traceback" not in message
    return message


# Files with labels, in every format that is text


def _labelled(value, folder):
    name, content = value
    file = folder / name
    file.write_bytes(content)
    read_for_all_tasks(file)
    for one in inputs.open_inputs([str(file)]):
        assert all(line.fault or isinstance(line.text, str) for line in one.lines())


_FILES = {**{name: SAMPLES[name] for name in SAMPLES}, **{n: (n, t) for n, t in MORE.items()}}
_ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32-be")


def _text_file(sample, edits, encoding):
    name, content = sample
    return name, damaged(content, edits).encode(encoding, "replace")


TEXT_FILES = st.builds(
    _text_file,
    st.sampled_from(list(_FILES.values())),
    st.lists(EDIT, min_size=1, max_size=5),
    st.sampled_from(_ENCODINGS),
)

# The same with values of other types, in formats that are JSON

_JSON = {name: sample for name, sample in _FILES.items() if sample[0].endswith(("json", "jsonl"))}


def _json_file(sample):
    name, content = sample
    if name.endswith("jsonl"):
        rows = [json.loads(line) for line in content.splitlines()]
        lines = changed(rows).map(
            lambda v: b"\n".join(map(as_json, v if isinstance(v, list) else [v]))
        )
        return st.tuples(st.just(name), lines)
    return st.tuples(st.just(name), changed(json.loads(content)).map(as_json))


JSON_FILES = st.one_of(*(_json_file(sample) for sample in _JSON.values()))

# Packed and binary files


def _columns():
    return pa.table(
        {
            "text": ["Ann left", "Tom ran"],
            "label": ["a", "b"],
            "tokens": [["Ann", "left"], ["Tom", "ran"]],
            "ner_tags": [["B-PER", "O"], ["B-PER", "O"]],
        }
    )


def _parquet():
    stream = io.BytesIO()
    pyarrow.parquet.write_table(_columns(), stream)
    return stream.getvalue()


def arrow():
    """The bytes of an Arrow file."""
    stream = io.BytesIO()
    table = _columns()
    with pa.ipc.new_file(stream, table.schema) as file:
        file.write_table(table)
    return stream.getvalue()


def _zip(content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jsonl", content)
    return stream.getvalue()


_ROWS = SAMPLES["jsonl"][1].encode()
_PACKED = {
    "a.parquet": _parquet(),
    "a.arrow": arrow(),
    "a.jsonl.gz": gzip.compress(_ROWS, mtime=0),
    "a.jsonl.zst": zstandard.compress(_ROWS),
    "a.jsonl.bz2": bz2.compress(_ROWS),
    "a.zip": _zip(_ROWS),
    "a.jsonl.zip": _zip(_ROWS),
}
BINARY_FILES = st.one_of(
    *(st.tuples(st.just(name), damaged_bytes(data)) for name, data in _PACKED.items())
)

# Tags, offsets, words


def _tags(value, folder):
    sentences, scheme = value
    tagging = read_tagging(sentences, scheme)
    for tags in sentences:
        plain = [tagging.plain.get(tag, tag) for tag in tags]
        found = tags_to_spans(plain, tagging.read_as)
        assert all(0 <= start < end <= len(tags) for start, end, _ in found)
        assert all(a.end <= b.start for a, b in zip(found, found[1:], strict=False))
        for model_scheme in ("io", "iob2"):
            assert len(spans_to_tags(found, len(tags), model_scheme)) == len(tags)
    assert len(illegal_tags(sentences, tagging.scheme)) <= sum(map(len, sentences))


_TAG = st.sampled_from(
    ("O", "B-PER", "I-PER", "B", "I", "E-PER", "S-PER", "L-A", "U-A", "PER-B", "b-PER",
    "B:X", "-", "_",
     "0", "", "B-", "-B", "M-X", "o", "B-O", "I-O", "E-MAIL", "B_CELL")
) | st.text(max_size=4)  # fmt: skip
TAGS = st.tuples(
    st.lists(st.lists(_TAG, max_size=6), max_size=4), st.sampled_from(("auto", *FILE_SCHEMES))
)


def _offsets(value, folder):
    text, entities, unit = value
    place = Place(folder / "a.jsonl", 1, "line")
    annotated = Annotated(place, text, entities_of(entities, "spans", place, text))
    check_unit([annotated] * 6, "--config.data.ner")
    for one in (annotated, lengthened(annotated)):
        with contextlib.suppress(UserError):
            spans, _ = spans_of(one, unit)
            assert all(0 <= s.start < s.end <= len(text) for s in spans)
    longest([{"start": f.span[0], "end": f.span[1], "label": f.span[2]} for f in annotated[2]])


_NUMBER = st.integers(-2, 30) | st.sampled_from((10**6, 10**30, -(10**30), 2**63))
_ENTITY = (
    st.tuples(_NUMBER, _NUMBER, st.sampled_from(("PER", "", "é"))).map(list)
    | st.fixed_dictionaries(
        {"start": _NUMBER | hostile, "end": _NUMBER | hostile, "label": st.just("PER") | hostile}
    )
    | hostile
)
OFFSETS = st.tuples(
    texts,
    st.lists(_ENTITY, max_size=5) | hostile,
    st.sampled_from(("characters", "utf-16", "bytes")),
)


def _words(value, folder):
    text, cuts = value
    words = split_words(text)
    assert all(0 <= a < b <= len(text) for a, b in words)
    assert all(a[1] <= b[0] for a, b in zip(words, words[1:], strict=False))
    edges = sorted({min(cut, len(text)) for cut in cuts})
    theirs = np.array(list(zip(edges, edges[1:], strict=False)), np.int64).reshape(-1, 2)
    ours = np.array(words, np.int64).reshape(-1, 2)
    first, inside = align.overlapping(theirs, ours)
    assert first.shape == inside.shape == (len(ours),)
    assert not len(first) or -1 <= first.min() <= first.max() < len(theirs)


WORDS = st.tuples(texts, st.lists(st.integers(0, 200), max_size=12))


def _clean(text, folder):
    found = clean(text)
    assert len(found.text) == len(found.starts) == len(found.ends)
    assert all(0 <= a < b <= len(text) for a, b in zip(found.starts, found.ends, strict=True))
    assert list(found.starts) == sorted(found.starts)


# Tokenizers


@functools.cache
def small_tokenizer():
    """A tokenizer trained on three sentences."""
    return tokenizers.train(
        [*TEXTS[:4], "Ann left Oslo.", "Tom ran home."], make_config().tokenizer
    )


_CUT = ("", "Ann left Oslo.", "e\u0301 ﬁ 😀 \u200b a\x00b", "x" * 300)


def _use(tokenizer):
    assert tokenizers.size_without_added(tokenizer) <= tokenizers.vocabulary_size(tokenizer)
    tokenizers.subwords(tokenizer)
    read = list(encode_texts(tokenizer, list(_CUT), reading_of(make_config())))
    assert len(read) == len(_CUT)
    size = tokenizers.vocabulary_size(tokenizer)
    for one in read:
        assert 0 <= one.tokens.min() <= one.tokens.max() < size
        assert len(one.starts) == len(one.words) == len(one.features[one.starts])


def _tokenizer(value, folder):
    for name, data in value.items():
        (folder / name).write_bytes(data)
    main = "tokenizer.json" if "tokenizer.json" in value else "vocab.txt"
    _use(tokenizers.load(folder / main))


def _tokenizer_files():
    base = json.loads(small_tokenizer().to_str())
    vocab = "\n".join(sorted(small_tokenizer().get_vocab(), key=small_tokenizer().get_vocab().get))
    settings = {
        "tokenizer_class": "BertTokenizer", "do_lower_case": True, "strip_accents": None,
        "unk_token": "[UNK]", "cls_token": {"content": "[CLS]"}, "never_split": ["Ann"],
        "added_tokens_decoder": {"0": {"content": "[PAD]", "special": True}},
        "additional_special_tokens": ["[X]"],
    }  # fmt: skip
    vocab_bytes = vocab.encode("utf-8", "replace")
    return st.one_of(
        st.fixed_dictionaries({"tokenizer.json": damaged_json(base)}),
        st.fixed_dictionaries(
            {
                "tokenizer.json": st.just(as_json(base)),
                "tokenizer_config.json": damaged_json(settings),
            }
        ),
        st.fixed_dictionaries(
            {
                "vocab.txt": st.just(vocab_bytes) | damaged_bytes(vocab_bytes),
                "tokenizer_config.json": damaged_json(settings),
            }
        ),
        st.fixed_dictionaries(
            {
                "vocab.txt": st.just(vocab_bytes),
                "special_tokens_map.json": damaged_json(
                    {"unk_token": "[UNK]", "sep_token": "[SEP]"}
                ),
                "added_tokens.json": damaged_json({"[NEW]": 300, "[MASK]": 4}),
            }
        ),
    )


# Configs


def _flags():
    plain = config_files.to_plain(resolve(default_config()))
    found = []

    def walk(value, path):
        for name, inner in value.items():
            here = f"{path}.{name}"
            found.append(here)
            if isinstance(inner, dict):
                walk(inner, here)

    walk(plain, "config")
    return found


FLAGS = _flags()
_PART = st.sampled_from(
    ("labels", "topic", "ner", "tasks", "data", "train", "steps", "encoder", "phases", "phases[0]",
     "phases[1]", "phases[-1]", "phases[", "phases[]", "phases[0", "phases]", "phases[²]",
     "phases[99999999999999999999]",
     "labels[0]", "labels[0][1]", "", " ", "é", "__class__", "__dict__", "to_dict",
     "_fields", "items", "keys",
     "update", "lock", "0", "a b", "[0]", "[", "]", ".", "mlm", "weight", "init_from",
     "name", "kind", "tensorboard")
) | st.text(max_size=5)  # fmt: skip
_FLAG = st.one_of(
    st.sampled_from(FLAGS),
    st.builds("{}{}".format, st.sampled_from(FLAGS), st.sampled_from(
        ("[0]", "[", "]", "[]", "[-1]", "[0][0]", ".x", ".", "..", ".__class__", "[0].x",
        "[a]", "[1e9]"))),
    st.lists(_PART, min_size=0, max_size=4).map(lambda parts: ".".join(["config", *parts])),
)  # fmt: skip
_VALUE = st.none() | st.sampled_from(
    ("", " ", "0", "-1", "1e9", "1e400", "nan", "inf", "-inf", "1_000", "0x10", "٣", "true",
    "None", "a,b",
     "(", ")", "[", "('a',", "[[[[", "(" * 3000, "[" * 300, "'", '"', '"a', "''", "a=1",
     "a=1,a=2", "=", "=,", ",", "a=",
     "=1", "a==1", "10:20", "20:10", "0:0", ":", "9" * 30, "9" * 5000, "1" + "0" * 400,
     "O,PER", "O,O", "PER",
     "auto", "iob2", "runs/none", "/dev/zero", "/etc/passwd", "\x00", "\ud800", "😀",
     "topic=1, ner=1", "{}", "{'a': 1}",
     "topic", "ner=x", "b'a'", "f''", "lambda: 0", "__import__('os')", "1 if 1 else 0",
     "-" * 500, "a" * 5000)
) | st.text(max_size=20)  # fmt: skip
_NUMBERS = st.sampled_from(
    ("0", "1", "-1", "3", "0.5", "1e9", "1000000000", "1e30", "nan", "9" * 30)
)
_LIKELY = st.tuples(
    st.sampled_from(FLAGS), _NUMBERS | st.sampled_from(("", "a", "a,b", "true", "O,PER"))
)
OVERRIDES = st.one_of(
    st.lists(st.tuples(_FLAG, _VALUE), min_size=1, max_size=3),
    st.lists(_LIKELY, min_size=1, max_size=4),
)


def with_phases() -> ConfigDict:
    """A config that has labels and phases, whose elements flags can name."""
    config = default_config()
    config.tasks.topic.labels = ("sports", "others")
    config.tasks.ner.labels = ("O", "PER", "LOC")
    config.phases = (
        ConfigDict({"name": "a", "steps": 5, "tasks": ("topic",), "weights": ""}),
        ConfigDict({"name": "b", "steps": 5, "tasks": ("ner",), "weights": ""}),
    )
    return config


def _overrides(value, folder):
    for config in (default_config(), with_phases()):
        config_files.override(config, value)
        resolved = resolve(config)
        again = config_files.from_json(config_files.to_json(resolved))
        assert again == resolved


_ARGUMENT = st.one_of(
    st.tuples(_FLAG, _VALUE).map(lambda p: f"--{p[0]}" + ("" if p[1] is None else f"={p[1]}")),
    _FLAG.map(lambda flag: f"-{flag}"),
    st.sampled_from(
        ("--config=balanced", "--config", "--config=", "--config=none", "--config=.",
        "--config=\x00", "--json", "-q",
         "--", "-", "---", "--workdir", "--workdir=", "--=", "=", "-1", "--processes=x",
         "--process=-1",
         "--port=x", "--port=99999999999", "--engine=", "--learning_rate=1", "train.steps=5",
         "runs/none", "--config=" + "a" * 5000)
    ),
    _VALUE.map(lambda value: value or "x"),
)  # fmt: skip
ARGUMENTS = st.tuples(
    st.sampled_from(sorted(COMMANDS)), st.lists(_ARGUMENT, min_size=1, max_size=4)
)


def _arguments(value, folder):
    name, arguments = value
    parser = Parser(prog=f"mtt {name}", allow_abbrev=False)
    COMMANDS[name].add_arguments(parser)
    parser.set_defaults(commands=COMMANDS)
    try:
        options = COMMANDS[name].parse(parser, arguments)
    except SystemExit as end:
        if end.code:
            raise
        return  # --help, which it has printed
    if getattr(options, "overrides", None) is not None and hasattr(options, "config"):
        config_files.load_config(options.config, options.overrides)


def plain_config():
    """A config.json as Python has it."""
    return json.loads(config_files.to_json(resolve(with_phases())))


_PLAIN = plain_config()
CONFIG_JSON = st.one_of(
    damaged_json(_PLAIN),
    *(damaged_json({**_PLAIN, "format": number}) for number in (1, 2, 3)),
)


def _config_json(data, folder):
    config = config_files.from_json(data.decode("utf-8", "surrogateescape"))
    assert config_files.from_json(config_files.to_json(config)) == config


# Weights


def _safetensors(header, data):
    return len(header).to_bytes(8, "little") + header + data


_WHOLE = save(
    {"a": np.zeros((2, 3), np.float32), "b": np.ones(4, np.float16), "c": np.ones((), np.int8)}
)
_HEADER_LENGTH = int.from_bytes(_WHOLE[:8], "little")
_HEADER = json.loads(_WHOLE[8 : 8 + _HEADER_LENGTH])
_DATA = _WHOLE[8 + _HEADER_LENGTH :]
_OFFSET = st.sampled_from((-1, 0, 4, 24, 28, 32, 33, 10**9, 2**63, 2**64, 10**30))
_SHAPES = st.lists(_OFFSET, max_size=3)
SAFETENSORS = st.one_of(
    damaged_bytes(_WHOLE),
    st.builds(_safetensors, damaged_json(_HEADER), st.just(_DATA)),
    st.builds(
        lambda offsets, shape, dtype: _safetensors(
            as_json({**_HEADER, "a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}),
            _DATA,
        ),
        st.lists(_OFFSET, min_size=2, max_size=2),
        _SHAPES,
        st.sampled_from(("F32", "F64", "I8", "BOOL", "F4", "X", "F8_E4M3")),
    ),
)


def _read_tensors(data, folder):
    file = folder / "model.safetensors"
    file.write_bytes(data)
    assert all(leaf.dtype == np.float32 for leaf in tensors.read_all(file).values())


_MODERN = {
    "model_type": "modernbert", "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 12, "max_position_embeddings": 16, "hidden_activation": "gelu",
    "norm_eps": 1e-5,
    "global_rope_theta": 1e4, "local_rope_theta": 1e4, "local_attention": 8,
    "global_attn_every_n_layers": 2,
    "layer_types": ["full_attention", "sliding_attention"],
    "rope_parameters": {"full_attention": {"rope_theta": 1e4}},
}  # fmt: skip
_ROBERTA = {**BERT, "model_type": "roberta", "pad_token_id": 1, "layer_norm_eps": 1e-5}
_WEIGHTS = {"model.safetensors": save(random_tensors())}
_INDEX = {
    "metadata": {"total_size": 1},
    "weight_map": {"a": "one.safetensors", "b": "two.safetensors"},
}
HF_FOLDERS = st.one_of(
    st.fixed_dictionaries(
        {"config.json": st.one_of(*(damaged_json(one) for one in (BERT, _ROBERTA, _MODERN)))}
    ).map(lambda files: files | _WEIGHTS),
    st.fixed_dictionaries({"model.safetensors.index.json": damaged_json(_INDEX)}).map(
        lambda files: {"config.json": as_json(BERT), "one.safetensors": _WHOLE, **files}
    ),
    damaged_bytes(_WEIGHTS["model.safetensors"]).map(
        lambda data: {"config.json": as_json(BERT), "model.safetensors": data}
    ),
)


def _hf_folder(files, folder):
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "tokenizer.json").write_text("{}")
    config = default_config()
    config.encoder.init = str(folder)
    config.data.max_length, config.data.overlap = 8, 2
    complete = pretrained.complete(resolve(config))
    assert complete.encoder.layers < 100
    hf.read_encoder(folder, 30)


@functools.cache
def small_model(folder: Path):
    """File -> content of a model directory with a task of each kind."""
    save_four_tasks(folder, small_tokenizer(), (0.25, 0.5, 0.75))
    return {file.name: file.read_bytes() for file in (folder / "model").iterdir()}


def model_directories(folder: Path):
    """A strategy of model directories of which one file is damaged."""
    whole = small_model(folder)
    return st.one_of(
        *(
            st.tuples(
                st.just(name),
                damaged_json(json.loads(whole[name]))
                if name.endswith("json")
                else damaged_bytes(whole[name]),
            )
            for name in ("config.json", "fitted.json", "tokenizer.json", "model.safetensors")
        )
    ).map(lambda one: {**whole, one[0]: one[1]})


def _model_directory(files, folder):
    for name, data in files.items():
        (folder / name).write_bytes(data)
    model = saved_model.load(folder)
    assert [task.describe() for task in model.tasks]


# Requests

_REQUEST = {
    "text": "Ann left.", "model": "news", "embeddings": False,
    "thresholds": {"topic": 0.5, "ner": {"PER": 0.5, "LOC": None}},
}  # fmt: skip
_BATCH = {"texts": ["Ann left Oslo.", "", "a"], "thresholds": {"subjects": 0.1}}
BODIES = st.one_of(
    damaged_json(_REQUEST),
    damaged_json(_BATCH),
    st.binary(max_size=50),
    hostile.map(as_json),
    st.fixed_dictionaries({"texts": st.lists(texts, max_size=4)}).map(as_json),
    st.integers(1, 4000).map(lambda n: b'{"text":' + b"[" * n),
    st.integers(1, 4000).map(lambda n: b'{"a":' * n + b"1" + b"}" * n),
)


def requests(tasks) -> Target:
    """The target of bodies for a server whose model has some tasks."""
    settings = Settings()

    def check(body, folder):
        request = parsed(body)
        for text in checked(request, settings):
            text.encode()
        with_thresholds(tasks, request.thresholds)

    return Target("body of POST /predict", BODIES, check)


def targets(folder: Path) -> list[Target]:
    """All targets.

    Args:
      folder: for a model that some of them need.
    """
    models = model_directories(folder)
    return [
        Target("data files: text", TEXT_FILES, _labelled),
        Target("data files: JSON", JSON_FILES, _labelled),
        Target("data files: binary", BINARY_FILES, _labelled),
        Target("tags", TAGS, _tags),
        Target("offsets", OFFSETS, _offsets),
        Target("words", WORDS, _words),
        Target("clean", texts, _clean),
        Target("tokenizer files", _tokenizer_files(), _tokenizer),
        Target("overrides", OVERRIDES, _overrides),
        Target("command lines", ARGUMENTS, _arguments),
        Target("config.json", CONFIG_JSON, _config_json),
        Target("safetensors", SAFETENSORS, _read_tensors),
        Target("Hugging Face folders", HF_FOLDERS, _hf_folder),
        Target("model directories", models, _model_directory),
        requests(saved_model.load(folder).tasks),
    ]
