from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from craft.analysis.filters import parse_filter
from craft.errors import UsageError

FACTS = {
    "text": "wide-001 wide lr running good",
    "val/loss": 1.85,
    "lr": 0.002,
    "optimizer.type": "adamw",
    "phase": "running",
    "tokens": 12_000_000.0,
    "age": 3600.0,
    "seed": 1.0,
    "compile": True,
    "tag": "\u4e16\u754c base+1 7 or",
    "note": 'it\'s "in two"',
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("wide", True),
        ("WIDE good", True),
        ("wide bad", False),
        ("val/loss < 1.9 and lr > 1e-3", True),
        ("val/loss<1.9 lr>1e-3", True),
        ("val/loss < 1.8 or lr > 1e-3", True),
        ("val/loss < 1.8 or lr > 1e-2", False),
        ("not val/loss < 1.8", True),
        ("wide and (seed = 2 or seed = 1)", True),
        ("wide and not (seed = 2 or seed = 1)", False),
        ("bad or wide seed=1", True),
        ("tokens >= 12M", True),
        ("tokens > 12_000k", False),
        ("age < 2h", True),
        ("age < 2m", False),
        ("optimizer.type ~ ADA", True),
        ("optimizer.type = AdamW", True),
        ("optimizer.type != adamw", False),
        ("compile = true", True),
        ('"good"', True),
        ('phase = "running"', True),
        ("missing < 5", False),
        ("missing != 5", False),
        ("not missing = 5", True),
        ("phase > 5", False),
        ('wide "" and phase = failed', False),
        ('"" wide', True),
        ('""', True),
        ("phase = 'running'", True),
        ("note ~ 'in two'", True),
        ("note ~ it's", True),
        ("note ~ '\"in'", True),
        ("tag = base+1", True),
        ("tags = \"base+1\" and tag = 'or' and tag = 7", True),
        ("tag = base", False),
        ("tag != base+1", False),
        ("tag != base", True),
        ("tag ~ base", True),
        ('"" or bad', True),
        ('(wide "")', True),
        ('not ""', False),
        ('phase = "" or lr > 1', False),
        (f"{'(' * 99}wide{')' * 99}", True),
        (f"{'not ' * 98}wide", True),
    ],
)
def test_a_filter_lets_through_what_it_says(text: str, holds: bool) -> None:
    assert parse_filter(text).holds(FACTS.get) is holds


def test_it_names_what_it_asks_for() -> None:
    assert parse_filter("wide and (lr > 1 or not val/loss < 2)").names() == {"lr", "val/loss"}


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("lr >", "a value is missing after '>'", 4),
        ("> 5", "a name is missing before '>'", 0),
        ("(lr > 5", "a ')' is missing", 7),
        ("lr > 5)", "is left over", 6),
        ("lr > big", "'big' is no number", 5),
        ("wide or", "something is missing here", 7),
        ("not", "something is missing here", 3),
        ("()", "nothing is open", 1),
        ('wide "open', "a quote is not closed", 5),
        ("wide 'open", "a quote is not closed", 5),
        ("a ! b", "cannot be read", 2),
        ('"" )', "is left over", 3),
        ('lr > ""', "'' is no number", 6),
        (f"{'(' * 3000}a{')' * 3000}", "one inside the other", 100),
        (f"{'not ' * 3000}a", "one inside the other", 400),
        (f"{'not (' * 3000}a", "one inside the other", 250),
    ],
)
def test_a_fault_is_marked_in_its_place(text: str, message: str, column: int) -> None:
    with pytest.raises(UsageError) as raised:
        parse_filter(text)
    said = str(raised.value).splitlines()
    assert message in said[0]
    assert said[1] == f"    {text}" and said[2] == f"    {' ' * column}^"


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab <>=!~()\"'or and not 1.5kM", max_size=40))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        parse_filter(text).holds(FACTS.get)
    except UsageError as error:
        assert "filter:" in str(error)
