"""The same texts give the same ids in every process; a loaded tokenizer is one we can use."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from mtt_jax.config.schema import TokenizerConfig
from mtt_jax.data.tokenizer import CLS, PAD, SEP, SPECIAL, UNKNOWN, load, train
from mtt_jax.errors import UserError
from tests.helpers import ROOT

ALGORITHMS = ("wordpiece", "bpe")
WORDS = (
    "the minister of Rome scored against Leeds naïve café résumé Zürich Łódź Ångström "
    "Москва президент выборы сказал Αθήνα εκλογές القاهرة رئيس دולר ירושלים 東京 選挙 大統領 "
    "서울 대통령 दिल्ली चुनाव กรุงเทพ e\u0301lan 3.5% $20bn U.S. O'Neill co-op “quoted” – 🙂"
)


def ids_of(tokenizer):
    return [encoding.ids for encoding in tokenizer.encode_batch(TEXTS)]


def sentences(count=400, seed=0):
    """Sentences of many scripts, all different."""
    rng = np.random.default_rng(seed)
    words = WORDS.split()
    endings = ["", "", "s", "ing", "ed", "-led"]
    return [
        " ".join(
            str(rng.choice(words)) + str(rng.choice(endings)) for _ in range(rng.integers(3, 14))
        )
        + f" {i} ."
        for i in range(count)
    ]


TEXTS = sentences()


@pytest.fixture(scope="module", params=ALGORITHMS)
def algorithm(request):
    return request.param


@pytest.fixture(scope="module")
def tokenizer(algorithm):
    return train(TEXTS, TokenizerConfig(algorithm=algorithm, vocab_size=600))


TRAIN_AND_PRINT = """
import json, sys
from mtt_jax.config.schema import TokenizerConfig
from mtt_jax.data.tokenizer import train

