"""Labels that a split lacks, has too few of, or has almost alone."""

from mtt_jax.data.check.findings import ERROR, WARNING
from mtt_jax.tasks import Classes
from mtt_jax.types import Span
from tests.data.check.samples import GOOD, NER, THREE, named, names, record, splits, topics


def test_a_split_without_any_entity_is_an_error_in_train_and_dev():
    some = [record(f"Tom ran {n}", "a.conll, line 1", ner=(Span(0, 3, "PER"),)) for n in range(60)]
    none = [record(f"it rains {n}", "b.conll, line 1", ner=()) for n in range(60)]
    found = named(splits(some, none), "no labels", (NER,))
    assert found[:4] == (ERROR, "no labels", "ner", "dev")
    assert found.text.startswith("ner: none of 60 dev sentences has an entity; its score chooses")
    assert "--config.data.ner.dev" in found.text
    assert found.places == ("b.conll",)
    assert named(splits(none, some), "no labels", (NER,)).severity == ERROR
    assert named(splits(some, some[:0], none), "no labels", (NER,)).severity == WARNING


def test_a_split_with_one_label_alone_is_an_error():
    records = GOOD | {"dev": topics("dev.csv", *["sports"] * 60)}
    found = named(records, "one label")
    assert found[:4] == (ERROR, "one label", "topic", "dev")
    assert "all dev labels are 'sports'" in found.text
    assert names(records) == ["one label"], "and that the others are absent is not told as well"


def test_a_label_that_dev_lacks_is_a_warning():
    found = named(GOOD | {"dev": topics("dev.csv", *THREE[:2] * 30)}, "absent label")
    assert found[:4] == (WARNING, "absent label", "topic", "dev")
    assert "dev has no 'others', which train has" in found.text


def test_a_label_that_train_lacks_is_an_error_with_its_places():
    test = topics("test.csv", *THREE * 20, "weather")
    found = named(GOOD | {"test": test}, "label that train lacks")
    assert found[:4] == (ERROR, "label that train lacks", "topic", "test")
    assert "test has 'weather', which train lacks" in found.text
    assert "--config.data.topic.label_map" in found.text
    assert found.places == ("test.csv, line 61",)


def test_a_label_that_no_sentence_has_is_a_warning():
    task = Classes("topic", (*THREE, "weather"))
    found = named(GOOD, "label without examples", (task,))
    assert "no sentence has 'weather', which --config.tasks.topic.labels names" in found.text


def test_rare_labels_of_train_are_listed_unless_all_are_rare():
    train = topics("train.csv", *THREE * 20, "weather")
    records = splits(train)
    found = named(records, "rare label")
    assert "fewer than 10 examples of 'weather'" in found.text
    assert found.places == ("train.csv, line 61",)
    assert "rare label" not in names(splits(topics("a", *THREE * 3)))


def test_a_rare_label_that_is_nearly_a_frequent_one_may_be_a_slip():
    found = named(splits(topics("train.csv", *THREE * 20, "weather", "sprots")), "rare label")
    assert "Is 'sprots' a slip for 'sports'? Add some" in found.text


def test_that_dev_lacks_a_rare_label_is_not_told():
    records = GOOD | {"train": topics("train.csv", *THREE * 20, "weather")}
    assert names(records) == ["rare label"]


def test_a_small_dev_split_is_a_warning():
    found = named(GOOD | {"dev": topics("dev.csv", *THREE)}, "small split")
    assert "dev has only 3 labeled sentences" in found.text


def test_a_dominant_class_is_a_warning():
    found = named(splits(topics("train.csv", *["sports"] * 97, *THREE)), "dominant label")
    assert "98% of the train sentences are 'sports'" in found.text
    assert "--config.tasks.topic.class_sampling=over" in found.text
