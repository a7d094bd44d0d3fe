"""The tokenizer: trained on the training text or loaded, always a Hugging Face `Tokenizer`."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from mtt_jax.config.schema import TokenizerConfig
from mtt_jax.data.words import SPACE_PATTERN, SPLIT_PATTERN
from mtt_jax.errors import UserError
from mtt_jax.tasks import Vocabulary
from mtt_jax.untrusted.folder import TOKENIZER_BYTES, file_in, read_object, read_text, user_path

PAD, UNKNOWN, CLS, SEP, MASK = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Special tokens in tokenizer_config.json and special_tokens_map.json -> their defaults, as in
# transformers' BertTokenizer.
_ROLES = {"pad_token": PAD, "unk_token": UNKNOWN, "cls_token": CLS, "sep_token": SEP,
          "mask_token": MASK}  # fmt: skip
# What pretrained models call the subword that hides others.
_MASKS = ("[mask]", "<mask>")
_NEEDED = ("unk_token", "cls_token", "sep_token")
# Of a BertNormalizer, and what tokenizer_config.json calls it.
_SWITCHES = {
    "lowercase": "do_lower_case",
    "strip_accents": "strip_accents",
    "handle_chinese_chars": "tokenize_chinese_chars",
}
# Classes of transformers that take everything from tokenizer.json.
_AS_WRITTEN = ("PreTrainedTokenizerFast", "TokenizersBackend")
# Ids without a subword are rows of the token table that nothing reads: a few are harmless, but an
# added token with an id of 4 billion asks for terabytes.
_GAPS, _FEW = 4, 1000
# Enough for all alphabetic scripts together; rarer characters of a larger corpus become [UNK].
_ALPHABET = 2000


def train(texts: Iterable[str], config: TokenizerConfig) -> Tokenizer:
    """Trains a WordPiece or BPE tokenizer; the same texts give the same ids every time.

    The WordPiece trainer numbers continuation pieces in the order of a hash table, which changes
    from process to process. Passing it all of them up front, sorted, fixes the order; a second
    tokenizer built on the finished vocabulary no longer treats them as special tokens.
    """
    texts = list(texts)
    bare = _with_words(_bare(models.BPE(unk_token=UNKNOWN), config))
    counts = Counter(char for text in texts for char in bare.normalizer.normalize_str(text))
    by_count = sorted(counts, key=lambda char: (-counts[char], char))
    # WordPiece has each character twice; at least half of the vocabulary is left for longer pieces.
    room = (config.vocab_size - len(SPECIAL)) // (2 if config.algorithm == "bpe" else 4)
    kept = [char for char in by_count if not char.isspace()][: min(room, _ALPHABET)]
    alphabet = sorted(kept)
    settings: dict[str, Any] = {
        "vocab_size": config.vocab_size,
        "min_frequency": 2,
        "limit_alphabet": len(alphabet),
        "initial_alphabet": alphabet,
        "show_progress": False,
    }
    if config.algorithm == "bpe":
        trainer = trainers.BpeTrainer(special_tokens=list(SPECIAL), **settings)
        bare.train_from_iterator(texts, trainer)
        return _finish(bare)
    pieces = [f"##{char}" for char in alphabet]
    trained = _with_words(_bare(models.WordPiece(unk_token=UNKNOWN), config))
    trained.train_from_iterator(
        texts, trainers.WordPieceTrainer(special_tokens=[*SPECIAL, *pieces], **settings)
    )
    model = models.WordPiece(
        vocab=trained.get_vocab(), unk_token=UNKNOWN, max_input_chars_per_word=100
    )
    result = _with_words(_bare(model, config))
    result.add_special_tokens(list(SPECIAL))
    result.decoder = decoders.WordPiece()
    return _finish(result)


def _bare(model, config: TokenizerConfig) -> Tokenizer:
    """A tokenizer with BERT's normalization and splitting around a model."""
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=config.lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _with_words(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer with no subword that joins two words."""
    bert = tokenizer.normalizer
    # Spaces around Chinese characters would separate them from their variation selectors.
    bert.handle_chinese_chars = False
    # BERT's normalization drops some of them, which would join the words beside it.
    space = normalizers.Replace(Regex(SPACE_PATTERN), " ")
    tokenizer.normalizer = normalizers.Sequence([space, bert])
    words = pre_tokenizers.Split(Regex(SPLIT_PATTERN), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, tokenizer.pre_tokenizer])
    return tokenizer


def _finish(tokenizer: Tokenizer, cls: str = CLS, sep: str = SEP) -> Tokenizer:
    """Wraps every text in [CLS] and [SEP]."""
    ids = tokenizer.get_vocab()
    tokenizer.post_processor = processors.BertProcessing((sep, ids[sep]), (cls, ids[cls]))
    return tokenizer


def vocabulary_size(tokenizer: Tokenizer) -> int:
    """Rows that a table needs to have one for every id: the largest id + 1.

    Not the number of subwords: a vocab.txt with duplicate lines, or a vocabulary from which some
    were removed, has larger ids.
    """
    ends = tokenizer.encode("").ids  # from the post-processor, which has ids of its own
    return max([*tokenizer.get_vocab().values(), *ends]) + 1


def size_without_added(tokenizer: Tokenizer) -> int:
    """`vocabulary_size` without the added tokens that have the last ids."""
    size, added = vocabulary_size(tokenizer), tokenizer.get_added_tokens_decoder()
    while size - 1 in added:
        size -= 1
    return size


def subwords(tokenizer: Tokenizer) -> Vocabulary:
    """The subword that hides others, and those that are not special.

    A tokenizer without a mask hides words with its subword for unknown ones; one without either,
    with a subword that stands around every text.
    """
    added = {token.content: index for index, token in tokenizer.get_added_tokens_decoder().items()}
    special = {index for name, index in added.items() if name in _special(tokenizer)}
    ends = tokenizer.encode("").ids
    masks = [index for name, index in added.items() if name.strip().lower() in _MASKS]
    unknown = [tokenizer.token_to_id(name) for name in (MASK, UNKNOWN, "<unk>")]
    found = [*masks, *(index for index in unknown if index is not None), ends[0]]
    ids = set(tokenizer.get_vocab().values()) - special - set(ends)
    ids -= {tokenizer.token_to_id(name) for name in SPECIAL}
    return Vocabulary(found[0], np.array(sorted(ids), np.int32))


def _special(tokenizer: Tokenizer) -> set[str]:
    """The texts of the special tokens."""
    return {t.content for t in tokenizer.get_added_tokens_decoder().values() if t.special}


def load(path: str | Path, flag: str = "config.tokenizer.file") -> Tokenizer:
    """Reads a tokenizer.json, or BERT's vocab.txt; truncation and padding are switched off.

    Settings in a tokenizer_config.json beside it are honored: docs/pretrained.md says which.

    Raises:
      UserError: naming the file, if it does not exist or is not of that format.
    """
    file = user_path(path, flag)
    if not file.exists():
        raise UserError(f"{flag}: {path}: no such file; expected a tokenizer.json.")
    read = _from_vocab if file.suffix == ".txt" else _from_json
    kind = "vocab.txt, one subword per line" if file.suffix == ".txt" else "tokenizer.json"
    try:
        with _as_errors():
            tokenizer = read(file)
    except UserError as error:
        raise UserError(f"{flag}: {error}") from None
    except Exception as error:  # tokenizers raises bare Exception for every fault
        raise UserError(f"{flag}: {path}: not a {kind}: {_one_line(error)}.") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    try:
        with _as_errors():
            ends = tokenizer.encode("a \u2603").special_tokens_mask  # a snowman is rarely a subword
            size = vocabulary_size(tokenizer)
    except Exception as error:
        raise UserError(f"{flag}: {path}: cannot cut a text: {_one_line(error)}.") from None
    if size > _GAPS * (tokenizer.get_vocab_size() + _FEW):
        raise UserError(
            f"{flag}: {path}: its ids go up to {size - 1:,}, and it has only "
            f"{tokenizer.get_vocab_size():,} subwords; a table with a row for each id would be "
            "mostly empty. Number the subwords from 0."
        )
    if len(ends) < 3 or not (ends[0] and ends[-1]):
        raise UserError(
            f"{flag}: {path}: does not put a special token before and after a text, such as "
            "[CLS] and [SEP]; add a post-processor to it."
        )
    return tokenizer


@contextlib.contextmanager
def _as_errors() -> Iterator[None]:
    """Turns a panic of the library's Rust code, which is no Exception, into one."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError(f"the tokenizers library failed: {error}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def settings_files(path: str | Path) -> list[Path]:
    """The files beside a tokenizer that `load` reads too, those that exist."""
    file = user_path(path)
    names = ["tokenizer_config.json"]
    if file.suffix == ".txt":
        names += ["special_tokens_map.json", "added_tokens.json"]
    return [found for name in names if (found := file_in(file.parent, name))]


def _from_json(file: Path) -> Tokenizer:
    """A tokenizer.json, with the normalization that tokenizer_config.json asks for.

    In transformers the classes for BERT rebuild their normalizer from tokenizer_config.json; here a
    setting that it does not mention keeps its value in tokenizer.json.
    """
    tokenizer = Tokenizer.from_str(read_text(file, TOKENIZER_BYTES))
    bert = tokenizer.normalizer
    settings = _settings(file.with_name("tokenizer_config.json"))
    rebuilt = settings.get("tokenizer_class") not in _AS_WRITTEN
    if rebuilt and isinstance(bert, normalizers.BertNormalizer):
        for ours, value in _switches(settings, file).items():
            setattr(bert, ours, value)
        tokenizer.normalizer = bert
    return tokenizer


def _from_vocab(file: Path) -> Tokenizer:
    """BERT's tokenizer from a vocabulary, one subword per line, and the settings beside it."""
    settings = _all_settings(file)
    read_text(file, TOKENIZER_BYTES)  # `read_file` waits for a pipe, and panics without UTF-8
    vocab = models.WordPiece.read_file(str(file))
    names = {role: _name(settings.get(role), default) for role, default in _ROLES.items()}
    # Token -> AddedToken: found in a text before it is normalized and cut.
    whole = {}
    for index, token in _added(settings, file, set(names.values())):
        if vocab.setdefault(token.content, index) == index:
            _check_id(token.content, index, vocab, file)
        whole[token.content] = token
    for role in _NEEDED:
        if names[role] not in vocab:
            raise UserError(
                f"{file}: has no subword {names[role]!r}; name its {role} in "
                f'{file.with_name("tokenizer_config.json")}, as in {{"{role}": "<s>"}}.'
            )
    special = [name for name in names.values() if name in vocab]
    for key in ("additional_special_tokens", "extra_special_tokens"):
        special += [_name(value, "") for value in _list(settings, key, file)]
    for name in filter(None, special):
        vocab.setdefault(name, max(vocab.values()) + 1)
        whole.setdefault(name, AddedToken(name, special=True, normalized=False))
    for name in _list(settings, "never_split", file):
        if name in vocab:
            whole.setdefault(name, AddedToken(name, single_word=True, normalized=False))
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token=names["unk_token"]))
    tokenizer.normalizer = normalizers.BertNormalizer(
        **{"lowercase": True, **_switches(settings, file)}
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens([token for token in whole.values() if token.special])
    tokenizer.add_tokens([token for token in whole.values() if not token.special])
    tokenizer.decoder = decoders.WordPiece()
    return _finish(tokenizer, names["cls_token"], names["sep_token"])


def _settings(file: Path) -> dict[str, Any]:
    """A file of settings; {} if it does not exist."""
    found = file_in(file.parent, file.name)
    return read_object(found) if found else {}


def _all_settings(file: Path) -> dict[str, Any]:
    """What the files beside a vocab.txt say, together, as transformers reads them.

    The two older files count only where tokenizer_config.json does not list the added tokens.
    """
    settings = _settings(file.with_name("tokenizer_config.json"))
    if settings.get("tokenizer_class") == "BertJapaneseTokenizer":
        raise UserError(
            f"{file}: for BertJapaneseTokenizer, whose words come from a dictionary that is not "
            "part of the folder; use a model with a tokenizer.json."
        )
    if "added_tokens_decoder" not in settings:
        settings |= _settings(file.with_name("special_tokens_map.json"))
        older = _settings(file.with_name("added_tokens.json"))
        settings["added_tokens_decoder"] = {index: name for name, index in older.items()}
    return settings


def _switches(settings: dict[str, Any], file: Path) -> dict[str, Any]:
    """The fields of a BertNormalizer that settings name."""
    found = {ours: settings.get(theirs) for ours, theirs in _SWITCHES.items()}
    for ours, value in found.items():
        if value is not None and not isinstance(value, bool):
            raise UserError(
                f"{file.with_name('tokenizer_config.json')}: {_SWITCHES[ours]}: expected true or "
                f"false, got {value!r}."
            )
    return {ours: value for ours, value in found.items() if value is not None}


def _added(
    settings: dict[str, Any], file: Path, special: set[str]
) -> Iterator[tuple[int, AddedToken]]:
    """The added tokens that settings list, with their ids, in the order of ids."""
    listed = settings["added_tokens_decoder"]
    try:
        for index, value in sorted(listed.items(), key=lambda pair: int(pair[0])):
            if isinstance(value, str):  # from added_tokens.json, which has no more than names
                known = value in special
                yield int(index), AddedToken(value, special=known, normalized=not known)
            else:
                yield int(index), AddedToken(**{"content": value["content"], **value})
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise UserError(
            f"{file.with_name('tokenizer_config.json')}: added tokens are not as transformers "
            f"writes them: {error!r}."
        ) from None


def _check_id(name: str, index: int, vocab: dict[str, int], file: Path) -> None:
    """Checks that an added token shares its id with no other subword."""
    others = [other for other, same in vocab.items() if same == index and other != name]
    if others or index < 0:
        taken = f"which {file.name} gives to {others[0]!r}" if others else "which is below 0"
        raise UserError(
            f"{file}: the added token {name!r} has the id {index}, {taken}; they do not belong "
            "together."
        )


def _name(value: Any, default: str) -> str:
    """A special token's text: a string, or an object that holds it as its content."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) and value else default


def _list(settings: dict[str, Any], key: str, file: Path) -> list[Any]:
    """A list of tokens in settings; [] if there is none."""
    found = settings.get(key) or []
    if isinstance(found, dict):
        found = list(found.values())
    if not isinstance(found, list):
        raise UserError(
            f"{file.with_name('tokenizer_config.json')}: {key}: expected a list, got {found!r}."
        )
    return found