texts = json.load(sys.stdin)
found = {}
for algorithm in ("wordpiece", "bpe"):
    tokenizer = train(texts, TokenizerConfig(algorithm=algorithm, vocab_size=600))
    ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    found[algorithm] = [tokenizer.to_str(), tokenizer.get_vocab(), ids]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def trained_elsewhere():
    """What two processes with different hash seeds trained, by algorithm."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TRAIN_AND_PRINT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
        )
        for seed in ("1", "2")
    ]
    return [json.loads(process.communicate(json.dumps(TEXTS))[0]) for process in processes]


def test_training_in_two_processes_gives_the_same_tokenizer(
    trained_elsewhere, tokenizer, algorithm
):
    (file, vocabulary, ids), (other_file, other_vocabulary, other_ids) = (
        found[algorithm] for found in trained_elsewhere
    )
    assert len(TEXTS) >= 300
    assert vocabulary == other_vocabulary == tokenizer.get_vocab()
    assert ids == other_ids == ids_of(tokenizer)
    assert file == other_file == tokenizer.to_str()


def test_order_of_the_texts_does_not_change_the_ids(tokenizer, algorithm):
    again = train(reversed(TEXTS), TokenizerConfig(algorithm=algorithm, vocab_size=600))
    assert again.get_vocab() == tokenizer.get_vocab()


def test_every_text_is_wrapped_in_cls_and_sep(tokenizer):
    for encoding in tokenizer.encode_batch([*TEXTS[:20], "", "goal"]):
        assert encoding.tokens[0] == CLS
        assert encoding.tokens[-1] == SEP
        assert not {CLS, SEP, PAD} & set(encoding.tokens[1:-1])
        assert encoding.special_tokens_mask == [1, *[0] * (len(encoding) - 2), 1]


def test_special_tokens_have_the_first_ids_and_padding_is_0(tokenizer):
    assert [tokenizer.token_to_id(token) for token in SPECIAL] == [0, 1, 2, 3, 4]
    assert tokenizer.token_to_id(PAD) == 0


def test_ids_are_those_below_the_size_of_the_vocabulary(tokenizer):
    ids = set(tokenizer.get_vocab().values())
    assert ids == set(range(tokenizer.get_vocab_size()))


def test_subword_offsets_cover_every_character_but_spaces(tokenizer):
    for text in TEXTS:
        encoding = tokenizer.encode(text)
        pieces = "".join(text[a:b] for a, b in encoding.offsets[1:-1])
        assert pieces == "".join(text.split())


def test_frequent_words_are_one_subword_and_known_characters_are_never_unk(tokenizer):
    assert tokenizer.encode("scored").tokens == [CLS, "scored", SEP]
    assert tokenizer.encode("президент").tokens == [CLS, "президент", SEP]
    assert not any(UNKNOWN in encoding.tokens for encoding in tokenizer.encode_batch(TEXTS))


def test_new_word_of_known_characters_is_several_subwords(tokenizer):
    encoding = tokenizer.encode("smorces")
    assert UNKNOWN not in encoding.tokens
    assert len(encoding) > 3


@pytest.mark.parametrize("character", ["☃", "𓀀", "Ⅷ"])
def test_unknown_characters_become_unk_and_leave_their_neighbors_alone(tokenizer, character):
    assert tokenizer.encode(character).tokens == [CLS, UNKNOWN, SEP]
    tokens = tokenizer.encode(f"scored {character} Leeds").tokens
    assert tokens == [CLS, "scored", UNKNOWN, "Leeds", SEP]


def test_capitals_and_accents_matter_unless_lowercase_is_true(algorithm):
    cased, lower = (
        train(TEXTS, TokenizerConfig(algorithm=algorithm, vocab_size=600, lowercase=lowercase))
        for lowercase in (False, True)
    )
    for one, other in (("Zürich", "zurich"), ("CAFÉ", "café"), ("Москва", "москва")):
        assert lower.encode(one).ids == lower.encode(other).ids
        assert cased.encode(one).ids != cased.encode(other).ids
    text = "CAFÉ Zürich"
    assert [text[a:b] for a, b in lower.encode(text).offsets[1:-1]] == ["CAFÉ", "Zürich"]


@pytest.mark.parametrize("size", [100, 150, 250, 400])
def test_vocabulary_is_no_larger_than_vocab_size(algorithm, size):
    config = TokenizerConfig(algorithm=algorithm, vocab_size=size)
    assert train(TEXTS, config).get_vocab_size() <= size


def test_vocabulary_is_no_larger_for_a_script_of_many_characters(algorithm):
    characters = [chr(0x4E00 + i) for i in range(600)]
    texts = [" ".join(characters[i : i + 20]) for i in range(0, 600, 10)]
    config = TokenizerConfig(algorithm=algorithm, vocab_size=300)
    assert train(texts, config).get_vocab_size() <= 300


def test_vocabulary_is_filled_if_there_are_enough_texts(algorithm):
    config = TokenizerConfig(algorithm=algorithm, vocab_size=300)
    assert train(TEXTS, config).get_vocab_size() == 300


def test_saved_tokenizer_is_loaded_unchanged(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    loaded = load(path)
    assert loaded.to_str() == tokenizer.to_str()
    assert ids_of(loaded) == ids_of(tokenizer)


def test_a_tilde_in_the_path_is_the_home_directory(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert load("~/tokenizer.json").get_vocab() == tokenizer.get_vocab()


def test_truncation_and_padding_of_a_file_are_switched_off(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.enable_truncation(4)
    copy.enable_padding(length=200)
    copy.save(str(path))
    assert len(Tokenizer.from_file(str(path)).encode(TEXTS[0])) == 200
    loaded = load(path)
    assert loaded.truncation is None
    assert loaded.padding is None
    assert ids_of(loaded) == ids_of(tokenizer)


def load_refusal(path):
    with pytest.raises(UserError) as caught:
        load(path, "config.tokenizer.file")
    return str(caught.value)


def test_missing_tokenizer_file_is_reported_with_the_field(tmp_path):
    path = tmp_path / "none.json"
    assert load_refusal(path) == (
        f"config.tokenizer.file: {path}: no such file; expected a tokenizer.json."
    )
    assert load_refusal(tmp_path) == (
        f"config.tokenizer.file: {tmp_path}: is a directory; expected a file."
    )


@pytest.mark.parametrize("content", [b"", b"not json", b"{}", b'{"model": 3}', b"[]"])
def test_file_that_is_not_a_tokenizer_is_reported(tmp_path, content):
    path = tmp_path / "vocab.json"
    path.write_bytes(content)
    assert load_refusal(path).startswith(f"config.tokenizer.file: {path}: not a tokenizer.json: ")


@pytest.mark.parametrize("template", ["$A", "[CLS] $A", "$A [SEP]"])
def test_tokenizer_without_special_tokens_at_both_ends_is_refused(tmp_path, template):
    bare = Tokenizer(models.WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3}, "[UNK]"))
    bare.pre_tokenizer = pre_tokenizers.Whitespace()
    bare.add_special_tokens(["[CLS]", "[SEP]"])
    path = tmp_path / "tokenizer.json"
    ends = [("[CLS]", 1), ("[SEP]", 2)]
    bare.post_processor = processors.TemplateProcessing(single=template, special_tokens=ends)
    bare.save(str(path))
    refusal = load_refusal(path)
    assert refusal.startswith(f"config.tokenizer.file: {path}: does not put a special token before")
    assert "post-processor" in refusal
    bare.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=ends
    )
    bare.save(str(path))
    assert load(path).encode("a b").ids == [1, 3, 0, 2]


def test_tokenizer_without_a_post_processor_is_refused(tmp_path):
    bare = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, "[UNK]"))
    bare.save(str(tmp_path / "tokenizer.json"))
    assert "does not put a special token" in load_refusal(tmp_path / "tokenizer.json")
