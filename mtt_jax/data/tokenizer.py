"""The tokenizer: trained on the training text or loaded, always a Hugging Face `Tokenizer`."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from mtt_jax.config.schema import TokenizerConfig
from mtt_jax.errors import UserError

PAD, UNKNOWN, CLS, SEP, MASK = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Enough for all alphabetic scripts together; rarer characters of a larger corpus become [UNK].
_ALPHABET = 2000


def train(texts: Iterable[str], config: TokenizerConfig) -> Tokenizer:
    """Trains a WordPiece or BPE tokenizer; the same texts give the same ids every time.

    The WordPiece trainer numbers continuation pieces in the order of a hash table, which changes
    from process to process. Passing it all of them up front, sorted, fixes the order; a second
    tokenizer built on the finished vocabulary no longer treats them as special tokens.
    """
    texts = list(texts)
    bare = _bare(models.BPE(unk_token=UNKNOWN), config)
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
    trained = _bare(models.WordPiece(unk_token=UNKNOWN), config)
    trained.train_from_iterator(
        texts, trainers.WordPieceTrainer(special_tokens=[*SPECIAL, *pieces], **settings)
    )
    model = models.WordPiece(
        vocab=trained.get_vocab(), unk_token=UNKNOWN, max_input_chars_per_word=100
    )
    result = _bare(model, config)
    result.add_special_tokens(list(SPECIAL))
    result.decoder = decoders.WordPiece()
    return _finish(result)


def _bare(model, config: TokenizerConfig) -> Tokenizer:
    """A tokenizer with BERT's normalization and splitting around a model."""
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=config.lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _finish(tokenizer: Tokenizer) -> Tokenizer:
    """Wraps every text in [CLS] and [SEP]."""
    ids = tokenizer.get_vocab()
    tokenizer.post_processor = processors.BertProcessing((SEP, ids[SEP]), (CLS, ids[CLS]))
    return tokenizer


def load(path: str | Path, flag: str = "config.tokenizer.file") -> Tokenizer:
    """Reads a tokenizer.json, or BERT's vocab.txt; truncation and padding are switched off.

    Raises:
      UserError: naming the file, if it does not exist or is not of that format.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise UserError(f"{flag}: {path}: no such file; expected a tokenizer.json.")
    try:
        if file.name == "vocab.txt":
            return _from_vocab(file)
        tokenizer = Tokenizer.from_str(file.read_text(encoding="utf-8"))
    except Exception as error:  # tokenizers raises bare Exception for every fault
        raise UserError(f"{flag}: {path}: not a tokenizer.json: {error}.") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    ends = tokenizer.encode("a").special_tokens_mask
    if len(ends) < 3 or not (ends[0] and ends[-1]):
        raise UserError(
            f"{flag}: {path}: does not put a special token before and after a text, such as "
            "[CLS] and [SEP]; add a post-processor to it."
        )
    return tokenizer


def _from_vocab(file: Path) -> Tokenizer:
    """BERT's tokenizer from a vocabulary, one subword per line; lower-case as its settings say."""
    settings = file.with_name("tokenizer_config.json")
    plain = json.loads(settings.read_text(encoding="utf-8")) if settings.is_file() else {}
    vocab = models.WordPiece.read_file(str(file))
    config = TokenizerConfig(lowercase=plain.get("do_lower_case", True))
    tokenizer = _bare(models.WordPiece(vocab, unk_token=UNKNOWN), config)
    tokenizer.add_special_tokens([token for token in SPECIAL if token in vocab])
    tokenizer.decoder = decoders.WordPiece()
    return _finish(tokenizer)
