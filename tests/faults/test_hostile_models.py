"""Model folders from strangers: each kind of attack and damage ends in one line, at once."""

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save, save_file

from mtt_jax.cli import main
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import default_config
from mtt_jax.errors import UserError
from mtt_jax.model import hf
from mtt_jax.serve import models
from mtt_jax.weights import pretrained, saved_model
from tests.helpers import save_untrained
from tests.model.test_hf_weights import SETTINGS, VOCAB, random_tensors


def unverified(folder):
    """The model of a folder whose manifest was written by the same stranger."""
    return saved_model.load(folder, verify=False)


@pytest.fixture
def bert(tmp_path):
    """A Hugging Face folder of a tiny BERT."""
    folder = tmp_path / "bert"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(SETTINGS))
    (folder / "tokenizer.json").write_text("{}")
    save_file(random_tensors(), folder / "model.safetensors")
    return folder


def opened(folder):
    """What a run does with `encoder.init`: sizes first, from headers; then the weights."""
    config = default_config()
    config.encoder.init = str(folder)
    config.data.max_length, config.data.overlap = 8, 2
    pretrained.complete(resolve(config))
    return hf.read_encoder(folder, VOCAB)


def refusal(function, *arguments):
    with pytest.raises(UserError) as error:
        function(*arguments)
    message = str(error.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 600
    return message


def header_of(data):
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_header(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def changed(tensor, **fields):
    """Safetensors of two tensors, "a" and "b" of 16 bytes each, with one entry changed."""
    header, data = header_of(save({n: np.zeros((2, 2), np.float32) for n in "ab"}))
    return with_header({**header, tensor: {**header[tensor], **fields}}, data)


WHOLE = save({n: np.zeros((2, 2), np.float32) for n in "ab"})
HEADER, DATA = header_of(WHOLE)
TWICE = json.dumps(HEADER).encode()[:-1] + b', "a": ' + json.dumps(HEADER["b"]).encode() + b"}"


def test_the_folder_as_it_is_can_be_read(bert):
    assert opened(bert)["token_embedding"]["embedding"].shape == (VOCAB, 8)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file has 0 bytes"),
        (WHOLE[:5], "the file has 5 bytes"),
        (WHOLE[:-3], "tensor 'b' is at the bytes 16 to 32, and the file ends at 29"),
        (WHOLE[:40], "its header would have"),
        ((2**62).to_bytes(8, "little") + b"{}", "its header would have 4,611,686,018,427,387,904"),
        (with_header(b"[]", b""), "its header is not a JSON object"),
        (with_header(b"\xef\xbb\xbf{}", b""), "its header begins with a byte order mark"),
        (with_header(b'{"a": NaN}', b""), "its header is not JSON: NaN"),
        (with_header(b"[" * 3000, b""), "its header is nested too deeply"),
        (with_header(TWICE, DATA), "its header has the key 'a' twice"),
        (with_header({"a": {}}, b""), "tensor 'a' has no dtype, shape and data_offsets"),
        (with_header({"a": 1}, b""), "tensor 'a' has no dtype, shape and data_offsets"),
        (changed("a", shape=[10**9, 10**9]), "16 bytes, which are not a F32 of the shape [100000"),
        (changed("a", shape=[2, -2]), "tensor 'a' has no dtype, shape and data_offsets"),
        (changed("a", shape="2"), "tensor 'a' has no dtype, shape and data_offsets"),
        (changed("a", dtype="F64"), "16 bytes, which are not a F64 of the shape [2, 2]"),
        (changed("b", data_offsets=[8, 24]), "tensor 'b' overlaps the one before it"),
        (changed("b", data_offsets=[16, 10**12]), "to 1,000,000,000,000, and the file ends at 32"),
        (changed("a", data_offsets=[16, 0]), "tensor 'a' is at the bytes 16 to 0"),
        (with_header({"b": HEADER["b"]}, DATA), "tensor 'b' does not follow the one before"),
        (WHOLE + b"more", "4 bytes at its end belong to no tensor"),
    ],
)
def test_weights_whose_header_lies_are_refused_before_anything_is_allocated(data, message, bert):
    (bert / "model.safetensors").write_bytes(data)
    found = refusal(opened, bert)
    assert found.startswith(f"{bert / 'model.safetensors'}: damaged: ")
    assert message in found
    assert found.endswith("Copy it again.")


