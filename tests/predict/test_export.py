"""Exports: each is loaded with the tool it is meant for and computes the same."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from mtt_jax import Predictor
from mtt_jax.data.encode import Reading, encode_texts
from mtt_jax.data.tokenizer import vocabulary_size
from mtt_jax.errors import UserError
from mtt_jax.predict.export import export
from mtt_jax.predict.graph import input_names, output_names, plain_forward
from mtt_jax.weights import manifest, saved_model
from tests.helpers import FOUR_KINDS, ROOT, make_config, model_and_params

BERT = {
    "encoder__norm": "post",
    "encoder__pooling": "cls",
    "encoder__word_features": "",
    "tasks__ner__scheme": "iob2",
}
FOUR = {**FOUR_KINDS, **BERT, "tasks__subjects__hidden": 8}
THRESHOLDS = (0.25, 0.5, 0.875)
TEXTS = [
    "Tom Fry of Acme United scored in Rome .",
    "Shares fell .",
    "Ann Lee joined Beta Bank in Oslo .",
]


def saved(tokenizer, folder, **overrides):
    """A run's model with parameters far from their initial values, none of them 0 or 1."""
    config = make_config(**overrides)
    tasks = [
        dataclasses.replace(task, thresholds=THRESHOLDS) if task.name == "subjects" else task
        for task in config.task_list
    ]
    _, params = model_and_params(config, tokenizer)
    keys = iter(jax.random.split(jax.random.key(3), 200))
    params = jax.tree.map(lambda x: x + 0.3 * jax.random.normal(next(keys), x.shape), params)
    params = jax.device_get(params)
    saved_model.save(folder / "model", config, params, tokenizer, "A card.", tasks)
    return folder


@pytest.fixture(scope="module")
def run(tokenizer, tmp_path_factory):
    return saved(tokenizer, tmp_path_factory.mktemp("run"), **BERT)


@pytest.fixture(scope="module")
def four(tokenizer, tmp_path_factory):
    """A run with tasks of all four kinds, one with thresholds chosen on dev."""
    return saved(tokenizer, tmp_path_factory.mktemp("four"), **FOUR)


def inputs(tokenizer, left=False, features=()):
    """The inputs of a graph for the texts, padded on the right or on the left."""
    read = list(encode_texts(tokenizer, TEXTS, Reading(True, features)))
    width = max(len(text.tokens) for text in read)
    ids, mask = np.zeros((2, len(read), width), np.int32)
    of_words = np.zeros((len(read), width, len(features)), np.int32)
    for index, (row, *_, ours) in enumerate(read):
        here = slice(width - len(row), None) if left else slice(0, len(row))
        ids[index, here], mask[index, here], of_words[index, here] = row, 1, ours
    return (ids, mask, of_words) if features else (ids, mask)


def expected(run, tokenizer):
    model = saved_model.load(run)
    outputs = plain_forward(model)(*inputs(tokenizer, features=model.config.encoder.word_features))
    return dict(zip(output_names(model.config), map(np.asarray, outputs), strict=True))


def test_plain_graph_computes_what_the_predictor_says(run, tokenizer):
    outputs = expected(run, tokenizer)
    predictor = Predictor.load(run)
    np.testing.assert_allclose(predictor.encode(TEXTS), outputs["sentence_embedding"], atol=1e-5)
    for result, logits in zip(predictor(TEXTS), outputs["topic"], strict=True):
        scores = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(list(result["topic"]["scores"].values()), scores, atol=1e-5)


def test_padding_may_be_on_either_side(run, tokenizer):
    forward = jax.jit(plain_forward(saved_model.load(run)))
    right, left = (forward(*inputs(tokenizer, side)) for side in (False, True))
    np.testing.assert_allclose(right[0], left[0], atol=1e-5)
    np.testing.assert_allclose(right[-1], left[-1], atol=1e-5)


def test_graph_computes_in_float32_whatever_dtype_the_model_trained_in(run, tokenizer, tmp_path):
    model = saved_model.load(run)
    encoder = dataclasses.replace(model.config.encoder, dtype="bfloat16")
    config = dataclasses.replace(model.config, encoder=encoder)
    saved_model.save(tmp_path / "model", config, model.params, tokenizer, "A card.")
    rough = expected(tmp_path, tokenizer)
    for name, values in expected(run, tokenizer).items():
        np.testing.assert_array_equal(values, rough[name])


