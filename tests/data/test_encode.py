"""Encoding: the words of a text, labels on first subwords, windows that decide each word once."""

from itertools import pairwise

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from mtt_jax.config.schema import TokenizerConfig
from mtt_jax.data.clean import clean
from mtt_jax.data.encode import ExampleSet, Reading, cut, encode_records, encode_texts, windows
from mtt_jax.data.tokenizer import train
from mtt_jax.data.words import split_words
from mtt_jax.types import Example, Record, Span
from tests.helpers import (
    assert_trees_equal,
    four_task_config,
    four_task_records,
    make_config,
    record,
)
from tests.texts import hard_texts, without_halves

CLS, SEP = 1000, 1001


def random_example(rng, subwords, words=None):
    """An example of `subwords` between its ends, whose words begin at random subwords."""
    count = int(rng.integers(0, subwords + 1)) if words is None else words
    starts = np.sort(rng.choice(subwords, count, replace=False)) + 1
    starts = np.where(rng.random(count) < 0.1, -1, starts)  # words that were cut off
    tokens = np.concatenate([[CLS], rng.permutation(subwords), [SEP]]).astype(np.int32)
    return example_of(tokens, starts)


def example_of(tokens, starts):
    """An example whose words are one character and a space each."""
    words = [(2 * i, 2 * i + 1) for i in range(len(starts))]
    pairs = np.array(words, np.int32).reshape(-1, 2)
    ids = np.stack([tokens, 2 * tokens], axis=1)  # two word features
    return Example(tokens, np.asarray(starts, np.int32), pairs, {}, ids)


