"""The component for spaCy, in pipelines of spaCy: entities, categories, batches, and folders."""

import os
import pickle
import shutil
import subprocess
import sys
import tomllib

import pytest

import mtt_jax.predict.spacy as component
from mtt_jax import Predictor, UserError
from tests.helpers import ROOT, save_four_tasks

pytestmark = pytest.mark.peers
spacy = pytest.importorskip("spacy", reason="needs: pip install -r requirements-spacy.txt")

TEXTS = ["Tom Fry of Acme United scored in Rome .", "", "Ann Lee joined 🙂 Beta Bank in Oslo ."]


@pytest.fixture(scope="module")
def four(tokenizer, tmp_path_factory):
    return save_four_tasks(tmp_path_factory.mktemp("four"), tokenizer)


def pipeline(run, **config):
    nlp = spacy.blank("en")
    nlp.add_pipe("mtt_jax", config={"run": str(run), **config})
    return nlp


def entities(doc):
    return [(span.start_char, span.end_char, span.label_) for span in doc.ents]


def places(spans):
    return [(span["start"], span["end"], span["label"]) for span in spans]


def test_a_document_has_the_entities_and_categories_of_the_predictor(run):
    nlp, predictor = pipeline(run), Predictor.load(run)
    for text in TEXTS:
        doc, result = nlp(text), predictor(text)
        assert entities(doc) == places(result["ner"])
        assert doc.cats == (result["topic"]["scores"] if text else {})
        assert doc._.mtt_jax == result
    assert places(predictor(TEXTS[2])["ner"])


def test_pipe_gives_the_same_in_batches_in_order(run):
    nlp = pipeline(run)
    docs = list(nlp.pipe(TEXTS * 3, batch_size=4))
    assert [doc.text for doc in docs] == TEXTS * 3
    assert [entities(doc) for doc in docs] == [entities(nlp(text)) for text in TEXTS] * 3


def test_categories_of_several_tasks_have_the_name_of_their_task(four):
    doc = pipeline(four)(TEXTS[0])
    result = doc._.mtt_jax
    names = [name for name, answer in result.items() if isinstance(answer, dict)]
    assert len(names) == 2
    assert doc.cats == {
        f"{name}:{label}": score
        for name in names
        for label, score in result[name]["scores"].items()
    }


class Answer:
    """A predictor with one answer, for offsets that the tokens of spaCy do not share."""

    def __init__(self, run, *spans):
        self.tasks, self.spans = Predictor.load(run).tasks, spans

    def __call__(self, text):
        spans = [{"start": a, "end": b, "label": label, "score": 1.0} for a, b, label in self.spans]
        return {"text": text, "topic": None, "ner": spans}


@pytest.mark.parametrize(
    ("alignment", "expected"),
    [("expand", [(0, 7, "ORG")]), ("contract", []), ("strict", [])],
)
def test_an_entity_inside_a_token_is_aligned_as_the_config_says(run, alignment, expected):
    nlp = pipeline(run, alignment=alignment)
    nlp.get_pipe("mtt_jax").predictor = Answer(run, (0, 4, "ORG"))
    assert [token.text for token in nlp.make_doc("Acme123 fell")] == ["Acme123", "fell"]
    assert entities(nlp("Acme123 fell")) == expected


def test_of_two_entities_in_one_token_one_stays(run):
    nlp = pipeline(run)
    nlp.get_pipe("mtt_jax").predictor = Answer(run, (0, 4, "ORG"), (4, 7, "PER"))
    assert entities(nlp("Acme123 fell")) == [(0, 7, "ORG")]


@pytest.mark.parametrize(("overwrite", "label"), [(False, "RULED"), (True, "ORG")])
def test_entities_of_earlier_components_stay_unless_overwritten(run, overwrite, label):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([
        {"label": "RULED", "pattern": "Acme"}, {"label": "RULED", "pattern": "Rome"},
    ])  # fmt: skip
    nlp.add_pipe("mtt_jax", config={"run": str(run), "overwrite": overwrite})
    nlp.get_pipe("mtt_jax").predictor = Answer(run, (0, 4, "ORG"), (10, 13, "PER"))
    doc = nlp("Acme fell, Tom in Rome")
    assert entities(doc)[0] == (0, 4, label)
    assert entities(doc)[-1] == (18, 22, "RULED")


def test_a_pipeline_on_disk_has_its_own_copy_of_the_model(run, tmp_path):
    moved = tmp_path / "run"
    shutil.copytree(run, moved)
    nlp = pipeline(moved)
    expected = entities(nlp(TEXTS[0]))
    nlp.to_disk(tmp_path / "pipeline")
    shutil.rmtree(moved)
    again = spacy.load(tmp_path / "pipeline")
    assert entities(again(TEXTS[0])) == expected
    again.to_disk(tmp_path / "pipeline")  # over itself
    assert entities(spacy.load(tmp_path / "pipeline")(TEXTS[0])) == expected


def test_documents_with_results_are_stored(run):
    from spacy.tokens import Doc

    nlp = pipeline(run)
    doc = nlp(TEXTS[0])
    again = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert entities(again) == entities(doc)
    assert again._.mtt_jax == doc._.mtt_jax


def test_a_component_without_its_model_goes_to_another_process(run):
    nlp = pipeline(run)
    nlp(TEXTS[0])
    again = pickle.loads(pickle.dumps(nlp.get_pipe("mtt_jax")))
    assert "predictor" not in vars(again)
    assert again.run == str(run)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "mtt_jax: no run is named; "),
        ({"run": "no/such/run"}, "no/such/run: no such directory; expected a run"),
    ],
)
def test_a_run_that_is_not_there_is_one_line_at_the_first_document(config, message):
    nlp = spacy.blank("en")
    nlp.add_pipe("mtt_jax", config=config)
    with pytest.raises(UserError, match=message):
        nlp("a")


def test_an_unknown_alignment_is_refused_when_the_component_is_added(run):
    with pytest.raises(UserError, match="'extend' is not one of strict, contract, expand. Did you"):
        pipeline(run, alignment="extend")


def test_an_installed_package_needs_no_import(run, tmp_path):
    """With the entry point of pyproject.toml, as pip installs it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ((name, target),) = project["entry-points"]["spacy_factories"].items()
    assert target == f"{component.__name__}:{component.make.__name__}"
    info = tmp_path / "mtt_jax-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mtt_jax\nVersion: 0\n")
    (info / "entry_points.txt").write_text(f"[spacy_factories]\n{name} = {target}\n")
    code = (
        "import sys, spacy; nlp = spacy.blank('en'); print('jax' in sys.modules)\n"
        f"nlp.add_pipe('mtt_jax', config={{'run': {str(run)!r}}}); print(len(nlp('Tom').cats))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
    )  # fmt: skip
    assert done.stdout.split() == ["False", "3"], done.stderr