@pytest.mark.peers  # slow: graphs are compiled
@pytest.mark.parametrize("overrides", [BERT, {"encoder__positions": "rotary"}], ids=["bert", "own"])
def test_stablehlo_gives_the_same_outputs_at_any_batch_size_and_length(
    tokenizer, tmp_path, overrides
):
    run = saved(tokenizer, tmp_path / "run", **overrides)
    files = export(run, "stablehlo", tmp_path / "out")
    assert [file.name for file in files] == [
        "README.md", "config.json", "model.stablehlo", "tokenizer.json"
    ]  # fmt: skip
    graph = jax.export.deserialize(bytearray((tmp_path / "out" / "model.stablehlo").read_bytes()))
    given = inputs(tokenizer, features=saved_model.load(run).config.encoder.word_features)
    ours = expected(run, tokenizer)
    for rows in (1, 3):
        outputs = graph.call(*(array[:rows] for array in given))
        assert list(outputs) == sorted(ours)
        for name, values in ours.items():
            np.testing.assert_allclose(outputs[name], values[:rows], atol=1e-5)
    assert graph.platforms == ("cpu", "cuda", "tpu")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"encoder__word_features": ""}, "encoder.norm='pre'; a BERT has encoder.norm='post'"),
        (
            {**BERT, "encoder__word_features": "shape"},
            "or train without: --config.encoder.word_features=",
        ),
        ({**BERT, "encoder__convolution": 1}, "encoder.convolution=1; a BERT has"),
        (
            {**BERT, "encoder__pooling": "mean"},
            "task 'topic' reads the mean over a sentence's tokens",
        ),
        ({**BERT, "tasks__ner__hidden": 8}, "task 'ner' has a hidden layer"),
        ({**BERT, "tasks__topic__hidden": 17}, "has 17 units"),
    ],
)
def test_hf_export_of_what_a_bert_cannot_express_is_refused_and_nothing_is_written(
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
        ({"to": "hf", "tasks": ["nre"]}, "--tasks: 'nre' is not one of topic, ner."),
        ({"to": "onnx", "tasks": ["ner"]}, "--tasks: works only with --to=hf"),
        ({"to": "hf", "int8": True}, "--int8: works only with --to=onnx"),
    ],
)
def test_options_of_another_format_are_refused(arguments, message, run, tmp_path):
    with pytest.raises(UserError, match=message):
        export(run, folder=tmp_path / "out", **arguments)


def test_folder_that_is_not_empty_is_refused_and_left_unchanged(run, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="already exists; name a new folder"):
        export(run, "hf", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_command_exports_and_lists_the_files_that_it_wrote(run, tmp_path):
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


# Tasks of all four kinds


def test_plain_graph_has_an_output_per_task_and_the_embedding(four, tokenizer):
    outputs = expected(four, tokenizer)
    length = inputs(tokenizer)[0].shape[1]
    assert {name: values.shape for name, values in outputs.items()} == {
        "subjects": (3, 3),
        "topic": (3, 3),
        "ner": (3, length, 9),
        "pos": (3, length, 3),
        "sentence_embedding": (3, 16),
    }
    assert all(values.dtype == np.float32 for values in outputs.values())


def test_plain_graph_computes_what_the_predictor_says_for_all_four_kinds(four, tokenizer):
    """Sigmoid of a multilabel output and softmax of a tags output are the predictor's scores."""
    outputs = expected(four, tokenizer)
    results = Predictor.load(four)(TEXTS)
    scores = [list(result["subjects"]["scores"].values()) for result in results]
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-outputs["subjects"])), atol=1e-5)
    for result, row in zip(results, outputs["subjects"], strict=True):
        chosen = 1 / (1 + np.exp(-row)) >= np.array(THRESHOLDS)
        names = np.array(["money", "law", "people"])[chosen]
        assert result["subjects"]["labels"] == names.tolist()
    # The words of these texts are whole in the tokenizer or begin at known subwords.
    encodings = tokenizer.encode_batch(TEXTS)
    for result, encoding, row in zip(results, encodings, outputs["pos"], strict=True):
        starts = [start for start, _ in encoding.offsets[1:-1]]
        for tag in result["pos"]:
            logits = row[1 + starts.index(tag["start"])]
            assert tag["label"] == ("NOUN", "VERB", "OTHER")[logits.argmax()]
            probs = np.exp(logits - logits.max())
            assert tag["score"] == pytest.approx(probs.max() / probs.sum(), abs=1e-5)


