"""Exports: each is loaded with the tool that it is meant for, and computes the same."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from mtt_jax import Predictor
from mtt_jax.errors import UserError
from mtt_jax.predict.export import export
from mtt_jax.predict.graph import output_names, plain_forward
from mtt_jax.weights import saved_model
from tests.helpers import ROOT, make_config, model_and_params

BERT = {"encoder__norm": "post", "encoder__pooling": "cls", "tasks__ner__scheme": "iob2"}
TEXTS = [
    "Tom Fry of Acme United scored in Rome .",
    "Shares fell .",
    "Ann Lee joined Beta Bank in Oslo .",
]


def saved(tokenizer, folder, **overrides):
    """A run's model with parameters far from their start, where nothing is 0 or 1."""
    config = make_config(**overrides)
    _, params = model_and_params(config, tokenizer)
    keys = iter(jax.random.split(jax.random.key(3), 200))
    params = jax.tree.map(lambda x: x + 0.3 * jax.random.normal(next(keys), x.shape), params)
    saved_model.save(folder / "model", config, jax.device_get(params), tokenizer, "A card.")
    return folder


@pytest.fixture(scope="module")
def run(tokenizer, tmp_path_factory):
    return saved(tokenizer, tmp_path_factory.mktemp("run"), **BERT)


def inputs(tokenizer, left=False):
    """input_ids and attention_mask of the texts, padded on the right or on the left."""
    rows = [encoding.ids for encoding in tokenizer.encode_batch(TEXTS)]
    width = max(map(len, rows))
    ids, mask = np.zeros((2, len(rows), width), np.int32)
    for index, row in enumerate(rows):
        here = slice(width - len(row), None) if left else slice(0, len(row))
        ids[index, here], mask[index, here] = row, 1
    return ids, mask


def expected(run, tokenizer):
    model = saved_model.load(run)
    outputs = plain_forward(model)(*inputs(tokenizer))
    return dict(zip(output_names(model.config), map(np.asarray, outputs), strict=True))


def test_the_plain_graph_computes_what_the_predictor_says(run, tokenizer):
    outputs = expected(run, tokenizer)
    predictor = Predictor.load(run)
    np.testing.assert_allclose(predictor.encode(TEXTS), outputs["sentence_embedding"], atol=1e-5)
    for result, logits in zip(predictor(TEXTS), outputs["topic"], strict=True):
        scores = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(list(result["topic"]["scores"].values()), scores, atol=1e-5)


def test_padding_may_stand_on_either_side(run, tokenizer):
    forward = jax.jit(plain_forward(saved_model.load(run)))
    right, left = (forward(*inputs(tokenizer, side)) for side in (False, True))
    np.testing.assert_allclose(right[0], left[0], atol=1e-5)
    np.testing.assert_allclose(right[-1], left[-1], atol=1e-5)


def test_a_graph_computes_in_float32_whatever_the_model_trained_in(run, tokenizer, tmp_path):
    model = saved_model.load(run)
    encoder = dataclasses.replace(model.config.encoder, dtype="bfloat16")
    config = dataclasses.replace(model.config, encoder=encoder)
    saved_model.save(tmp_path / "model", config, model.params, tokenizer, "A card.")
    rough = expected(tmp_path, tokenizer)
    for name, values in expected(run, tokenizer).items():
        np.testing.assert_array_equal(values, rough[name])


@pytest.mark.parametrize("overrides", [BERT, {"encoder__positions": "rotary"}], ids=["bert", "own"])
def test_stablehlo_gives_the_same_logits_at_any_batch_and_length(tokenizer, tmp_path, overrides):
    run = saved(tokenizer, tmp_path / "run", **overrides)
    files = export(run, "stablehlo", tmp_path / "out")
    assert [file.name for file in files] == [
        "README.md", "config.json", "model.stablehlo", "tokenizer.json"
    ]  # fmt: skip
    graph = jax.export.deserialize(bytearray((tmp_path / "out" / "model.stablehlo").read_bytes()))
    ids, mask = inputs(tokenizer)
    ours = expected(run, tokenizer)
    for rows in (1, 3):
        outputs = graph.call(ids[:rows], mask[:rows])
        assert list(outputs) == sorted(ours)
        for name, values in ours.items():
            np.testing.assert_allclose(outputs[name], values[:rows], atol=1e-5)
    assert graph.platforms == ("cpu", "cuda", "tpu")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({}, "encoder.norm='pre'; a BERT has encoder.norm='post'"),
        ({**BERT, "encoder__pooling": "mean"}, "task 'topic' reads the mean of a sentence"),
        ({**BERT, "tasks__ner__hidden": 8}, "task 'ner' has a hidden layer"),
        ({**BERT, "tasks__topic__hidden": 17}, "has 17 units"),
    ],
)
def test_what_a_bert_cannot_say_is_refused_and_nothing_is_written(
    overrides, message, tokenizer, tmp_path
):
    run = saved(tokenizer, tmp_path / "run", **overrides)
    with pytest.raises(UserError) as error:
        export(run, "hf", tmp_path / "out")
    assert message in str(error.value)
    assert "--to=onnx" in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "hf", "tasks": ["nre"]}, "--tasks: 'nre' is not one of topic, ner."),
        ({"kind": "onnx", "tasks": ["ner"]}, "--tasks: only --to=hf"),
        ({"kind": "hf", "int8": True}, "--int8: only --to=onnx"),
    ],
)
def test_options_that_do_not_fit_are_refused(arguments, message, run, tmp_path):
    with pytest.raises(UserError, match=message):
        export(run, folder=tmp_path / "out", **arguments)


