"""Weights of a Hugging Face folder: read as float32, or refused with the tensor at fault."""

import json

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mtt_jax.errors import UserError
from mtt_jax.model import hf

VOCAB, TABLE = 30, "embeddings.word_embeddings.weight"
SETTINGS = {
    "model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 12, "max_position_embeddings": 16, "hidden_act": "gelu",
}  # fmt: skip
LAYER = {
    "attention.self.query": (8, 8), "attention.self.key": (8, 8), "attention.self.value": (8, 8),
    "attention.output.dense": (8, 8), "attention.output.LayerNorm": (8,),
    "intermediate.dense": (12, 8), "output.dense": (8, 12), "output.LayerNorm": (8,),
}  # fmt: skip


def random_tensors():
    rng = np.random.default_rng(0)
    shapes = {
        TABLE: (VOCAB, 8),
        "embeddings.position_embeddings.weight": (16, 8),
        "embeddings.token_type_embeddings.weight": (2, 8),
        "embeddings.LayerNorm.weight": (8,),
        "embeddings.LayerNorm.bias": (8,),
    }
    for name, shape in LAYER.items():
        shapes[f"encoder.layer.0.{name}.weight"] = shape
        shapes[f"encoder.layer.0.{name}.bias"] = shape[:1]
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(SETTINGS))
    save_file(random_tensors(), tmp_path / "model.safetensors")
    return tmp_path


def change(folder, function):
    """Writes every tensor as `function(name, tensor)` returns it; None leaves it out."""
    file = folder / "model.safetensors"
    found = {name: function(name, leaf) for name, leaf in load_file(file).items()}
    save_file({n: np.ascontiguousarray(x) for n, x in found.items() if x is not None}, file)


def rename(folder, function):
    file = folder / "model.safetensors"
    save_file({function(name): leaf for name, leaf in load_file(file).items()}, file)


def table(folder):
    return hf.read_encoder(folder, VOCAB)["token_embedding"]["embedding"]


def complaint(folder, *arguments):
    with pytest.raises(UserError) as error:
        hf.read_encoder(folder, *(arguments or (VOCAB,)))
    message = str(error.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize(
    ("dtype", "error"), [("f8", 0), ("f4", 0), ("f2", 1e-2), (ml_dtypes.bfloat16, 1e-1)]
)
def test_floating_point_of_16_bits_and_more_becomes_float32(dtype, error, folder):
    before = table(folder)
    change(folder, lambda name, leaf: leaf.astype(dtype))
    assert table(folder).dtype == np.float32
    np.testing.assert_allclose(table(folder), before, atol=error, rtol=0)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [("i1", "I8"), ("u1", "U8"), ("?", "BOOL"), ("i4", "I32"), ("i8", "I64"), ("c8", "C64")],
)
def test_other_types_are_refused_with_tensor_and_type(dtype, name, folder):
    change(folder, lambda tensor, leaf: leaf.astype(dtype) if tensor == TABLE else leaf)
    assert f"model.safetensors: tensor {TABLE!r} is stored as {name}, not as" in complaint(folder)


@pytest.mark.parametrize("name", ["F8_E4M3", "F8_E5M2"])
def test_float8_is_refused_with_tensor_and_type(name, folder):
    change(folder, lambda tensor, leaf: leaf.astype("u1"))
    file = folder / "model.safetensors"
    size = int.from_bytes(file.read_bytes()[:8], "little")
    head = json.loads(file.read_bytes()[8 : 8 + size])
    for tensor in head:
        head[tensor]["dtype"] = name
    header = json.dumps(head).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header + file.read_bytes()[8 + size :])
    assert f"' is stored as {name}, not as one of F64, F32, F16, BF16" in complaint(folder)