def test_stablehlo_gives_the_outputs_of_all_four_kinds_and_keeps_the_thresholds(
    four, tokenizer, tmp_path
):
    files = export(four, "stablehlo", tmp_path / "out")
    assert [file.name for file in files] == [
        "README.md", "config.json", "fitted.json", "model.stablehlo", "tokenizer.json"
    ]  # fmt: skip
    fitted = json.loads((tmp_path / "out" / "fitted.json").read_text())
    assert fitted == {
        "subjects": {"thresholds": {"money": 0.25, "law": 0.5, "people": 0.875}},
    }
    graph = jax.export.deserialize(bytearray((tmp_path / "out" / "model.stablehlo").read_bytes()))
    outputs = graph.call(*inputs(tokenizer))
    ours = expected(four, tokenizer)
    assert list(outputs) == sorted(ours)
    for name, values in ours.items():
        np.testing.assert_allclose(outputs[name], values, atol=1e-5)


def hf_config(folder, task):
    return json.loads((folder / task / "config.json").read_text())


def test_hf_export_writes_problem_types_labels_and_thresholds(four, tmp_path):
    export(four, "hf", tmp_path / "out")
    topic, subjects, ner, pos = (
        hf_config(tmp_path / "out", name) for name in ("topic", "subjects", "ner", "pos")
    )
    assert topic["problem_type"] == "single_label_classification"
    assert topic["architectures"] == ["BertForSequenceClassification"]
    assert subjects["problem_type"] == "multi_label_classification"
    assert subjects["architectures"] == ["BertForSequenceClassification"]
    assert subjects["id2label"] == {"0": "money", "1": "law", "2": "people"}
    assert subjects["thresholds"] == {"money": 0.25, "law": 0.5, "people": 0.875}
    assert pos["architectures"] == ner["architectures"] == ["BertForTokenClassification"]
    assert pos["id2label"] == {"0": "NOUN", "1": "VERB", "2": "OTHER"}
    for config in (topic, ner, pos):
        assert "thresholds" not in config
    for config in (ner, pos):
        assert "problem_type" not in config


def test_hf_export_without_fitted_thresholds_writes_none(four, tmp_path):
    shutil.copytree(
        four / "model", tmp_path / "model", ignore=shutil.ignore_patterns("fitted.json")
    )
    export(tmp_path / "model", "hf", tmp_path / "out", tasks=["subjects"], verify=False)
    assert "thresholds" not in hf_config(tmp_path / "out", "subjects")
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["encoder", "subjects"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"encoder__pooling": "mean"}, "task 'subjects' reads the mean over a sentence's tokens"),
        ({"tasks__subjects__hidden": 17}, "the hidden layer of task 'subjects' has 17 units"),
        ({"tasks__pos__hidden": 4}, "task 'pos' has a hidden layer"),
    ],
)
def test_hf_export_of_a_head_that_a_bert_cannot_express_names_the_task_and_the_others(
    overrides, message, four, tokenizer, tmp_path
):
    config = make_config(**{**FOUR, **overrides})
    saved_model.save(
        tmp_path / "model", config, model_and_params(config, tokenizer)[1], tokenizer, ""
    )
    with pytest.raises(UserError) as error:
        export(tmp_path / "model", "hf", tmp_path / "out")
    assert message in str(error.value)
    assert "--tasks=" in str(error.value)
    assert not (tmp_path / "out").exists()


HOT = {"topic": 1.5, "subjects": 0.75, "ner": 2.0, "pos": 1.25}


@pytest.fixture(scope="module")
def hot(four, tmp_path_factory):
    """The same run with temperatures chosen on dev."""
    folder = tmp_path_factory.mktemp("hot")
    shutil.copytree(four / "model", folder / "model")
    model = saved_model.load(folder)
    tasks = [dataclasses.replace(task, temperature=HOT[task.name]) for task in model.tasks]
    saved_model.write_fitted(folder / "model", tasks)
    return folder