def random_cases(count=400, seed=0):
    """(example, max_length, overlap) with an overlap that a config allows."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        max_length = int(rng.integers(8, 40))
        overlap = int(rng.integers(0, max_length // 2 + 1))
        yield random_example(rng, int(rng.integers(0, 150))), max_length, overlap


# Words of a text

CORPUS = [without_halves(text) for text in hard_texts(600, 1)]


def trained(model, pre_tokenizer=None, normalizer=None):
    """A tokenizer that was trained elsewhere, with pieces that know nothing of our words."""
    tokenizer = Tokenizer(model)
    trainer_of = {"BPE": trainers.BpeTrainer, "Unigram": trainers.UnigramTrainer}
    options = {"unk_token": "<unk>"} if isinstance(model, models.Unigram) else {}
    trainer = trainer_of[type(model).__name__](
        special_tokens=["<s>", "</s>", "<unk>"], vocab_size=600, show_progress=False, **options
    )
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(CORPUS, trainer)
    return with_ends(tokenizer)


def with_ends(tokenizer):
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return tokenizer


TOKENIZERS = {
    "wordpiece": lambda: train(CORPUS, TokenizerConfig(vocab_size=700)),
    "bpe": lambda: train(CORPUS, TokenizerConfig(vocab_size=700, algorithm="bpe")),
    "BERT": lambda: trained(
        models.BPE(), pre_tokenizers.BertPreTokenizer(), normalizers.BertNormalizer()
    ),
    "byte level": lambda: trained(models.BPE(), pre_tokenizers.ByteLevel(trim_offsets=False)),
    "SentencePiece": lambda: trained(
        models.Unigram(),
        pre_tokenizers.Metaspace(),
        normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()]),
    ),
    "no pre-tokenizer": lambda: trained(models.BPE(unk_token="<unk>")),
    "without accents": lambda: trained(
        models.BPE(),
        pre_tokenizers.WhitespaceSplit(),
        normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]),
    ),
}


@pytest.fixture(scope="module", params=TOKENIZERS)
def anyone_s(request):
    """A tokenizer, of ours or of somebody else."""
    return TOKENIZERS[request.param]()


both = pytest.mark.parametrize("cleaning", [False, True], ids=["as given", "cleaned"])


def words_of(tokenizer, text, cleaning=False):
    """The words of a text, as strings of the text as given."""
    (found,) = encode_texts(tokenizer, [text], Reading(cleaning))
    return [text[start:end] for start, end in found.words]


@both
def test_words_lie_in_the_text_as_given_in_order_and_do_not_overlap(anyone_s, cleaning):
    some = hard_texts()
    for text, found in zip(some, encode_texts(anyone_s, some, Reading(cleaning)), strict=True):
        edges = found.words.flatten().tolist()
        assert edges == sorted(edges)
        assert (found.words[:, 0] < found.words[:, 1]).all()
        assert not edges or (edges[0] >= 0 and edges[-1] <= len(text))


@both
def test_every_word_has_a_subword_of_its_own(anyone_s, cleaning):
    some = hard_texts(seed=2)
    for found in encode_texts(anyone_s, some, Reading(cleaning)):
        assert [array.dtype for array in found] == [np.int32, np.int32, np.int32, np.uint16]
        assert found.words.shape == (len(found.starts), 2)
        assert all(a < b for a, b in pairwise([0, *found.starts.tolist(), len(found.tokens) - 1]))


@both
def test_a_text_has_the_same_words_alone_and_in_a_batch(anyone_s, cleaning):
    some = hard_texts(seed=3)
    for text, found in zip(some, encode_texts(anyone_s, some, Reading(cleaning)), strict=True):
        assert_trees_equal(found, next(encode_texts(anyone_s, [text], Reading(cleaning))))


def test_a_word_begins_and_ends_where_one_of_split_words_does(anyone_s):
    for text, found in zip(CORPUS, encode_texts(anyone_s, CORPUS, Reading(False)), strict=True):
        units = split_words(text)
        assert set(found.words[:, 0].tolist()) <= {start for start, _ in units}
        assert set(found.words[:, 1].tolist()) <= {end for _, end in units}


def test_the_first_subword_of_a_word_covers_a_character_of_it(anyone_s):
    for text in CORPUS:
        (found,) = encode_texts(anyone_s, [text], Reading(False))
        offsets = anyone_s.encode(text).offsets
        for start, (begin, end) in zip(found.starts, found.words, strict=True):
            assert offsets[start][0] < end
            assert offsets[start][1] > begin


def test_every_subword_that_shows_anything_belongs_to_a_word(anyone_s):
    for text in CORPUS:
        (found,) = encode_texts(anyone_s, [text], Reading(False))
        offsets = anyone_s.encode(text).offsets[1 : len(found.tokens) - 1]
        first = int(found.starts[0]) - 1 if len(found.starts) else len(offsets)
        assert all(not text[a:b].replace("\u200b", " ").strip() for a, b in offsets[:first])


def test_tokens_are_those_of_the_tokenizer_on_the_cleaned_text(anyone_s):
    for text in CORPUS:
        (found,) = encode_texts(anyone_s, [text], Reading(True))
        assert found.tokens.tolist() == anyone_s.encode(clean(text).text).ids


@pytest.mark.parametrize("algorithm", ["wordpiece", "bpe"])
def test_a_trained_tokenizer_joins_no_two_words(algorithm):
    tokenizer = train(CORPUS * 3, TokenizerConfig(vocab_size=2000, algorithm=algorithm))
    for text in CORPUS:
        (found,) = encode_texts(tokenizer, [text], Reading(False))
        missing = set(split_words(text)) - {(int(a), int(b)) for a, b in found.words}
        # A word of characters that the normalizer drops has no subword.
        assert all(not tokenizer.normalizer.normalize_str(text[a:b]) for a, b in missing)


@pytest.mark.parametrize(
    ("name", "char"),
    [
        ("zero-width joiner", "\u200d"),
        ("zero-width non-joiner", "\u200c"),
        ("soft hyphen", "\xad"),
        ("control character", "\x02"),
        ("null", "\x00"),
        ("private use", "\ue000"),
        ("byte order mark", "\ufeff"),
        ("combining mark", "\u0301"),
        ("combining mark beyond U+FFFF", "\U0001e8d0"),
    ],
)
def test_a_character_that_is_not_seen_belongs_to_the_word_it_stands_in(tokenizer, name, char):
    text = f"An{char}n ran{char} ."
    for cleaning in (False, True):
        assert words_of(tokenizer, text, cleaning) == [f"An{char}n", f"ran{char}", "."], name


def test_what_no_subword_covers_is_no_word(tokenizer):
    assert words_of(tokenizer, "Tom \x02 ran \u200d") == ["Tom", "ran"]
    assert words_of(tokenizer, "\x02\u200d \ufeff") == []
    assert words_of(tokenizer, "") == words_of(tokenizer, " \n") == []
    assert words_of(tokenizer, "<b></b>", True) == []


def test_half_of_a_surrogate_pair_is_a_character_like_any_other(tokenizer):
    text = "Tom \ud800 An\udfffn <b>ran</b>"
    assert words_of(tokenizer, text)[:2] == ["Tom", "\ud800"]
    assert words_of(tokenizer, text, True)[-1] == "ran"


def bpe(*merges):
    """A BPE tokenizer without a pre-tokenizer, with some merges."""
    pairs = [tuple(merge.split("+")) for merge in merges]
    pieces = sorted(set("abcxyz'- .") | {part for pair in pairs for part in pair})
    vocab = {"<s>": 0, "</s>": 1} | {piece: i for i, piece in enumerate(pieces, start=2)}
    vocab |= {"".join(pair): len(vocab) + i for i, pair in enumerate(pairs)}
    return with_ends(Tokenizer(models.BPE(vocab, pairs)))


@pytest.mark.parametrize(
    ("merges", "text", "words", "starts"),
    [
        ([], "ab-xy", ["ab", "-", "xy"], [1, 3, 4]),
        (["b+-"], "ab-xy", ["ab-", "xy"], [1, 3]),  # a b- x y
        (["a+b", "ab+-", "ab-+x"], "ab-xy", ["ab-", "xy"], [1, 2]),  # ab-x y
        (["-+x", "-x+y"], "ab-xy", ["ab", "-xy"], [1, 3]),  # a b -xy
        (["'+x"], "y'x.", ["y", "'x", "."], [1, 2, 3]),
        (["a+ ", "a +b"], "a b.", ["a b", "."], [1, 2]),  # even across a space
        ([" +a"], " a.", ["a", "."], [1, 2]),  # SentencePiece includes the space before
        (["-+'", "-'+-"], "a-'-b", ["a", "-'-", "b"], [1, 2, 3]),  # three in one subword
    ],
)
def test_a_subword_that_joins_two_words_makes_them_one(merges, text, words, starts):
    tokenizer = bpe(*merges)
    (found,) = encode_texts(tokenizer, [text], Reading(False))
    assert [text[a:b] for a, b in found.words] == words
    assert found.starts.tolist() == starts


def test_words_are_in_characters_of_the_text_as_given_whether_it_is_cleaned_or_not(tokenizer):
    text = "<b>AT&amp;T</b>  paid\n Zo&euml;&#39;s <PER>"
    given = ["<", "b", ">", "AT", "&", "amp", ";", "T", "<", "/", "b", ">", "paid"]
    assert words_of(tokenizer, text)[: len(given)] == given
    assert words_of(tokenizer, text, cleaning=True) == [
        "AT", "&amp;", "T", "paid", "Zo&euml;", "&#39;", "s", "<", "PER", ">"
    ]  # fmt: skip


def test_gold_edges_do_not_change_the_words(tokenizer):
    text = "AC/DC-fan resigned"
    labels = [(), (Span(0, 7, "ORG"),), (Span(1, 10, "PER"), Span(12, 14, "LOC"))]
    tasks = make_config().task_list
    some = encode_records(
        [Record(text, {"ner": x}) for x in labels], tokenizer, tasks, Reading(True)
    )
    for index in range(3):
        np.testing.assert_array_equal(some[index].words, some[0].words)
        np.testing.assert_array_equal(some[index].starts, some[0].starts)
    assert [some[i].labels["ner"].cut.tolist() for i in range(3)] == [[], [True], [True, True]]


# Example sets


def test_labels_are_class_ids_and_missing_labels_are_missing(tokenizer):
    tasks = make_config().task_list
    examples = encode_records(
        [
            record("Tom ran .", "others", [(0, 1, "PER"), (1, 2, "MISC")]),
            record("Ann ran .", "sports", None),
            record("It ran .", None, []),
        ],
        tokenizer,
        tasks,
        Reading(True),
    )
    assert [examples[i].labels.get("topic") for i in range(3)] == [2, 0, None]
    ner_of = examples[0].labels["ner"]
    assert ner_of.spans.tolist() == [[0, 1, 0], [1, 2, 3]]
    assert ner_of.places.tolist() == [[0, 3], [4, 7]]
    assert list(examples[1].labels) == ["topic"]
    assert list(examples[2].labels) == ["ner"]
    assert examples[2].labels["ner"].spans.shape == (0, 3)
    assert examples.counts() == {"topic": 2, "ner": 2}
    topic, ner = tasks
    assert examples.labelled(topic).tolist() == [True, True, False]
    assert examples.labelled(ner).tolist() == [True, False, True]


def test_labels_of_all_four_kinds_are_encoded_by_class_id(tokenizer):
    examples = encode_records(
        four_task_records(), tokenizer, four_task_config().task_list, Reading(True)
    )
    labels = examples[1].labels  # The minister resigned on Monday .
    assert labels["topic"] == 1
    assert labels["ner"].spans.tolist() == []
    assert labels["subjects"].tolist() == [0.0, 1.0, 1.0]
    assert labels["subjects"].dtype == np.float32
    assert labels["pos"].tolist() == [0, 2, 1, 2, 0, 2]
    assert labels["pos"].dtype == np.int32
    assert examples[4].labels["subjects"].tolist() == [0.0, 0.0, 0.0], "the empty set is a label"


def test_missing_labels_of_all_four_kinds_are_missing(tokenizer):
    config = four_task_config()
    full = four_task_records()
    names = ["topic", "ner", "subjects", "pos", "", ""]
    bare = [
        r._replace(labels={n: label for n, label in r.labels.items() if n != name})
        for r, name in zip(full, names, strict=True)
    ]
    examples = encode_records(bare, tokenizer, config.task_list, Reading(True))
    assert [set(examples[i].labels) for i in range(6)] == [set(r.labels) for r in bare]
    assert examples.counts() == {"subjects": 5, "topic": 5, "ner": 5, "pos": 5}
    for task in config.task_list:
        assert np.flatnonzero(~examples.labelled(task)).tolist() == [names.index(task.name)]


def test_word_without_a_tag_is_encoded_as_minus_1(tokenizer):
    config = four_task_config()
    some = [record("Tom ran .", pos=("NOUN", "", "OTHER"))]
    example = encode_records(some, tokenizer, config.task_list, Reading(True))[0]
    assert example.labels["pos"].tolist() == [0, -1, 2]


def test_an_example_set_is_indexed_like_a_list(examples, records, tokenizer):
    assert len(examples) == len(records)
    for index, gold in enumerate(records):
        assert examples[index].tokens.tolist() == tokenizer.encode(gold.text).ids
        assert [gold.text[a:b] for a, b in examples[index].words] == gold.text.split()
        np.testing.assert_array_equal(examples[index - len(records)].tokens, examples[index].tokens)
    for outside in (len(records), -len(records) - 1):
        with pytest.raises(IndexError):
            examples[outside]
    assert examples.lengths().tolist() == [len(examples[i].tokens) for i in range(len(examples))]


def same(ours: ExampleSet, theirs: ExampleSet):
    assert ours.arrays.keys() == theirs.arrays.keys()
    for name, array in ours.arrays.items():
        assert array.dtype == theirs.arrays[name].dtype
        np.testing.assert_array_equal(array, theirs.arrays[name])


def test_saved_examples_are_loaded_unchanged(tokenizer, tmp_path):
    config = four_task_config()
    partly = [record("Tom ran .", "sports"), record("Tom ran .", pos=("NOUN", "", "OTHER"))]
    examples = encode_records(
        [*four_task_records(), *partly], tokenizer, config.task_list, Reading(True)
    )
    examples.save(tmp_path / "train.npz")
    loaded = ExampleSet.load(tmp_path / "train.npz", examples.tasks)
    same(examples, loaded)
    for index in range(len(examples)):
        ours, theirs = examples[index], loaded[index]
        assert_trees_equal(ours, theirs)


def test_empty_example_set_and_sentence_without_words_are_saved_and_loaded(tokenizer, tmp_path):
    tasks = four_task_config().task_list
    for count in (0, 1):
        empty = record("", "sports", [], subjects=(), pos=())
        some = encode_records([empty] * count, tokenizer, tasks, Reading(True))
        some.save(tmp_path / "some.npz")
        loaded = ExampleSet.load(tmp_path / "some.npz", tasks)
        same(some, loaded)
        assert len(loaded) == count
        assert loaded.counts() == {task.name: count for task in tasks}
        assert loaded.lengths().tolist() == [2] * count


# Cutting


def test_cutting_keeps_the_beginning_and_both_special_tokens():
    for example, max_length, _ in random_cases():
        short = cut(example, max_length)
        length = len(example.tokens)
        if length <= max_length:
            assert short is example
            continue
        assert len(short.tokens) == max_length
        assert short.tokens[-1] == SEP
        np.testing.assert_array_equal(short.tokens[:-1], example.tokens[: max_length - 1])
        kept = short.starts >= 0
        np.testing.assert_array_equal(short.starts[kept], example.starts[kept])
        np.testing.assert_array_equal(
            kept, (example.starts >= 0) & (example.starts < max_length - 1)
        )


# Windows


def test_windows_decide_every_word_exactly_once():
    for example, max_length, overlap in random_cases():
        decided = np.concatenate([w.words for w in windows([example], max_length, overlap)])
        np.testing.assert_array_equal(decided, np.flatnonzero(example.starts >= 0))


def test_shares_of_the_windows_of_a_sentence_sum_to_1():
    for example, max_length, overlap in random_cases():
        shares = [w.share for w in windows([example], max_length, overlap)]
        assert abs(sum(shares) - 1) < 1e-9
        assert min(shares) > 0


def test_windows_fit_the_model_and_are_parts_of_the_sentence_between_special_tokens():
    several = 0
    for example, max_length, overlap in random_cases():
        content = example.tokens[1:-1].tolist()
        covered = set()
        for window in windows([example], max_length, overlap):
            assert len(window.tokens) <= max_length
            assert (window.tokens[0], window.tokens[-1]) == (CLS, SEP)
            inner = window.tokens[1:-1].tolist()
            begin = content.index(inner[0]) if inner else 0
            assert content[begin : begin + len(inner)] == inner
            covered |= set(inner)
            np.testing.assert_array_equal(
                window.tokens[window.starts], example.tokens[example.starts[window.words]]
            )
            several += window.share < 1
        assert covered == set(content)
    assert several > 100


def test_windows_decide_words_with_at_least_half_of_the_overlap_on_both_sides():
    for example, max_length, overlap in random_cases():
        pieces = list(windows([example], max_length, overlap))
        for place, window in enumerate(pieces):
            before = window.starts - 1
            after = len(window.tokens) - 2 - window.starts
            if place > 0:
                assert (before >= overlap // 2).all()
            if place < len(pieces) - 1:
                assert (after >= (overlap + 1) // 2).all()


def test_drawing_of_windows_in_the_docstring_is_right():
    tokens = np.array([CLS, *range(10), SEP], np.int32)
    example = example_of(tokens, np.arange(1, 11))
    first, second = windows([example], max_length=8, overlap=2)
    assert first.tokens.tolist() == [CLS, 0, 1, 2, 3, 4, 5, SEP]
    assert second.tokens.tolist() == [CLS, 4, 5, 6, 7, 8, 9, SEP]
    assert first.words.tolist() == [0, 1, 2, 3, 4]
    assert second.words.tolist() == [5, 6, 7, 8, 9]


def test_sentence_that_fits_is_one_window_and_windows_know_their_source():
    rng = np.random.default_rng(0)
    some = [random_example(rng, length) for length in (6, 0, 30, 7)]
    pieces = list(windows(some, 8, 2))
    assert [w.source for w in pieces] == [0, 1, *[2] * 7, 3, 3]
    assert pieces[0].tokens is some[0].tokens
    assert [w.share for w in pieces[:2]] == [1.0, 1.0]


@pytest.mark.parametrize("splitting", ["byte level", "metaspace"])
def test_subword_that_includes_the_space_before_a_word_is_the_first_of_that_word(splitting):
    text = "Tom works at Microsoft."
    pieces = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False)
    if splitting == "metaspace":
        pieces = pre_tokenizers.Sequence(
            [pre_tokenizers.Punctuation(), pre_tokenizers.Metaspace(prepend_scheme="first")]
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pieces
    trainer = trainers.BpeTrainer(
        special_tokens=["<s>", "</s>"], vocab_size=400, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator([text] * 5, trainer)
    (found,) = encode_texts(with_ends(tokenizer), [text], Reading(False))
    assert found.starts.tolist() == [1, 2, 3, 4, 5]
    assert found.words.tolist() == [[0, 3], [4, 9], [10, 12], [13, 22], [22, 23]]
    assert len(found.tokens) == 7


@pytest.mark.parametrize("normalizer", [None, normalizers.Nmt()])
def test_subword_that_includes_a_zero_width_space_before_a_word_is_the_first_of_that_word(
    normalizer,
):
    tokenizer = trained(models.BPE(), pre_tokenizers.Metaspace(prepend_scheme="never"), normalizer)
    text = "\u200bTom"
    (found,) = encode_texts(tokenizer, [text], Reading(False))
    assert found.words.tolist() == [[1, 4]]
    offsets = tokenizer.encode(text).offsets
    assert next(i for i, (_, end) in enumerate(offsets) if end > 1) == found.starts[0]
