"""A tokenizer is read with the settings beside it, and every id that it gives has a row."""

import json

import pytest
from tokenizers import AddedToken, Tokenizer, normalizers

from mtt_jax.config.schema import TokenizerConfig
from mtt_jax.data.tokenizer import (
    SPECIAL,
    load,
    settings_files,
    size_without_added,
    train,
    vocabulary_size,
)
from mtt_jax.errors import UserError

VOCAB = [*SPECIAL, "uber", "über", "Über", "##s", "東", "京", "東京", "a", "b", "Tom", "tom", "!",
         "<", ">", "ent", "<e>", "cafe", "café", "'", "t"]  # fmt: skip
TEXTS = ["Über a", "東京 a", "Tom! café", "über <ENT> a<ENT>b foo Foo FOO", "bar abar  bar",
         "<e> ent <e>x", "[MASK] a <A> [b] [B]", "<mask> <s> a</s>", " ", "Tom Tom's tom",
         "東京東 aé", ""]  # fmt: skip


def write(folder, lines=VOCAB, vocab="vocab.txt", **files):
    """A folder with a vocab.txt; `files` are its JSON files by name. Returns the vocab.txt."""
    (folder / vocab).write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder / vocab


def added(content, **options):
    """A row of added_tokens_decoder."""
    flags = dict.fromkeys(("lstrip", "rstrip", "normalized", "single_word", "special"), False)
    return {"content": content, **flags, **options}


def tokens(path, text):
    return load(path).encode(text).tokens[1:-1]