def test_hf_export_divides_the_last_layer_by_the_temperature(four, hot, tmp_path):
    export(four, "hf", tmp_path / "plain")
    export(hot, "hf", tmp_path / "hot")
    for name, temperature in HOT.items():
        plain, divided = (
            load_file(tmp_path / kind / name / "model.safetensors") for kind in ("plain", "hot")
        )
        changed = {key for key in plain if not np.array_equal(plain[key], divided[key])}
        assert changed == {"classifier.weight", "classifier.bias"}
        for key in changed:
            np.testing.assert_allclose(divided[key], plain[key] / temperature, rtol=1e-6)
        assert "temperature" not in hf_config(tmp_path / "hot", name), "it would count twice"


def test_graphs_keep_the_logits_and_store_the_temperature_beside_them(
    four, hot, tokenizer, tmp_path
):
    for name, values in expected(four, tokenizer).items():
        np.testing.assert_array_equal(values, expected(hot, tokenizer)[name])
    export(hot, "stablehlo", tmp_path / "out")
    fitted = json.loads((tmp_path / "out" / "fitted.json").read_text())
    assert {name: found["temperature"] for name, found in fitted.items()} == HOT


def test_the_predictor_divides_logits_by_the_temperature_and_answers_the_same(four, hot, tokenizer):
    logits = expected(hot, tokenizer)["topic"] / HOT["topic"]
    plain, divided = Predictor.load(four)(TEXTS), Predictor.load(hot)(TEXTS)
    for one, other, row in zip(plain, divided, logits, strict=True):
        scores = np.exp(row) / np.exp(row).sum()
        np.testing.assert_allclose(list(other["topic"]["scores"].values()), scores, atol=1e-5)
        assert one["topic"]["label"] == other["topic"]["label"]
        assert one["topic"]["score"] != other["topic"]["score"]
        for name in ("ner", "pos"):
            places = [[(e["start"], e["end"], e["label"]) for e in x[name]] for x in (one, other)]
            assert places[0] == places[1]


def test_every_engine_of_jax_uses_the_temperature(hot):
    plain = Predictor.load(hot)(TEXTS)
    for one, other in zip(plain, Predictor.load(hot, "jax-bfloat16")(TEXTS), strict=True):
        scores = pytest.approx(other["topic"]["scores"], abs=0.1)
        assert one["topic"]["scores"] == scores


# With the tools themselves


def transformers_outputs(folder, unit, tokenizer):
    """Logits of the folder's model for the texts, through its own tokenizer."""
    torch = pytest.importorskip("torch", reason="needs: pip install -r requirements-peers.txt")
    peers = pytest.importorskip("transformers", reason="needs requirements-peers.txt")
    model = getattr(peers, f"AutoModelFor{unit}Classification").from_pretrained(folder).eval()
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
def test_transformers_gives_the_same_logits_for_multilabel_and_tags(four, tokenizer, tmp_path):
    export(four, "hf", tmp_path / "out")
    ours = expected(four, tokenizer)
    model, logits, _ = transformers_outputs(tmp_path / "out" / "subjects", "Sequence", tokenizer)
    assert model.config.problem_type == "multi_label_classification"
    assert model.config.thresholds == {"money": 0.25, "law": 0.5, "people": 0.875}
    np.testing.assert_allclose(logits, ours["subjects"], atol=1e-4)
    model, logits, mask = transformers_outputs(tmp_path / "out" / "pos", "Token", tokenizer)
    assert model.config.id2label == {0: "NOUN", 1: "VERB", 2: "OTHER"}
    real = mask > 0
    np.testing.assert_allclose(logits[real], ours["pos"][real], atol=1e-4)


