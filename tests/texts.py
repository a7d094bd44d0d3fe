"""Texts that are hard to cut into words and subwords, drawn from pieces."""

import numpy as np

HARD = [
    *("Tom", "O'Brien", "AT&T", "3-2", "U.S.", "Zoë", "e\u0301", "resignedly", "didn't", "İ", "ﬁ½"),
    *("漢字", "서울", "กรุงเทพ", "ວຽງຈັນ", "ភ្នំ", "ကုန်", "हिन्दी", "القاهِرة", "カﾞ"),
    *("葛\U000e0100", "a\U0001e8d0b", "\u0301", "👨\u200d👩\u200d👧", "🇫🇷", "1\ufe0f\u20e3"),
    *(".", "...", "/", "-", "'", "(", "$", "_", ","),
    *("\u200d", "\u200c", "\xad", "\ufeff", "\x00", "\x02", "\ue000", "\u0378", "\ud800"),
    *("<b>", "</b>", "<PER>", "&amp;", "AT&amp;T", " #39;s", "&lt;i&gt;", "\\", "&shy;", "<br/>"),
    *(" ", " ", " ", " ", "  ", "\n", "\t", "\u3000", "\xa0", "\u200b", "\u2028"),
]
# In Python a space, in Unicode a control character, and for a tokenizer nothing at all.
SEPARATORS = ["\x1c", "\x1f", "\x85"]


def hard_texts(count=500, seed=0, longest=10):
    """Random sequences of up to `longest` pieces."""
    rng = np.random.default_rng(seed)
    pieces = [*HARD, *SEPARATORS]
    return ["".join(rng.choice(pieces, int(rng.integers(0, longest)))) for _ in range(count)]


def without_halves(text):
    """The text with a "?" for each half of a surrogate pair, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
