"""A scan of files that lie elsewhere gives what the local scan of the same files gives, and asks for little."""


import pytest

import hostile
import pondera
from hub_scan import facts, fetch, listed, outcome

WHOLE_LIMIT = 64 << 20


def assert_alike(folder, path=""):
    place = folder / path if path else folder
    local = outcome(lambda: facts(pondera.scan(place)))
    assert outcome(lambda: facts(fetch(folder, path).scan.checkpoint())) == local
    tree = outcome(lambda: pondera.scan_tree(place))
    elsewhere = outcome(lambda: fetch(folder, path, tree=True).scan.tree())
    if isinstance(tree, tuple):
        assert elsewhere == tree
        return
    assert [facts(one) for one in elsewhere] == [facts(one) for one in tree]
    assert elsewhere.problems == tree.problems
    model = outcome(lambda: pondera.Model.open(place).to_dict())
    assert outcome(lambda: fetch(folder, path).scan.model().to_dict()) == model


@pytest.mark.parametrize("case", hostile.CASES, ids=lambda case: case.name)
def test_hostile_folders_are_judged_alike(case, tmp_path):
    if case.skip:
        pytest.skip(case.skip)
    case.write(tmp_path)
    files = listed(tmp_path)
    if not files:
        pytest.skip("no repository could hold this folder")
    if any(size > WHOLE_LIMIT for name, size in files if name.endswith(".json")):
        pytest.skip("files of this length are not fetched whole")
    assert_alike(tmp_path)