def test_tensors_that_the_encoder_does_not_have_may_be_of_any_type(folder):
    tensors = {**load_file(folder / "model.safetensors"), "embeddings.position_ids": np.arange(16)}
    save_file(tensors, folder / "model.safetensors")
    assert table(folder).shape == (VOCAB, 8)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_numbers_that_float32_does_not_hold_are_refused_with_their_tensor(value, folder):
    def spoil(name, leaf):
        leaf = leaf.astype("f8")
        if name == TABLE:
            leaf[3, 3] = value
        return leaf

    change(folder, spoil)
    assert f"tensor {TABLE!r} is NaN or infinite, as float32, in 1 of 240" in complaint(folder)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_size": 16}, "'embeddings.position_embeddings.weight' has the shape [16, 8], but "
         "its config.json asks for [16, 16] (max_position_embeddings 16, hidden_size 16)"),
        ({"intermediate_size": 10}, "'encoder.layer.0.intermediate.dense.weight' has the shape "
         "[12, 8], but its config.json asks for [10, 8] (intermediate_size 10, hidden_size 8)"),
        ({"max_position_embeddings": 12}, "asks for [12, 8] (max_position_embeddings 12"),
        ({"num_attention_heads": 3}, "3 attention heads do not divide a width of 8"),
        ({"num_hidden_layers": 2}, "no tensor 'encoder.layer.1.attention.self.query.weight' in its "
         "model.safetensors; its config.json asks for more than there is"),
        ({"hidden_act": "swoosh"}, "config.json: activation 'swoosh' is not one of"),
        ({"model_type": ["bert"]}, "model_type ['bert'] is not one of bert"),
        ({"layer_norm_eps": None}, "config.json: a setting has an unexpected type"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_the_weights_are_named(settings, message, folder):
    (folder / "config.json").write_text(json.dumps({**SETTINGS, **settings}))
    found = complaint(folder)
    assert message in found
    assert found.count(str(folder)) == 1


def test_a_shape_with_another_number_of_axes_is_named(folder):
    name = "encoder.layer.0.output.dense.bias"
    change(folder, lambda tensor, leaf: leaf[None] if tensor == name else leaf)
    assert f"tensor {name!r} has the shape [1, 8], but its config.json asks for [8]" in complaint(
        folder
    )


def test_a_table_smaller_than_the_tokenizer_is_named(folder):
    assert (
        f"its tokenizer has ids up to 39, but tensor {TABLE!r} has only 30 rows; they do not belong"
    ) in complaint(folder, 40)
    found = hf.read_encoder(folder, 40, VOCAB)
    assert found["token_embedding"]["embedding"].shape == (VOCAB, 8)


def test_a_missing_tensor_is_named(folder):
    name = "encoder.layer.0.output.dense.bias"
    change(folder, lambda tensor, leaf: None if tensor == name else leaf)
    assert f"no tensor {name!r} in its model.safetensors" in complaint(folder)


@pytest.mark.parametrize("prefix", ["bert.", "model.", "module.bert.", "0.auto_model."])
def test_any_prefix_of_all_tensors_is_recognized(prefix, folder):
    before = table(folder)
    rename(folder, lambda name: prefix + name)
    np.testing.assert_array_equal(table(folder), before)


def test_layers_that_are_left_over_are_found_under_any_prefix(folder):
    tensors = load_file(folder / "model.safetensors")
    more = {n.replace("layer.0", "layer.1"): x for n, x in tensors.items() if "layer.0" in n}
    save_file({f"x.{n}": x for n, x in (tensors | more).items()}, folder / "model.safetensors")
    assert "16 tensors of layers are left over, such as 'x.encoder.layer.1." in complaint(folder)


def test_several_encoders_are_refused_unless_one_has_the_usual_name(folder):
    tensors = load_file(folder / "model.safetensors")
    both = {f"{prefix}{n}": x for prefix in ("teacher.", "student.") for n, x in tensors.items()}
    save_file(both, folder / "model.safetensors")
    assert "holds 2 encoders, as 'student.', 'teacher.', and none as 'bert.'" in complaint(folder)
    usual = {f"bert.{n}": x for n, x in tensors.items()}
    save_file(both | usual, folder / "model.safetensors")
    assert table(folder).shape == (VOCAB, 8)


def test_tensors_of_another_model_are_shown(folder):
    save_file({"wte.weight": np.zeros(3, "f")}, folder / "model.safetensors")
    assert "no tensor 'embeddings.position_embeddings.weight'" in complaint(folder)
    assert "it begins with 'wte.weight'" in complaint(folder)


@pytest.mark.parametrize("kept", [0, 3, 200, -5])
def test_a_file_that_was_cut_off_is_named(kept, folder):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:kept])
    assert f"{folder / 'model.safetensors'}: damaged: " in complaint(folder)


def test_a_missing_shard_is_named(folder):
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    save_file(tensors, folder / "model-00001-of-00002.safetensors")
    shards = dict.fromkeys(tensors, "model-00001-of-00002.safetensors")
    index = {"weight_map": {**shards, "pooler.dense.bias": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "names 1 of 2 files that are not in the folder, such as model-00002" in complaint(folder)
    save_file({"pooler.dense.bias": np.zeros(8, "f")}, folder / "model-00002-of-00002.safetensors")
    assert table(folder).shape == (VOCAB, 8)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pytorch_model.bin", "contains pytorch_model.bin, a pickle, which is never loaded"),
        ("pytorch_model-00001-of-00002.bin", "contains pytorch_model-00001-of-00002.bin, a pickle"),
        ("adapter_model.safetensors", "no model.safetensors, only adapter_model.safetensors"),
        ("tf_model.h5", "contains no model.safetensors."),
    ],
)
def test_weights_in_another_file_are_not_opened(name, message, folder):
    (folder / "model.safetensors").rename(folder / name)
    assert message in complaint(folder)