def test_a_folder_that_holds_something_is_left_alone(run, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="is there already; name a new folder"):
        export(run, "hf", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_shell_exports_and_lists_what_it_wrote(run, tmp_path):
    command = [
        sys.executable,
        "-m",
        "mtt_jax",
        "export",
        str(run),
        str(tmp_path / "out"),
        "--to=hf",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written = {str(Path(line).relative_to(tmp_path / "out")) for line in done.stdout.splitlines()}
    assert {"topic/model.safetensors", "ner/config.json", "encoder/modules.json"} <= written
    labels = json.loads((tmp_path / "out" / "ner" / "config.json").read_text())["id2label"]
    assert labels["1"] == "B-PER"
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 2
    assert again.stderr.startswith("error: ")


# With the tools themselves


def transformers_outputs(folder, kind, tokenizer):
    """Logits of the folder's model for the texts, through its own tokenizer."""
    torch = pytest.importorskip("torch", reason="needs: pip install -r requirements-peers.txt")
    peers = pytest.importorskip("transformers", reason="needs requirements-peers.txt")
    model = getattr(peers, f"AutoModelFor{kind}Classification").from_pretrained(folder).eval()
    encoded = peers.AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    ids, mask = inputs(tokenizer)
    np.testing.assert_array_equal(encoded["input_ids"].numpy() * mask, ids)
    np.testing.assert_array_equal(encoded["attention_mask"].numpy(), mask)
    with torch.inference_mode():
        return model, model(**encoded).logits.numpy(), mask


@pytest.mark.peers
@pytest.mark.parametrize("hidden", [0, 8, 16])
def test_transformers_loads_each_head_and_gives_the_same_logits(hidden, tokenizer, tmp_path):
    run = saved(tokenizer, tmp_path / "run", **BERT, tasks__topic__hidden=hidden)
    export(run, "hf", tmp_path / "out")
    ours = expected(run, tokenizer)
    model, logits, _ = transformers_outputs(tmp_path / "out" / "topic", "Sequence", tokenizer)
    assert model.config.id2label == {0: "sports", 1: "politics", 2: "others"}
    np.testing.assert_allclose(logits, ours["topic"], atol=1e-4)
    model, logits, mask = transformers_outputs(tmp_path / "out" / "ner", "Token", tokenizer)
    assert model.config.label2id["I-MISC"] == 8
    real = mask > 0
    np.testing.assert_allclose(logits[real], ours["ner"][real], atol=1e-4)


@pytest.mark.peers
def test_transformers_pipeline_finds_the_entities_that_the_predictor_finds(run, tmp_path):
    peers = pytest.importorskip("transformers", reason="needs requirements-peers.txt")
    export(run, "hf", tmp_path / "out")
    pipe = peers.pipeline(
        "text-classification", str(tmp_path / "out" / "topic"), top_k=1, device="cpu"
    )
    labels = [result["topic"]["label"] for result in Predictor.load(run)(TEXTS)]
    assert [answer[0]["label"] for answer in pipe(TEXTS)] == labels


@pytest.mark.peers
@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_sentence_transformers_gives_the_same_embeddings(pooling, tokenizer, tmp_path):
    peers = pytest.importorskip("sentence_transformers", reason="needs requirements-peers.txt")
    run = saved(tokenizer, tmp_path / "run", **{**BERT, "encoder__pooling": pooling})
    export(run, "hf", tmp_path / "out", tasks=["ner"])
    model = peers.SentenceTransformer(str(tmp_path / "out" / "encoder"), device="cpu")
    assert model.max_seq_length == 32
    ours = Predictor.load(run).encode(TEXTS)
    np.testing.assert_allclose(model.encode(TEXTS), ours, atol=1e-4)


@pytest.mark.peers
def test_an_exported_encoder_starts_the_next_run(run, tokenizer, tmp_path):
    from mtt_jax.model import hf

    export(run, "hf", tmp_path / "out")
    back = hf.read_encoder(tmp_path / "out" / "topic", tokenizer.get_vocab_size())
    there = saved_model.load(run).params["encoder"]
    jax.tree.map(np.testing.assert_array_equal, back, there)


@pytest.mark.peers
@pytest.mark.parametrize(
    "overrides",
    [BERT, {"encoder__positions": "rotary", "encoder__pooling": "mean"},
     {"encoder__positions": "sinusoidal", "encoder__pooling": "attention"},
     {"encoder__positions": "rotary", "encoder__window": 3, "encoder__gated": True,
      "encoder__embedding_norm": True, "encoder__pooling": "max"}],
    ids=["bert", "rotary", "sinusoidal", "modernbert"],
)  # fmt: skip
def test_onnx_runtime_gives_the_same_outputs_at_any_batch_and_length(
    overrides, tokenizer, tmp_path
):
    pytest.importorskip("jax2onnx", reason="needs: pip install -r requirements-onnx.txt")
    runtime = pytest.importorskip("onnxruntime", reason="needs requirements-onnx.txt")
    run = saved(tokenizer, tmp_path / "run", **overrides)
    export(run, "onnx", tmp_path / "out")
    session = runtime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    ours = expected(run, tokenizer)
    ids, mask = inputs(tokenizer)
    for rows in (1, 3):
        outputs = session.run(list(ours), {"input_ids": ids[:rows], "attention_mask": mask[:rows]})
        for (name, values), found in zip(ours.items(), outputs, strict=True):
            real = slice(None) if found.ndim == 2 else mask[:rows] > 0
            np.testing.assert_allclose(found[real], values[:rows][real], atol=1e-4, err_msg=name)


@pytest.mark.peers
@pytest.mark.parametrize("aggregation", ["first", "max", "average"])
def test_the_onnx_backend_predicts_what_the_jax_backend_predicts(
    aggregation, run, tokenizer, tmp_path
):
    pytest.importorskip("jax2onnx", reason="needs: pip install -r requirements-onnx.txt")
    export(run, "onnx", tmp_path / "out")
    texts = [*TEXTS, "", " ".join(TEXTS * 5)]
    ours = Predictor.load(run, aggregation=aggregation)
    for place in (tmp_path / "out", run):  # a run is converted at its first load
        theirs = Predictor.load(place, backend="onnx", aggregation=aggregation)
        assert_same_results(ours(texts), theirs(texts))
        np.testing.assert_allclose(ours.encode(texts), theirs.encode(texts), atol=1e-5)
    with pytest.raises(UserError, match="an exported graph without parameters"):
        Predictor.load(tmp_path / "out")


def assert_same_results(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert one["topic"]["label"] == other["topic"]["label"]
        assert one["topic"]["scores"] == pytest.approx(other["topic"]["scores"], abs=1e-5)
        for entity, twin in zip(one["entities"], other["entities"], strict=True):
            assert entity == {**twin, "score": pytest.approx(twin["score"], abs=1e-5)}


@pytest.mark.peers
def test_the_int8_backend_stays_close_and_leaves_its_graph_beside_the_model(
    run, tokenizer, tmp_path
):
    pytest.importorskip("jax2onnx", reason="needs: pip install -r requirements-onnx.txt")
    ignore = shutil.ignore_patterns("*.onnx")
    shutil.copytree(run / "model", tmp_path / "model", ignore=ignore)
    export(run, "onnx", tmp_path / "out")
    exact = Predictor.load(run)
    for place in (tmp_path / "model", tmp_path / "out"):
        rough = Predictor.load(place, backend="onnx-int8")
        assert (place / "model.int8.onnx").is_file()
        vectors = exact.encode(TEXTS), rough.encode(TEXTS)
        assert np.corrcoef(*map(np.ravel, vectors))[0, 1] > 0.99
        assert np.abs(vectors[0] - vectors[1]).max() > 1e-4
    assert not (tmp_path / "model" / "model.onnx").exists()


@pytest.mark.peers
@pytest.mark.parametrize("backend", ["onnx", "onnx-int8"])
def test_a_damaged_graph_is_named(backend, run, tmp_path):
    pytest.importorskip("jax2onnx", reason="needs: pip install -r requirements-onnx.txt")
    export(run, "onnx", tmp_path / "out")
    (tmp_path / "out" / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(UserError, match=r"model\.onnx: not a graph that ONNX Runtime reads: "):
        Predictor.load(tmp_path / "out", backend=backend)
    assert not list((tmp_path / "out").glob(".*"))


@pytest.mark.peers
def test_int8_is_smaller_and_close(run, tokenizer, tmp_path):
    pytest.importorskip("jax2onnx", reason="needs: pip install -r requirements-onnx.txt")
    runtime = pytest.importorskip("onnxruntime", reason="needs requirements-onnx.txt")
    import onnx

    export(run, "onnx", tmp_path / "out", int8=True)
    export(run, "onnx", tmp_path / "whole")
    small, whole = ((tmp_path / n / "model.onnx").stat().st_size for n in ("out", "whole"))
    assert small < whole
    graph = onnx.load(tmp_path / "out" / "model.onnx").graph
    assert any(node.op_type == "MatMulInteger" for node in graph.node)
    session = runtime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    ids, mask = inputs(tokenizer)
    (topic,) = session.run(["topic"], {"input_ids": ids, "attention_mask": mask})
    wanted = expected(run, tokenizer)["topic"]
    assert np.corrcoef(topic.ravel(), wanted.ravel())[0, 1] > 0.99
