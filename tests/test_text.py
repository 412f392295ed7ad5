"""Numbers and tables for people, against slow and obvious counterparts."""

import unicodedata
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pondera import _numbers
from pondera._text import Column, Row, Screen, display_width, printable, table

COUNTS = st.integers(0, 2**128 - 1) | st.integers(0, 10**7)


@pytest.mark.parametrize(
    ("count", "decimal", "binary", "short"),
    [
        (0, "0 B", "0 B", "0"),
        (999, "999 B", "999 B", "999"),
        (1000, "1.00 kB", "1000 B", "1.00 K"),
        (1024, "1.02 kB", "1.00 KiB", "1.02 K"),
        (999_994, "999.99 kB", "976.56 KiB", "999.99 K"),
        (999_995, "1.00 MB", "976.56 KiB", "1.00 M"),
        (1_048_570, "1.05 MB", "1023.99 KiB", "1.05 M"),
        (1_048_571, "1.05 MB", "1.00 MiB", "1.05 M"),
        (688_574_885_440, "688.57 GB", "641.29 GiB", "688.57 B"),
    ],
)
def test_numbers_known_by_hand(count, decimal, binary, short):
    assert _numbers.decimal_bytes(count) == decimal
    assert _numbers.binary_bytes(count) == binary
    assert _numbers.short_count(count) == short
    assert _numbers.both_bytes(count) == f"{decimal} ({binary})"


@given(COUNTS)
def test_scaled_numbers_are_right_to_half_a_hundredth(count):
    for text, step, units in (
        (_numbers.decimal_bytes(count), 1000, ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"]),
        (_numbers.binary_bytes(count), 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"]),
    ):
        number, unit = text.split()
        scale = step ** units.index(unit)
        assert abs(Fraction(number) * scale - count) <= Fraction(scale, 200)
        assert Fraction(number) < step or unit == units[-1]
        assert Fraction(number) >= 1 or unit == "B"


@given(COUNTS, COUNTS)
def test_shares_are_right_to_half_a_thousandth(part, rest):
    text = _numbers.share(part, part + rest)
    if part == 0:
        assert text == "0.0%"
    elif text == "<0.1%":
        assert Fraction(part, part + rest) < Fraction(1, 2000)
    else:
        assert abs(Fraction(text.rstrip("%")) / 100 - Fraction(part, part + rest)) <= Fraction(1, 2000)


def slow_width(text):
    def width(char):
        if unicodedata.combining(char):
            return 0
        return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1

    return sum(map(width, text))


@given(st.text(max_size=60), st.integers(3, 40))
def test_a_cut_text_fits_and_keeps_both_ends(text, width):
    cut = Screen().cut(text, width)
    assert slow_width(cut) <= width
    if slow_width(text) <= width:
        assert cut == text
    else:
        head, tail = cut.split("…", 1) if "…" not in text else (cut[0], cut[-1])
        assert text.startswith(head)
        assert text.endswith(tail)


@given(st.text())
def test_printable_text_has_no_control_characters_and_width_is_right(text):
    shown = printable(text)
    assert shown.isprintable()
    assert display_width(shown) == slow_width(shown)
    assert shown == text or not text.isprintable()


CELLS = st.tuples(st.text(min_size=1, max_size=50), st.integers(0, 10**15), st.integers(0, 2**128))


@given(
    st.lists(CELLS, max_size=8),
    st.integers(40, 160),
    st.booleans(),
    st.booleans(),
)
def test_rows_fit_and_numbers_align(content, width, colour, unicode):
    screen = Screen(width, True, colour, unicode)
    columns = [
        Column("name", "text"),
        Column("count"),
        Column("again", optional=2),
        Column("", "bar", optional=1, style="cyan"),
    ]
    rows = [Row([name, f"{count:,}", f"{count:,}", size]) for name, count, size in content]
    total = Row(["total", f"{sum(count for _, count, _ in content):,}", "", ""], "bold")
    lines = table(screen, columns, rows, total)
    assert len(lines) == len(rows) + 4
    plain = table(Screen(width, True, False, unicode), columns, rows, total)
    for style in ("\x1b[1m", "\x1b[2m", "\x1b[36m", "\x1b[0m"):
        lines = [line.replace(style, "") for line in lines]
    assert lines == plain
    assert max(map(slow_width, lines)) <= width
    assert unicode or all(line.isascii() for line in lines[:2])
    # No count is ever cut.
    for (_, count, _), line in zip(content, plain[2:], strict=False):
        assert f"{count:,}" in line


def test_optional_columns_go_in_order_before_names_are_cut():
    columns = [Column("name", "text", least=30), Column("first", optional=2), Column("second", optional=1)]
    rows = [Row(["n" * 30, "1" * 10, "2" * 10])]
    shown = {width: table(Screen(width), columns, rows)[2] for width in (54, 53, 42, 41, 30, 20)}
    assert shown[54] == f"{'n' * 30}  {'1' * 10}  {'2' * 10}"
    assert shown[53] == shown[42] == f"{'n' * 30}  {'2' * 10}"
    assert shown[41] == shown[30] == "n" * 30
    assert shown[20] == f"{'n' * 9}…{'n' * 10}"


@pytest.mark.parametrize(
    ("part", "bar"), [(0, ""), (1, "▏"), (125, "█"), (500, "████"), (1000, "████████"), (180, "█▌")]
)
def test_bars_are_as_long_as_their_share(part, bar):
    assert Screen().bar(part, 1000, 8) == bar


def test_prose_is_wrapped_for_a_terminal_and_left_whole_in_a_pipe():
    text = "a path/that/is-not-to-be-broken " * 5
    assert Screen(40).prose(text.strip()) == [text.strip()]
    lines = Screen(40, terminal=True).prose(text, "  ")
    assert len(lines) > 1
    assert max(map(len, lines)) <= 40
    assert all(line.startswith("  ") for line in lines[1:])
    assert "".join(lines).count("path/that/is-not-to-be-broken") == 5