def refusal(path):
    with pytest.raises(UserError) as caught:
        load(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def test_the_size_of_a_vocabulary_is_its_largest_id_plus_1(tmp_path):
    doubled = load(write(tmp_path, [*VOCAB, "tom", "a", "zz"]))
    assert doubled.get_vocab_size() == len(VOCAB) + 1
    assert vocabulary_size(doubled) == len(VOCAB) + 3
    assert max(doubled.encode("tom a zz").ids) == len(VOCAB) + 2


def test_the_size_counts_the_ids_of_a_file_with_holes_and_survives_saving(tmp_path):
    plain = load(write(tmp_path))
    plain.save(str(tmp_path / "tokenizer.json"))
    content = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    content["model"]["vocab"]["far"] = 90
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    holed = load(tmp_path / "tokenizer.json")
    assert vocabulary_size(holed) == 91
    holed.save(str(tmp_path / "again.json"))
    assert vocabulary_size(load(tmp_path / "again.json")) == 91
    assert load(tmp_path / "again.json").encode("far a").ids == holed.encode("far a").ids


@pytest.mark.parametrize("algorithm", ["wordpiece", "bpe"])
def test_the_size_of_a_trained_tokenizer_is_the_number_of_its_subwords(algorithm):
    tokenizer = train(TEXTS * 9, TokenizerConfig(algorithm=algorithm, vocab_size=100))
    assert vocabulary_size(tokenizer) == size_without_added(tokenizer) == len(tokenizer.get_vocab())


def test_added_tokens_at_the_end_are_not_counted_as_the_models_own(tmp_path):
    tokenizer = load(write(tmp_path))
    tokenizer.add_tokens(["<new>", AddedToken("<newer>", special=True)])
    assert size_without_added(tokenizer) == len(VOCAB)
    assert vocabulary_size(tokenizer) == len(VOCAB) + 2


@pytest.mark.parametrize(
    ("settings", "text", "expected"),
    [
        ({}, "Über", ["uber"]),
        ({"do_lower_case": False}, "Über", ["Über"]),
        ({"do_lower_case": True, "strip_accents": False}, "Über", ["über"]),
        ({"do_lower_case": False, "strip_accents": True}, "über", ["uber"]),
        ({"strip_accents": None}, "café", ["cafe"]),
        ({}, "東京", ["東", "京"]),
        ({"tokenize_chinese_chars": False}, "東京", ["東京"]),
    ],
)
def test_normalization_is_that_of_the_settings(settings, text, expected, tmp_path):
    assert tokens(write(tmp_path, tokenizer_config=settings), text) == expected


def test_a_vocabulary_may_have_any_name_that_ends_in_txt(tmp_path):
    path = write(tmp_path, vocab="words.txt", tokenizer_config={"do_lower_case": False})
    assert tokens(path, "Über") == ["Über"]


def test_added_tokens_are_whole_and_have_the_ids_that_are_given(tmp_path):
    end = len(VOCAB)
    listed = {str(end + 3): added("<ENT>", special=True), str(end): added("a!b")}
    tokenizer = load(write(tmp_path, tokenizer_config={"added_tokens_decoder": listed}))
    assert tokenizer.encode("a<ENT>b a!b").tokens[1:-1] == ["a", "<ENT>", "b", "a!b"]
    assert tokenizer.token_to_id("<ENT>") == end + 3
    assert tokenizer.token_to_id("a!b") == end
    assert vocabulary_size(tokenizer) == end + 4


def test_older_files_list_added_tokens_too(tmp_path):
    path = write(
        tmp_path,
        added_tokens={"<ENT>": len(VOCAB), "Foo": len(VOCAB) + 1},
        special_tokens_map={"additional_special_tokens": ["<ENT>", "<Z>"]},
    )
    ids = load(path).encode("a<ENT> FOO <Z>").ids[1:-1]
    assert ids == [VOCAB.index("a"), len(VOCAB), len(VOCAB) + 1, len(VOCAB) + 2]


def test_older_files_do_not_count_where_the_settings_list_the_added_tokens(tmp_path):
    listed = {"added_tokens_decoder": {}}
    path = write(tmp_path, tokenizer_config=listed, added_tokens={"<ENT>": len(VOCAB)})
    assert "<ENT>" not in load(path).get_vocab()


@pytest.mark.parametrize("file", ["tokenizer_config", "special_tokens_map"])
def test_special_tokens_may_have_other_names(file, tmp_path):
    names = {"unk_token": "<unk>", "cls_token": added("<s>"), "sep_token": "</s>"}
    path = write(tmp_path, ["<pad>", "<unk>", "<s>", "</s>", "a"], **{file: names})
    assert load(path).encode("a ☃").tokens == ["<s>", "a", "<unk>", "</s>"]


def test_words_that_are_never_split_are_kept_as_they_are_written(tmp_path):
    path = write(tmp_path, tokenizer_config={"never_split": ["Tom", "not a subword"]})
    assert tokens(path, "Tom Tomb tom") == ["Tom", "[UNK]", "tom"]


def test_settings_beside_a_tokenizer_json_are_followed_where_they_say_something(tmp_path):
    load(write(tmp_path)).save(str(tmp_path / "tokenizer.json"))
    file = tmp_path / "tokenizer.json"
    write(tmp_path, tokenizer_config={"model_max_length": 512})
    assert tokens(file, "Über") == ["uber"]
    write(tmp_path, tokenizer_config={"do_lower_case": False})
    assert tokens(file, "Über") == ["Über"]
    write(
        tmp_path, tokenizer_config={"do_lower_case": False, "tokenizer_class": "TokenizersBackend"}
    )
    assert tokens(file, "Über") == ["uber"]


def test_a_tokenizer_json_without_berts_normalizer_is_as_it_says(tmp_path):
    other = Tokenizer.from_str(load(write(tmp_path)).to_str())
    other.normalizer = normalizers.NFC()
    other.save(str(tmp_path / "tokenizer.json"))
    write(tmp_path, tokenizer_config={"do_lower_case": True})
    assert tokens(tmp_path / "tokenizer.json", "Über") == ["Über"]


def test_files_beside_a_tokenizer_that_are_read_are_known(tmp_path):
    path = write(tmp_path, tokenizer_config={}, added_tokens={})
    names = [file.name for file in settings_files(path)]
    assert names == ["tokenizer_config.json", "added_tokens.json"]
    assert [file.name for file in settings_files(tmp_path / "tokenizer.json")] == names[:1]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"tokenizer_config": []}, "tokenizer_config.json: expected a JSON object, got list"),
        ({"added_tokens": 3}, "added_tokens.json: expected a JSON object, got int"),
        ({"tokenizer_config": {"do_lower_case": "no"}}, "do_lower_case: expected true or false"),
        ({"tokenizer_config": {"strip_accents": 1}}, "strip_accents: expected true or false"),
        ({"tokenizer_config": {"never_split": "Tom"}}, "never_split: expected a list, got 'Tom'"),
        ({"tokenizer_config": {"added_tokens_decoder": [1]}}, "added tokens are not as"),
        ({"tokenizer_config": {"added_tokens_decoder": {"x": added("y")}}}, "added tokens are not"),
        ({"tokenizer_config": {"added_tokens_decoder": {"7": {"name": "y"}}}}, "added tokens are"),
        ({"added_tokens": {"<ENT>": 13}}, "'<ENT>' has the id 13, which vocab.txt gives to 'b'"),
        ({"added_tokens": {"<ENT>": -1}}, "'<ENT>' has the id -1, which is below 0"),
        ({"tokenizer_config": {"cls_token": "<s>"}}, "has no subword '<s>'; name its cls_token in"),
        ({"tokenizer_config": {"unk_token": "<unk>"}}, "has no subword '<unk>'"),
        ({"tokenizer_config": {"tokenizer_class": "BertJapaneseTokenizer"}}, "from a dictionary"),
    ],
)
def test_wrong_settings_are_named_with_their_file(files, message, tmp_path):
    assert message in refusal(write(tmp_path, **files))


