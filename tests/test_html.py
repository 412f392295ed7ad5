"""What notebooks show: well-formed, escaped, self-contained HTML with the right numbers, and pictures."""

import json
import re
import shutil
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

import pondera
import writer
from test_map import HOSTILE, check_harmless_svg
from test_model import CONFIG, weights


class Page(HTMLParser):
    """Reads a fragment of HTML into rows of cells, bar widths and pictures; fails on tags that do not match."""

    VOID = frozenset({"br", "hr", "img"})

    def __init__(self, html):
        super().__init__()
        self.open, self.rows, self.widths, self.text, self.tags = [], [], [], "", set()
        self.pictures = re.findall("<svg.*?</svg>", html, re.DOTALL)
        self.plain = re.sub("<svg.*?</svg>", "", html, flags=re.DOTALL)
        self.feed(self.plain)
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
    for thing in (tree, tree[0], tree[0].table(), *estimates()):
        page = Page(thing._repr_html_())
        for foreign in ("http", "src=", "href", "rgb(", "<style", "<script"):
            assert foreign not in page.plain
        assert not re.search("[:\"' ]#[0-9a-fA-F]{3}", page.plain)
        for picture in page.pictures:
            check_harmless_svg(picture)
            assert "http" not in picture.replace('xmlns="http://www.w3.org/2000/svg"', "")
            assert not re.search(r"url\((?!#)", picture)


def estimates():
    """A fit, one that does not, and a sweep with a heatmap."""
    return (
        pondera.fit("llama-3.1-8b", gpu="h100", engine="vllm==0.19.0", context="32k", concurrency=8),
        pondera.fit("llama-3.1-70b", gpu="L4", context="8k"),
        pondera.sweep("llama-3.1-8b", gpu=["h100", "L4"], context="4k..64k", concurrency="1..64"),
    )


def titles(picture):
    return ElementTree.fromstring(picture).findtext("{http://www.w3.org/2000/svg}title")


def test_a_checkpoint_has_the_map_of_its_tensors(tmp_path, write):
    for name, config in (("known", CONFIG), ("unknown", None)):
        folder = tmp_path / name
        write(folder / "model.safetensors", weights(CONFIG))
        if config:
            (folder / "config.json").write_text(json.dumps(config))
        checkpoint = pondera.scan(folder)
        page = Page(checkpoint._repr_html_())
        assert page.pictures == [pondera.draw(checkpoint).svg.strip()]
        assert titles(page.pictures[0]) == f"Map of {name}"
        assert "drawn from its weights" in page.pictures[0]


@pytest.mark.parametrize("config", ["{bad", "[]", '{"model_type": 7}', ""])
def test_a_checkpoint_with_a_damaged_config_is_shown(tmp_path, write, config):
    write(tmp_path / "model.safetensors", weights(CONFIG))
    (tmp_path / "config.json").write_text(config)
    page = Page(pondera.scan(tmp_path)._repr_html_())
    assert page.rows[-1][1] == str(len(weights(CONFIG)))
    assert page.pictures or "no map: " in page.text


def test_a_checkpoint_that_is_gone_is_shown(tmp_path, write):
    write(tmp_path / "it" / "model.safetensors", weights(CONFIG))
    checkpoint = pondera.scan(tmp_path / "it")
    shutil.rmtree(tmp_path / "it")
    page = Page(checkpoint._repr_html_())
    assert page.rows[-1][1] == str(len(weights(CONFIG)))


def test_a_fit_has_its_bar_and_every_formula():
    for fit in estimates()[:2]:
        page = Page(fit._repr_html_())
        assert [titles(picture) for picture in page.pictures] == [f"Memory of {fit.model}"]
        cells = [cell for row in page.rows for cell in row]
        for one in fit.to_dict()["reasons"]:
            assert one["formula"] in cells
            assert f"{one['origin']}: {one['source']}" in cells
            assert f"{one['bytes']:,} bytes" in page.plain
        for one in fit.assumptions:
            assert one["reason"] in cells
        assert ("does not fit" in page.text) != fit.fits


def test_a_sweep_has_a_heatmap_where_that_shows_all_of_it():
    axes = {"gpu": ["h100", "L4"], "context": "4k..64k", "concurrency": "1..64"}
    model = "llama-3.1-8b"
    assert len(Page(pondera.sweep(model, **axes)._repr_html_()).pictures) == 1
    assert len(Page(pondera.sweep(model, **{**axes, "gpu": "L4"})._repr_html_()).pictures) == 1
    for other in (
        pondera.sweep(model, **{**axes, "context": "4k"}),
        pondera.sweep(model, **axes, weights=["bf16", "fp8"]),
        pondera.sweep([model, "qwen3-8b"], **axes),
        pondera.sweep(model, **axes).where("fits"),
        pondera.sweep(model, **{**axes, "concurrency": "4k..64k"}, zip=["context", "concurrency"]),
        pondera.sweep(model, **{**axes, "gpu": ["h100", "h200", "L4", "A10", "b200"]}),
        pondera.sweep(model, **{**axes, "context": "1..100000+1"}),
    ):
        assert Page(other._repr_html_()).pictures == []
    turned = Page(pondera.sweep(model, **{**axes, "context": [8192, 4096]})._repr_html_())
    assert turned.pictures == []
    assert "no heatmap: context: the values of a heatmap go upwards" in turned.text


def test_byte_columns_of_tables_are_drawn(tmp_path, write):
    write(tmp_path / "model.safetensors", {"a": ("F32", [256]), "b": ("F32", [64])})
    html = pondera.scan(tmp_path).table()._repr_html_()
    page = Page(html)
    assert page.widths == ["100.0%", "25.0%"]
    assert 'title="1.00 KiB"' in html
    sweep = pondera.sweep("llama-3.1-8b", gpu="L4", context=[1024, 2048]).table()
    assert len(Page(sweep._repr_html_()).widths) == 2


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_inert(tmp_path, name):
    writer.write(tmp_path / "model.safetensors", {**weights(CONFIG), name: ("F32", [4, 4])})
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, "architectures": [name]}))
    checkpoint = pondera.scan(tmp_path)
    for thing in (checkpoint, checkpoint.table(), pondera.scan_tree(tmp_path)):
        page = Page(thing._repr_html_())
        assert "script" not in page.tags
        assert not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069\x00\x1b]", page.plain)
        assert max(map(len, page.rows[0])) < 2100
