"""Words are so fine that edges fall where languages put them, and depend on the text alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from mtt_jax.data.words import SPLIT_PATTERN, split_words

PIECES = [
    *("Tom", "U.S.", "e.g", "x", "1", "200"),
    *("é", "e\u0301", "İ", "n't", "N’T", "don't", "\U0001d49c"),
    *("漢", "カ", "ｶﾞ", "서울", "हिन्दी", "क्ष", "สวัสดี", "ຫຼວງ", "ភ្នំ", "ကုန်", "བོད", "שָׁלוֹם", "الع"),
    *("'", "\u2019", "'s", "-", "&", ".", ",", ":", "/", "_", "$", "(", '"', "#", "@", "<b>"),
    *("😀", "👍🏽", "👨\u200d👩\u200d👧", "🇫🇷", "1\ufe0f\u20e3", "\u0301", "\u1ab0", "\U0001e8d0"),
    *("\u200d", "\u200c", "\xad", "\ufeff", "\x00", "\x02", "\ue000", "\U000f0000", "\u2060"),
    *(" ", " ", " ", "\n", "\t", "\u3000", "\xa0", "\u200b", "\u2028", "\x85", "\r\n"),
]  # fmt: skip
SPACES = set(" \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000\u200b") | {
    chr(code) for code in range(0x2000, 0x200B)
}


def texts(count=3000, seed=0):
    """Random sequences of characters that are hard to cut into words."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield "".join(rng.choice(PIECES, int(rng.integers(0, 12))))


def words(text):
    return [text[start:end] for start, end in split_words(text)]


def visible(text):
    return "".join(char for char in text if char not in SPACES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("St. Louis", "St . Louis"),
        ("George W. Bush, Acme Inc.", "George W . Bush , Acme Inc ."),
        ("the U.S.-born J.R.R. Roe", "the U . S . - born J . R . R . Roe"),
        ("AC/DC-fan", "AC / DC - fan"),
        ("Jean-Pierre lost 3-2 at 19:30.", "Jean - Pierre lost 3 - 2 at 19 : 30 ."),
        ("pre–war (Reuters) — Oil", "pre – war ( Reuters ) — Oil"),
        ("Tom's firm, AT&T, paid $1,200", "Tom ' s firm , AT & T , paid $ 1,200"),
        ("rose 3.5%, to 1.200,50", "rose 3.5 % , to 1.200,50"),
        ("a_b #tag x@y @", "a _ b # tag x @ y @"),
        ("", ""),
        (" \n\t\xa0\u200b", ""),
    ],
)
def test_punctuation_stands_alone(text, expected):
    assert words(text) == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,200.50 of 10.12.2024", "1,200.50 of 10.12.2024"),
        ("1.5GB x1,2 3-2", "1.5 GB x1 , 2 3 - 2"),
        ("See https://t.co/aB1, www.bbc.com.", "See https://t.co/aB1 , www.bbc.com ."),
        ("https://a.b/今天", "https://a.b/ 今 天"),
        ("http://", "http : //"),
        ("to ann.b@acme.co.uk!", "to ann.b@acme.co.uk !"),
        (".@ann_2 met @Bob's", ". @ann_2 met @Bob ' s"),
        ("Ann <ann@acme.org>", "Ann < ann@acme.org >"),
        ("wait... what?! -- C++ 👍👍", "wait ... what ? ! -- C ++ 👍👍"),
    ],
)
def test_numbers_addresses_and_a_sign_repeated_are_whole(text, expected):
    assert words(text) == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("l'UNESCO", "l ' UNESCO"),
        ("d’Artagnan aujourd'hui", "d ’ Artagnan aujourd ' hui"),
        ("Ankara'da Türkiye’nin", "Ankara ' da Türkiye ’ nin"),
        ("O'Brien's", "O ' Brien ' s"),
        ("we've rock'n'roll", "we ' ve rock ' n ' roll"),
    ],
)
def test_an_apostrophe_stands_alone_so_that_a_name_can_end_or_begin_at_it(text, expected):
    assert words(text) == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("didn't don’t ISN'T", "did n't do n’t IS N'T"),
        ("can't won't", "ca n't wo n't"),
        ("n't", "n ' t"),
        ("isn'tx", "isn ' tx"),
        ("an 'n't'", "an ' n ' t '"),
    ],
)
def test_the_clitic_not_is_a_word_as_in_the_penn_treebank(text, expected):
    assert words(text) == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("서울에서 김씨가", "서 울 에 서 김 씨 가"),  # Korean
        ("\u1109\u1165\u110b\u116e\u11af", "\u1109\u1165 \u110b\u116e\u11af"),  # in letters
        ("北京大学", "北 京 大 学"),
        ("東京タワーへ", "東 京 タ ワ ー へ"),
        ("サーバーABC", "サ ー バ ー ABC"),
        ("ｶﾞギ", "ｶﾞ ギ"),
        ("ㄅㄆ", "ㄅ ㄆ"),
        ("สวัสดี", "ส วั ส ดี"),  # Thai
        ("กรุงเทพฯ", "ก รุ ง เ ท พ ฯ"),
        ("ວຽງຈັນ", "ວ ຽ ງ ຈັ ນ"),  # Lao
        ("ရန်ကုန်", "ရ န် ကု န်"),  # Burmese
        ("IBM東京2024年", "IBM 東 京 2024 年"),
        ("Tom은", "Tom 은"),
        ("ไปAcmeที่", "ไ ป Acme ที่"),
    ],
)
def test_scripts_without_spaces_between_words_are_cut_into_clusters(text, expected):
    assert words(text) == expected.split()


