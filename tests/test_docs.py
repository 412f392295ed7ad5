"""The generated parts of docs/ are those of this version."""

import json
import re

import pytest

import pondera
import refresh_docs


@pytest.mark.parametrize("page", refresh_docs.TABLES)
def test_tables_are_fresh(page):
    text = (refresh_docs.DOCS / page).read_text()
    assert text == refresh_docs.refreshed(page), f"docs/{page} is stale; run `{refresh_docs.COMMAND}`"


def test_every_code_is_documented():
    text = (refresh_docs.DOCS / "problems.md").read_text()
    table = text.partition("<!-- table: codes -->")[2].partition("<!-- end -->")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| `")]
    assert len(rows) == len(refresh_docs._native.problem_codes()) > 30
    for row in rows:
        assert len(row) == 3
        assert row[1] in ("error", "warning", "info")
        # A meaning is one sentence or two; those of errors say what to do or what is counted.
        assert row[2].endswith(". |")


def test_every_column_and_key_is_documented(tiny):
    """Columns in their order, and every key that a scan can give."""
    page = (refresh_docs.DOCS / "scan.md").read_text()
    named = re.findall(r"^\| `([a-z_]+)` \|", page.partition("## The table of tensors")[2], re.MULTILINE)
    tree = pondera.scan_tree(tiny)
    columns = tree[0].table().columns
    assert tuple(named[: len(columns)]) == columns
    whole = json.loads(tree.to_json(layers=True))
    keys = [*whole, *whole["checkpoints"][0]]
    assert named[len(columns) :] == [
        *keys[: keys.index("layers") + 1],
        "table",
        *keys[keys.index("layers") + 1 :],
    ]
    for total in whole["totals"]:
        assert f"`{total}`" in page