@pytest.mark.parametrize("name", ["model.bin", "pytorch_model.bin", "weights.pt", "last.ckpt"])
def test_pickled_weights_are_refused_with_advice_for_those_who_trust_the_author(name, bert):
    (bert / "model.safetensors").unlink()
    (bert / name).write_bytes(b"\x80\x04")
    assert f"contains {name}, a pickle, which is never loaded" in refusal(opened, bert)


@pytest.mark.parametrize(
    ("shard", "message"),
    [
        ("/etc/passwd.safetensors", "does not read files outside its folder"),
        ("../other.safetensors", "does not read files outside its folder"),
        ("sub/../../other.safetensors", "does not read files outside its folder"),
        ("away/other.safetensors", "outside the folder"),
        ("link.safetensors", "outside the folder"),
        ("loop.safetensors", "Too many levels of symbolic links"),
        ("none.safetensors", "names 1 of 1 files that are not in the folder"),
        ("config.json", "names of .safetensors files"),
        ("model.safetensors.index.json", "names of .safetensors files"),
        ("pipe.safetensors", "is not a regular file"),
        ("folder.safetensors", "is a directory; expected a file"),
        ("a\0.safetensors", "does not read files outside its folder"),
        (["a.safetensors"], "names of .safetensors files"),
        (None, "names of .safetensors files"),
    ],
)
def test_shards_outside_the_folder_and_what_is_no_file_are_refused(shard, message, bert):
    shutil.move(bert / "model.safetensors", bert.parent / "other.safetensors")
    (bert / "link.safetensors").symlink_to("../other.safetensors")
    (bert / "away").symlink_to(bert.parent)
    (bert / "loop.safetensors").symlink_to("loop.safetensors")
    os.mkfifo(bert / "pipe.safetensors")
    (bert / "folder.safetensors").mkdir()
    index = {"metadata": {}, "weight_map": {"a": shard}}
    (bert / "model.safetensors.index.json").write_text(json.dumps(index))
    assert message in refusal(opened, bert)


def test_a_tensor_in_two_shards_is_refused(bert):
    shutil.copy(bert / "model.safetensors", bert / "one.safetensors")
    shutil.move(bert / "model.safetensors", bert / "two.safetensors")
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    (bert / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "is in two files, two.safetensors and one.safetensors" in refusal(opened, bert)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_link_out_of_a_hugging_face_folder_is_not_followed(name, bert):
    shutil.move(bert / name, bert.parent / "elsewhere")
    (bert / name).symlink_to("../elsewhere")
    assert f"{bert / name}: a link to " in refusal(opened, bert)


@pytest.mark.parametrize("value", ["8", -8, 0, 10**9, 8.0, None, True, [8], {}, 10**30])
@pytest.mark.parametrize(
    "name",
    ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
     "max_position_embeddings"],
)  # fmt: skip
def test_sizes_that_are_no_sizes_or_not_those_of_the_weights_are_refused(name, value, bert):
    (bert / "config.json").write_text(json.dumps({**SETTINGS, name: value}))
    refusal(opened, bert)