@pytest.mark.peers
def test_transformers_pipeline_gives_a_probability_per_label_for_multilabel(four, tmp_path):
    """`problem_type` makes the pipeline apply a sigmoid rather than a softmax."""
    peers = pytest.importorskip("transformers", reason="needs requirements-peers.txt")
    export(four, "hf", tmp_path / "out")
    folder = str(tmp_path / "out" / "subjects")
    pipe = peers.pipeline("text-classification", folder, top_k=None, device="cpu")
    for answer, result in zip(pipe(TEXTS), Predictor.load(four)(TEXTS), strict=True):
        scores = {row["label"]: row["score"] for row in answer}
        assert scores == pytest.approx(result["subjects"]["scores"], abs=1e-4)


@pytest.mark.peers
def test_onnx_runtime_gives_the_outputs_of_all_four_kinds(four, tokenizer, tmp_path):
    pytest.importorskip("jax2onnx", reason="needs: pip install -r requirements-onnx.txt")
    runtime = pytest.importorskip("onnxruntime", reason="needs requirements-onnx.txt")
    export(four, "onnx", tmp_path / "out")
    session = runtime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    ours = expected(four, tokenizer)
    assert [output.name for output in session.get_outputs()] == list(ours)
    ids, mask = inputs(tokenizer)
    outputs = session.run(list(ours), {"input_ids": ids, "attention_mask": mask})
    for (name, values), found in zip(ours.items(), outputs, strict=True):
        real = slice(None) if found.ndim == 2 else mask > 0
        np.testing.assert_allclose(found[real], values[real], atol=1e-4, err_msg=name)


@pytest.mark.peers
@pytest.mark.parametrize("aggregation", ["first", "max", "average"])
def test_engine_onnx_predicts_what_engine_jax_predicts_for_all_four_kinds(
    aggregation, hot, tmp_path
):
    """With what was chosen on dev, also in the exported folder alone."""
    four = hot
    pytest.importorskip("jax2onnx", reason="needs: pip install -r requirements-onnx.txt")
    export(four, "onnx", tmp_path / "out")
    texts = [*TEXTS, "", " ".join(TEXTS * 5)]
    ours = Predictor.load(four, aggregation=aggregation)
    theirs = Predictor.load(tmp_path / "out", engine="onnx", aggregation=aggregation)
    assert theirs.tasks == ours.tasks
    for one, other in zip(ours(texts), theirs(texts), strict=True):
        if not one["text"]:
            assert one == other
            continue
        assert one["subjects"]["labels"] == other["subjects"]["labels"]
        scores = pytest.approx(other["subjects"]["scores"], abs=1e-5)
        assert one["subjects"]["scores"] == scores
        assert [tag["label"] for tag in one["pos"]] == [tag["label"] for tag in other["pos"]]


@pytest.mark.peers
def test_transformers_gives_the_calibrated_scores_of_the_predictor(hot, tmp_path):
    peers = pytest.importorskip("transformers", reason="needs requirements-peers.txt")
    export(hot, "hf", tmp_path / "out")
    pipe = peers.pipeline(
        "text-classification", str(tmp_path / "out" / "topic"), top_k=None, device="cpu"
    )
    for result, found in zip(Predictor.load(hot)(TEXTS), pipe(TEXTS), strict=True):
        theirs = {one["label"]: one["score"] for one in found}
        assert result["topic"]["scores"] == pytest.approx(theirs, abs=1e-4)


@pytest.mark.peers
def test_transformers_pipeline_gives_the_topics_of_the_predictor(run, tmp_path):
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
def test_exported_encoder_is_read_back_unchanged(run, tokenizer, tmp_path):
    from mtt_jax.model import hf

    export(run, "hf", tmp_path / "out")
    back = hf.read_encoder(tmp_path / "out" / "topic", vocabulary_size(tokenizer))
    there = saved_model.load(run).params["encoder"]
    jax.tree.map(np.testing.assert_array_equal, back, there)


