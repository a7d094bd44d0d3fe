"""What is scored is what users get: on the same texts evaluation and Predictor agree exactly."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from mtt_jax import Predictor
from mtt_jax.config.schema import TokenizerConfig
from mtt_jax.data.encode import encode_records, reading_of
from mtt_jax.data.tokenizer import train as train_tokenizer
from mtt_jax.scoring.evaluate import evaluate
from mtt_jax.types import Record, Span
from mtt_jax.weights.saved_model import SavedModel
from tests.helpers import forward_of, four_task_config, model_and_params, strict_f1
from tests.texts import hard_texts, without_halves

SENTENCES = [
    "St. Louis beat AC/DC-fan George W. Bush, Inc.",
    "l'UNESCO a quitté Aix-en-Provence aujourd'hui",
    "Ankara'da Türkiye’nin başkenti",
    "서울에서 김철수가 삼성전자를 떠났다",
    "นายกรัฐมนตรีเดินทางไปกรุงเทพมหานคร",
    "ຢູ່ນະຄອນຫຼວງວຽງຈັນ",
    "នៅភ្នំពេញថ្ងៃនេះ",
    "北京大学の田中さんが東京へ",
    "AT&amp;T of <b>New York</b> didn't pay Zo&euml; &lt;i&gt;Acme&lt;/i&gt; Corp",
    "Ann <ann@acme.org> met <PERSON>, a < b",
    "Zo\u200dë of Ac\xadme\u200b met \ue000Tom\x02 Fry\ufeff",
    "China #39;s  bank \n in   Rome \\$5",
    "👨\u200d👩\u200d👧 met 🇫🇷Tom🇩🇪",
    "",
    " \u200b ",
    "Tom Fry of Acme United scored in Rome . " * 30,
    "กรุงเทพ" * 60,
]
TEXTS = [*SENTENCES, *hard_texts(150, 5, longest=25)]
TYPES = ("PER", "ORG", "LOC", "MISC")
TAGS = ("NOUN", "VERB", "OTHER")


@pytest.fixture(scope="module", params=["cleaned-iob2", "as given-io"])
def model(request, tmp_path_factory):
    """A model with tasks of all four kinds, whose answers differ from text to text."""
    cleaned, scheme = request.param.split("-")
    known = [without_halves(text) for text in TEXTS]
    tokenizer = train_tokenizer(known, TokenizerConfig(vocab_size=500))
    config = four_task_config(data__clean=cleaned == "cleaned", tasks__ner__scheme=scheme)
    _, params = model_and_params(config, tokenizer)
    for name, head in params["heads"].items():
        head["logits"]["kernel"] *= 100 if name == "ner" else 50
    folder = tmp_path_factory.mktemp("model")
    return SavedModel(config, params, tokenizer, folder, config.task_list)


@pytest.fixture(scope="module")
def results(model):
    return Predictor(model)(TEXTS)


def moved(rng, text, start, end):
    """The place of an entity, in every third case with an edge elsewhere."""
    if rng.random() < 1 / 3:
        start = max(0, start - int(rng.integers(-1, 2)))
        end = min(len(text), max(start + 1, end + int(rng.integers(-1, 2))))
    return start, end


def labelled(results, seed=0):
    """Records whose labels are in part what was predicted, with edges anywhere in the text."""
    rng = np.random.default_rng(seed)
    for result in results:
        text, spans, tags = result["text"], [], []
        for entity in result["ner"]:
            start, end = moved(rng, text, entity["start"], entity["end"])
            label = entity["label"] if rng.random() < 0.8 else str(rng.choice(TYPES))
            if rng.random() < 0.8 and start >= max((span.end for span in spans), default=0):
                spans.append(Span(start, end, label))
        words = iter(result["pos"])
        for word in words:  # words of the file are one, two or three of ours
            others = [next(words, word) for _ in range(int(rng.integers(0, 3)))]
            tag = word["label"] if rng.random() < 0.5 else str(rng.choice(TAGS))
            if rng.random() < 0.9:
                tags.append(Span(word["start"], max(w["end"] for w in [word, *others]), tag))
        labels = {"ner": tuple(spans), "pos": tuple(tags)}
        if result["topic"]:  # a text without a word gets no answer
            labels["topic"] = result["topic"]["label"] if rng.random() < 0.6 else "others"
            names = result["subjects"]["labels"]
            labels["subjects"] = tuple(name for name in names if rng.random() < 0.7)
        else:
            labels |= {"topic": "sports", "subjects": ("law",)}
        yield Record(text, labels)


@pytest.fixture(scope="module")
def corpus(results):
    return list(labelled(results))


@pytest.fixture(scope="module")
def scores(model, corpus):
    config = model.config
    net, _ = model_and_params(config, model.tokenizer)
    examples = encode_records(corpus, model.tokenizer, config.task_list, reading_of(config))
    return evaluate(forward_of(net), model.params, examples, config).scores


def test_f1_of_entities_is_that_of_the_predictor_by_character_offsets(scores, corpus, results):
    gold = [record.labels["ner"] for record in corpus]
    found = strict_f1(gold, [result["ner"] for result in results])
    assert scores["ner"].headline == found
    assert 0.2 < found < 0.9
    assert sum(row.support for row in scores["ner"].rows.values()) == sum(map(len, gold))


def test_entities_whose_edge_falls_inside_a_word_are_counted_and_lower_the_ceiling(
    scores, corpus, results
):
    cut = 0
    for record, result in zip(corpus, results, strict=True):
        inside = {
            place for w in result["pos"] for place in range(w["start"] + 1, w["end"])
        }  # the model's words, as a task that tags each of them gives them
        cut += sum(bool({s.start, s.end} & inside) for s in record.labels["ner"])
    assert scores["ner"].ceiling.cut == cut > 10
    assert scores["ner"].headline < scores["ner"].ceiling.f1 < 1


def test_accuracy_of_tags_is_that_of_the_predictor_s_words(scores, corpus, results):
    gold, found = [], []
    for record, result in zip(corpus, results, strict=True):
        for word in result["pos"]:
            touching = [
                tag
                for start, end, tag in record.labels["pos"]
                if start < word["end"] and end > word["start"]
            ]
            if touching:
                gold.append(touching[0])
                found.append(word["label"])
    assert scores["pos"].headline == accuracy_score(gold, found)
    assert sum(map(sum, scores["pos"].confusion.counts)) == len(gold)
    assert 0.4 < scores["pos"].headline < 0.9


def test_f1_of_topics_and_of_sets_of_labels_is_that_of_the_predictor(scores, corpus, results):
    answered = [
        (record.labels, result)
        for record, result in zip(corpus, results, strict=True)
        if result["topic"] is not None
    ]
    assert len(answered) < len(corpus)
    gold = [labels["topic"] for labels, _ in answered]
    found = [result["topic"]["label"] for _, result in answered]
    assert scores["topic"].headline == pytest.approx(f1_score(gold, found, average="macro"))
    names = list(answered[0][1]["subjects"]["scores"])
    wanted = [[name in labels["subjects"] for name in names] for labels, _ in answered]
    given = [[name in result["subjects"]["labels"] for name in names] for _, result in answered]
    micro = f1_score(np.array(wanted), np.array(given), average="micro")
    assert scores["subjects"].headline == pytest.approx(micro)
    assert 0.2 < micro < 1
    for task in ("topic", "subjects"):
        assert scores[task].sentences == len(answered)


def test_words_of_evaluation_are_those_that_the_predictor_answers_for(model, corpus, results):
    config = model.config
    examples = encode_records(corpus, model.tokenizer, config.task_list, reading_of(config))
    for index, result in enumerate(results):
        places = [[word["start"], word["end"]] for word in result["pos"]]
        assert examples[index].words.tolist() == places