def test_a_khmer_cluster_keeps_its_marks():
    # Whether a consonant after a coeng joins the cluster differs between versions of Unicode.
    text = "ភ្នំពេញ"
    assert "".join(words(text)) == text
    assert [word[0] for word in words(text)][-2:] == ["ព", "ញ"]


@pytest.mark.parametrize(
    "word",
    [
        "हिन्दी",
        "বাংলাদেশ",
        "தமிழ்நாடு",
        "القاهِرة",
        "שָׁלוֹם",
        "Москва\u0301",
        "e\u0301te\u0301",
        "x\u0301\u0302\u0303",
        "a\U0001e8d0b",  # combining marks beyond U+FFFF
        "\U00010a00\U00010a0f\U00010a10",
        "葛\U000e0100",
        "\U0001d49c\U0001d4b7",
        "2024",
        "١٢٣",
        "x²",
    ],
)
def test_letters_digits_and_their_marks_are_one_word(word):
    assert words(f"({word})") == ["(", word, ")"]


@pytest.mark.parametrize(
    "emoji",
    ["😀", "👍🏽", "👨\u200d👩\u200d👧", "🇫🇷", "🏴\U000e0067\U000e0062\U000e007f", "☎\ufe0f"],
)
def test_an_emoji_of_several_characters_is_one_word(emoji):
    assert words(f"a {emoji}b{emoji}.") == ["a", emoji, "b", emoji, "."]


def test_two_flags_side_by_side_are_two_words():
    assert words("🇫🇷🇩🇪") == ["🇫🇷", "🇩🇪"]


UNSEEN = {
    "zero-width joiner": "\u200d",
    "zero-width non-joiner": "\u200c",
    "word joiner": "\u2060",
    "byte order mark": "\ufeff",
    "soft hyphen": "\xad",
    "right-to-left mark": "\u200f",
    "control": "\x02",
    "null": "\x00",
    "private use": "\ue000",
    "private use beyond U+FFFF": "\U000f0000",
    "unassigned": "\u0378",
    "half of a surrogate pair": "\ud800",
}


@pytest.mark.parametrize("name", UNSEEN)
def test_a_character_that_is_not_seen_belongs_to_the_word_it_is_in(name):
    char = UNSEEN[name]
    assert words(f"Ann{char}a ran") == [f"Ann{char}a", "ran"]
    assert words(f"{char}Ann ran{char}.") == [f"{char}Ann", f"ran{char}", "."]


@pytest.mark.parametrize("space", sorted(SPACES), ids=lambda char: f"U+{ord(char):04X}")
def test_every_unicode_space_and_the_zero_width_space_end_a_word(space):
    assert split_words(f"10{space}000{space}{space}a") == [(0, 2), (3, 6), (8, 9)]


def test_words_are_in_order_and_contain_every_character_but_spaces():
    for text in texts():
        spans = split_words(text)
        edges = [edge for span in spans for edge in span]
        assert edges == sorted(edges)
        assert all(start < end for start, end in spans)
        assert "".join(words(text)) == visible(text)


def test_the_words_of_a_text_are_the_same_every_time_and_beside_any_other_text():
    for text, other in zip(texts(500, 1), texts(500, 2), strict=True):
        assert split_words(text) == split_words(text)
        assert words(f"{text} . {other}") == [*words(text), ".", *words(other)]


def test_words_joined_by_spaces_are_cut_into_the_same_words():
    for text in texts(seed=3):
        found = words(text)
        if not any(word.lower() in ("n't", "n’t") for word in found):  # needs its verb before it
            assert words(" ".join(found)) == found


def test_a_pre_tokenizer_with_the_pattern_cuts_as_split_words_does():
    split = pre_tokenizers.Split(Regex(SPLIT_PATTERN), "isolated")
    for text in texts(seed=4):
        found = [span for piece, span in split.pre_tokenize_str(text) if visible(piece)]
        ours = {edge for span in split_words(text) for edge in span}
        # It may cut more finely: its clusters may be those of an older version of Unicode.
        assert ours <= {edge for span in found for edge in span}
        if not any("\u0900" <= char <= "\u17ff" for char in text):
            assert found == split_words(text)


def test_no_character_of_a_long_text_is_lost():
    for piece in ("a", "'", "n't", "\u0301", "\u200d", "กิ", " ", "👨\u200d"):
        assert "".join(words(piece * 20_000)) == visible(piece * 20_000)


@given(
    st.lists(
        st.one_of(
            st.characters(max_codepoint=127),
            st.sampled_from(
                ["n't", "N'T", "http://", "www.", "a@b.co", "@ann", "1,2", "--", "x", "3"]
            ),
        ),
        max_size=14,
    ).map("".join)
)
@settings(max_examples=1000)
def test_ascii_which_has_a_faster_way_is_cut_as_in_a_text_with_other_characters(text):
    assert split_words(f"{text} é") == [*split_words(text), (len(text) + 1, len(text) + 2)]