def test_a_billion_layers_are_compared_with_the_weights_before_a_model_is_built(bert):
    (bert / "config.json").write_text(json.dumps({**SETTINGS, "num_hidden_layers": 10**9}))
    assert (
        "asks for 1,000,000,000 as the encoder's layers, but its weights have 21 tensors; they do "
        "not belong together."
    ) in refusal(opened, bert)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is not JSON"),
        (b"[" * 100_000, "is nested too deeply"),
        (b"[" * 800 + b"]" * 800, "is nested too deeply"),
        (b'{"a":' * 90 + b"1" + b"}" * 90, "is nested too deeply"),
        (b"\xef\xbb\xbf{}", "begins with a byte order mark"),
        (b"\xff\xfe{\x00}\x00", "is not UTF-8"),
        (b'{"model_type": "bert", "model_type": "bert"}', "has the key 'model_type' twice"),
        (b'{"layer_norm_eps": NaN}', "NaN is not a number in JSON"),
        (b'{"layer_norm_eps": 1e999}', "has the number 1e999, which is too large"),
        (b'{"a": ' + b"1" * 5000 + b"}", "has a number with too many digits"),
        (b"[]", "expected a JSON object"),
        (b"{}", "model_type None is not one of"),
        (b'{"model_type": "gpt2"}', "model_type 'gpt2' is not one of bert, roberta"),
        (b'{"model_type": ["bert"]}', "model_type ['bert'] is not one of"),
    ],
)
def test_a_config_json_that_is_damaged_or_of_another_architecture_is_named(text, message, bert):
    (bert / "config.json").write_bytes(text)
    found = refusal(opened, bert)
    assert found.startswith(f"{bert / 'config.json'}: ")
    assert message in found


@pytest.fixture(scope="module")
def untrained(tokenizer, tmp_path_factory):
    return save_untrained(tmp_path_factory.mktemp("hostile") / "run", tokenizer)


@pytest.fixture
def run(untrained, tmp_path):
    """A run of ours."""
    return Path(shutil.copytree(untrained, tmp_path / "run"))


OURS = ("config.json", "model.safetensors", "tokenizer.json", "fitted.json")


@pytest.mark.parametrize("name", OURS)
def test_a_link_out_of_a_model_directory_is_not_followed(name, run):
    file, elsewhere = run / "model" / name, run / "elsewhere"
    elsewhere.write_bytes(file.read_bytes() if file.exists() else b"{}")
    file.unlink(missing_ok=True)
    file.symlink_to(elsewhere)
    assert f"{file}: a link to {elsewhere}, outside the folder" in refusal(unverified, run)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "fitted.json"])
@pytest.mark.parametrize("content", ["pipe", "directory", b"", b"[" * 100_000, b"\xff", b"null"])
def test_what_is_no_file_of_a_model_directory_is_refused_and_not_waited_for(name, content, run):
    file = run / "model" / name
    file.unlink(missing_ok=True)
    if content == "pipe":
        os.mkfifo(file)
    elif content == "directory":
        file.mkdir()
    else:
        file.write_bytes(content)
    assert str(file) in refusal(unverified, run)


def test_a_private_file_does_not_become_the_card_that_a_server_shows(run):
    (run / "secret").write_text("password")
    (run / "model" / "README.md").unlink()
    (run / "model" / "README.md").symlink_to(run / "secret")
    assert "README.md: a link to" in refusal(models.load, str(run), "jax", "first")


@pytest.mark.parametrize("value", ["16", -16, 0, 10**9, 1.5, None, [], float("nan")])
@pytest.mark.parametrize("name", ["layers", "width", "heads", "feedforward"])
def test_sizes_of_a_model_of_ours_that_are_no_sizes_are_refused(name, value, run):
    file = run / "model" / "config.json"
    config = json.loads(file.read_text())
    config["encoder"][name] = value
    file.write_text(json.dumps(config))
    if value == 10**9 and name != "heads":
        return  # compared with the weights when the model is built: tests of saved models
    assert "config.json: " in refusal(unverified, run)


def test_ends_of_a_text_with_an_id_of_four_billion_are_refused(run):
    file = run / "model" / "tokenizer.json"
    found = json.loads(file.read_text())
    found["post_processor"]["sep"][1] = 2**32 - 2
    file.write_text(json.dumps(found))
    message = refusal(unverified, run)
    assert "its ids go up to 4,294,967,294, and it has only" in message


@pytest.mark.parametrize("command", ["predict", "info", "evaluate"])
def test_a_command_ends_with_one_line_and_status_2(command, run, capsys, monkeypatch):
    (run / "model" / "config.json").write_bytes(b'{"a":' * 5000)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main([command, str(run), "--no-verify"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"error: {run / 'model' / 'config.json'}: is nested too deeply.\n"