@pytest.mark.peers
@pytest.mark.parametrize(
    "overrides",
    [BERT, {"encoder__positions": "rotary", "encoder__pooling": "mean"},
     {"encoder__positions": "sinusoidal", "encoder__pooling": "attention"},
     {"encoder__positions": "rotary", "encoder__window": 3, "encoder__gated": True,
      "encoder__embedding_norm": True, "encoder__pooling": "max"},
     {"encoder__convolution": 2}],
    ids=["bert", "rotary", "sinusoidal", "modernbert", "convolution"],
)  # fmt: skip
def test_onnx_runtime_gives_the_same_outputs_at_any_batch_size_and_length(
    overrides, tokenizer, tmp_path
):
    pytest.importorskip("jax2onnx", reason="needs: pip install -r requirements-onnx.txt")
    runtime = pytest.importorskip("onnxruntime", reason="needs requirements-onnx.txt")
    run = saved(tokenizer, tmp_path / "run", **overrides)
    export(run, "onnx", tmp_path / "out")
    session = runtime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    ours = expected(run, tokenizer)
    config = saved_model.load(run).config
    names = [graph_input.name for graph_input in session.get_inputs()]
    assert names == input_names(config)
    given = inputs(tokenizer, features=config.encoder.word_features)
    mask = given[1]
    for rows in (1, 3):
        part = {name: array[:rows] for name, array in zip(names, given, strict=True)}
        outputs = session.run(list(ours), part)
        for (name, values), found in zip(ours.items(), outputs, strict=True):
            real = slice(None) if found.ndim == 2 else mask[:rows] > 0
            np.testing.assert_allclose(found[real], values[:rows][real], atol=1e-4, err_msg=name)


@pytest.mark.peers
@pytest.mark.parametrize("aggregation", ["first", "max", "average"])
def test_engine_onnx_predicts_what_engine_jax_predicts(aggregation, run, tokenizer, tmp_path):
    pytest.importorskip("jax2onnx", reason="needs: pip install -r requirements-onnx.txt")
    export(run, "onnx", tmp_path / "out")
    texts = [*TEXTS, "", " ".join(TEXTS * 5)]
    ours = Predictor.load(run, aggregation=aggregation)
    for place in (tmp_path / "out", run):  # a run is converted at its first load
        theirs = Predictor.load(place, engine="onnx", aggregation=aggregation)
        assert_same_results(ours(texts), theirs(texts))
        np.testing.assert_allclose(ours.encode(texts), theirs.encode(texts), atol=1e-5)
    with pytest.raises(UserError, match="an exported graph without parameters"):
        Predictor.load(tmp_path / "out")


def assert_same_results(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        if not one["text"]:
            assert one == other
            continue
        assert one["topic"]["label"] == other["topic"]["label"]
        assert one["topic"]["scores"] == pytest.approx(other["topic"]["scores"], abs=1e-5)
        for entity, twin in zip(one["ner"], other["ner"], strict=True):
            assert entity == {**twin, "score": pytest.approx(twin["score"], abs=1e-5)}


@pytest.mark.peers
def test_engine_onnx_int8_is_close_and_writes_its_graph_next_to_the_model(run, tokenizer, tmp_path):
    pytest.importorskip("jax2onnx", reason="needs: pip install -r requirements-onnx.txt")
    ignore = shutil.ignore_patterns("*.onnx")
    shutil.copytree(run / "model", tmp_path / "model", ignore=ignore)
    export(run, "onnx", tmp_path / "out")
    exact = Predictor.load(run)
    for place in (tmp_path / "model", tmp_path / "out"):
        rough = Predictor.load(place, engine="onnx-int8")
        assert (place / "model.int8.onnx").is_file()
        vectors = exact.encode(TEXTS), rough.encode(TEXTS)
        assert np.corrcoef(*map(np.ravel, vectors))[0, 1] > 0.99
        assert np.abs(vectors[0] - vectors[1]).max() > 1e-4
    assert not (tmp_path / "model" / "model.onnx").exists()


@pytest.mark.peers
@pytest.mark.parametrize("engine", ["onnx", "onnx-int8"])
def test_damaged_graph_is_reported(engine, run, tmp_path):
    pytest.importorskip("jax2onnx", reason="needs: pip install -r requirements-onnx.txt")
    export(run, "onnx", tmp_path / "out")
    (tmp_path / "out" / "model.onnx").write_bytes(b"no graph")
    manifest.write(tmp_path / "out")
    with pytest.raises(UserError, match=r"model\.onnx: not a graph that ONNX Runtime can read: "):
        Predictor.load(tmp_path / "out", engine=engine)
    assert not list((tmp_path / "out").glob(".*"))


@pytest.mark.peers
def test_int8_graph_is_smaller_and_close(run, tokenizer, tmp_path):
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
