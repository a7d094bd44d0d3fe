"""Words are cut as CoNLL corpora cut them, and no character is lost or read twice."""

import numpy as np
import pytest

from mtt_jax.data.words import split_words

PIECES = [
    *("Tom", "U.S.", "e.g", "x", "1", "200", "é", "e\u0301", "漢", "カ", "हि", "สวัสดี", "İ"),
    *("'", "\u2019", "'s", "'re", "-", "&", ".", ",", ":", "/", "_", "$", "(", '"', "😀", "\x00"),
    *(" ", " ", " ", "\n", "\u3000"),
]


def texts(count=3000, seed=0):
    """Random sequences of characters that are hard to cut into words."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield "".join(rng.choice(PIECES, int(rng.integers(0, 12))))


def words(text, boundaries=()):
    return [text[start:end] for start, end in split_words(text, boundaries)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Tom's firm, AT&T, paid $1,200 to U.S.-born O'Brien.",
            "Tom 's firm , AT&T , paid $ 1,200 to U.S.-born O'Brien .",
        ),
        ("They\u2019re Ann's; we've won", "They \u2019re Ann 's ; we 've won"),
        ("don't", "don't"),
        ("TOM'S LEAD", "TOM 'S LEAD"),
        ("Jean-Pierre lost 3-2 at 19:30.", "Jean-Pierre lost 3-2 at 19:30 ."),
        ("(Reuters) - Oil", "( Reuters ) - Oil"),
        ('"Yes," e.g. J. Smith', '" Yes , " e.g. J . Smith'),
        ("rose 3.5%, to 1.200,50", "rose 3.5 % , to 1.200,50"),
        ("Élan e\u0301te\u0301", "Élan e\u0301te\u0301"),
        ("हिन्दी", "हिन्दी"),
        ("東京は", "東 京 は"),
        ("Tom's東京", "Tom 's 東 京"),
        ("a_b", "a _ b"),
        ("...", ". . ."),
        ("", ""),
        (" \n\t", ""),
    ],
)
def test_words_are_cut_as_in_conll(text, expected):
    assert words(text) == expected.split()


def test_words_are_in_order_and_contain_every_character_but_spaces():
    for text in texts():
        spans = split_words(text)
        edges = [edge for span in spans for edge in span]
        assert edges == sorted(edges)
        assert all(start < end for start, end in spans)
        assert "".join(words(text)) == "".join(text.split())


def test_no_word_contains_a_space():
    for text in texts():
        assert all(word.split() == [word] for word in words(text))


def test_words_joined_by_spaces_are_cut_into_the_same_words():
    for text in texts():
        assert words(" ".join(words(text))) == words(text)


def test_words_end_at_every_boundary_and_nothing_else_changes():
    rng = np.random.default_rng(1)
    for text in texts(seed=2):
        boundaries = rng.integers(0, len(text) + 1, int(rng.integers(0, 4))).tolist()
        cut, plain = split_words(text, boundaries), split_words(text)
        assert not any(start < edge < end for start, end in cut for edge in boundaries)
        assert {edge for span in cut for edge in span} - set(boundaries) <= {
            edge for span in plain for edge in span
        }
        assert "".join(words(text, boundaries)) == "".join(text.split())


def test_boundaries_cut_a_name_out_of_a_longer_word():
    assert words("the Rome-based firm") == ["the", "Rome-based", "firm"]
    assert words("the Rome-based firm", [4, 8]) == ["the", "Rome", "-based", "firm"]