def test_damaged_settings_are_named(tmp_path):
    path = write(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{", encoding="utf-8")
    assert f"{tmp_path / 'tokenizer_config.json'}: is not JSON" in refusal(path)


def test_a_vocabulary_of_something_else_is_refused(tmp_path):
    path = write(tmp_path, ["Once upon a time", "there was"])
    assert "has no subword '[UNK]'" in refusal(path)
    path.write_bytes(b"\xff\xfe\x00")
    assert f"{path}: is not UTF-8 (byte 0)." in refusal(path)


CASES = {
    "plain": {},
    "cased": {"tokenizer_config": {"do_lower_case": False}},
    "accents": {"tokenizer_config": {"do_lower_case": True, "strip_accents": False}},
    "cased without accents": {"tokenizer_config": {"do_lower_case": False, "strip_accents": True}},
    "chinese": {"tokenizer_config": {"tokenize_chinese_chars": False}},
    "added": {
        "tokenizer_config": {
            "added_tokens_decoder": {
                **{str(index): added(name, special=True) for index, name in enumerate(SPECIAL)},
                str(len(VOCAB)): added("<ENT>", special=True),
                str(len(VOCAB) + 1): added("Foo", normalized=True),
                str(len(VOCAB) + 2): added("bar", single_word=True, lstrip=True),
            }
        }
    },
    "added in older files": {
        "added_tokens": {"<ENT>": len(VOCAB), "Foo": len(VOCAB) + 1},
        "special_tokens_map": {"additional_special_tokens": ["<ENT>"]},
    },
    "added from the vocabulary": {
        "tokenizer_config": {"added_tokens_decoder": {str(VOCAB.index("<e>")): added("<e>")}}
    },
    "more special ones": {"tokenizer_config": {"additional_special_tokens": ["<A>", "[b]"]}},
    "other mask": {"special_tokens_map": {"mask_token": "<e>"}},
}


@pytest.mark.peers
@pytest.mark.parametrize("name", CASES)
def test_ids_equal_those_of_transformers(name, tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs requirements-peers.txt")
    path = write(tmp_path, **CASES[name])
    peer = transformers.BertTokenizerFast.from_pretrained(tmp_path)
    assert [load(path).encode(text).ids for text in TEXTS] == [peer(t)["input_ids"] for t in TEXTS]


@pytest.mark.peers
@pytest.mark.parametrize(
    "settings",
    [
        {"do_lower_case": False, "tokenizer_class": "BertTokenizer"},
        {"do_lower_case": True, "strip_accents": False, "tokenizer_class": "BertTokenizerFast"},
        {"do_lower_case": True, "tokenize_chinese_chars": False},
    ],
)
def test_a_tokenizer_json_and_settings_that_disagree_are_read_as_in_transformers(
    settings, tmp_path
):
    transformers = pytest.importorskip("transformers", reason="needs requirements-peers.txt")
    load(write(tmp_path)).save(str(tmp_path / "tokenizer.json"))
    write(tmp_path, tokenizer_config=settings)
    peer = transformers.BertTokenizerFast.from_pretrained(tmp_path)
    ours = load(tmp_path / "tokenizer.json")
    assert [ours.encode(text).ids for text in TEXTS] == [peer(t)["input_ids"] for t in TEXTS]
