"""What notebooks show: well-formed, escaped, self-contained HTML with the right numbers."""

from html.parser import HTMLParser

import pytest

import pondera


class Page(HTMLParser):
    """Reads a fragment of HTML into rows of cells and bar widths; fails on tags that do not match."""

    VOID = frozenset({"br", "hr", "img"})

    def __init__(self, html):
        super().__init__()
        self.open, self.rows, self.widths, self.text, self.tags = [], [], [], "", set()
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        """Begins a row or a cell."""
        self.tags.add(tag)
        style = dict(attributes).get("style", "")
        if "width:" in style and "%" in style:
            self.widths.append(style.rpartition("width:")[2])
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Ends what was begun last."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Adds to the text, and to the cell it is in."""
        self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def test_a_checkpoint_is_a_table_of_roles(tiny):
    page = Page(pondera.scan(tiny)._repr_html_())
    assert page.rows == [
        ["role", "tensors", "parameters", "bytes", "share", ""],
        ["embedding", "1", "800", "1.60 kB (1.56 KiB)", "30.1%", ""],
        ["attention", "4", "256", "512 B (512 B)", "9.6%", ""],
        ["mlp", "3", "768", "1.54 kB (1.50 KiB)", "28.9%", ""],
        ["norm", "2", "16", "64 B (64 B)", "1.2%", ""],
        ["head", "1", "800", "1.60 kB (1.56 KiB)", "30.1%", ""],
        ["total", "11", "2.64 K", "5.31 kB (5.19 KiB)", "100.0%", ""],
    ]
    assert page.widths == ["100.0%", "32.0%", "96.0%", "4.0%", "100.0%"]
    assert "2,640 parameters" in page.text
    assert "None" not in page.text


def test_a_tree_is_a_table_of_checkpoints(tmp_path, two_models):
    page = Page(pondera.scan_tree(two_models(tmp_path))._repr_html_())
    assert [row[:6] for row in page.rows] == [
        ["model", "kind", "shards", "tensors", "parameters", "bytes"],
        ["a", "model", "1", "1", "3", "12 B (12 B)"],
        ["b/deep", "model", "1", "1", "5", "20 B (20 B)"],
        ["total", "", "2", "2", "8", "32 B (32 B)"],
    ]
    assert page.widths == ["60.0%", "100.0%"]


def test_an_empty_tree_is_shown_too(tmp_path):
    page = Page(pondera.scan_tree(tmp_path)._repr_html_())
    assert "0 checkpoints" in page.text
    assert page.rows[-1][0] == "total"


def test_problems_are_listed(broken, tmp_path, write):
    page = Page(pondera.scan(broken)._repr_html_())
    assert "li" in page.tags
    assert "shard-missing" in page.text
    for number in range(13):
        (broken / f"{number}.incomplete").touch()
    text = Page(pondera.scan_tree(broken)._repr_html_()).text
    assert text.index("shard-missing") < text.index("unfinished-download")
    assert text.count("[unfinished-download]") == 9
    assert "and 4 more" in text


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (1, 1), (10, 10), (11, 11), (5000, 11)])
def test_a_table_shows_its_first_and_last_rows(tmp_path, write, count, shown):
    tensors = {f"model.layers.{layer}.mlp.up_proj.weight": ("F32", [layer, 2]) for layer in range(count)}
    write(tmp_path / "model.safetensors", tensors)
    page = Page(pondera.scan(tmp_path).table()._repr_html_())
    header, *rows = page.rows
    assert header[:4] == ["name", "role", "dtype", "shape"]
    assert len(rows) == shown
    assert f"{count:,} row" in page.text
    if count > 10:
        assert [row[3] for row in rows] == ["0x2", "1x2", "2x2", "3x2", "4x2", "⋮"] + [
            f"{layer}x2" for layer in range(count - 5, count)
        ]


def test_names_from_files_are_escaped(tmp_path, write):
    folder = tmp_path / "<i>&'\""
    write(folder / "model.safetensors", {"<script>alert(1)</script>": ("F32", [1])})
    tree = pondera.scan_tree(tmp_path)
    for thing in (tree, tree[0], tree[0].table()):
        html = thing._repr_html_()
        assert "<script" not in html
        assert "<i>" not in html
        Page(html)
    assert Page(tree[0].table()._repr_html_()).rows[1][0] == "<script>alert(1)</script>"


def test_nothing_is_loaded_and_no_colour_is_fixed(tiny):
    tree = pondera.scan_tree(tiny)
    for thing in (tree, tree[0], tree[0].table()):
        html = thing._repr_html_()
        for foreign in ("http", "src=", "href", "#", "rgb(", "<style", "<script"):
            assert foreign not in html
