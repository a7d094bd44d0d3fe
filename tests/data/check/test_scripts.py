"""The script of a text."""

import pytest

from mtt_jax.data.check.scripts import script_of


@pytest.mark.parametrize(
    ("text", "script"),
    [("Rome", "LATIN"), ("Zürich", "LATIN"), ("12:30", ""), ("Рим 1a", "CYRILLIC"),
     ("東京へ", "CJK"), ("カタカナ", "CJK"), ("สวัสดี", "THAI")],
)  # fmt: skip
def test_the_script_of_a_text_is_that_of_most_letters(text, script):
    assert script_of(text) == script
