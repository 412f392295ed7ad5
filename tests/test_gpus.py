"""The catalogue of GPUs: look-up, a user's rows, and `pondera gpus`."""

import json
import pickle
import re

import pytest

import pondera
from pondera import _native
from pondera._numbers import tera

GIB = 1 << 30

MINE = """\
[[gpu]]
name = "MY-CARD"
vendor = "other"
memory = "10GiB"
memory_kind = "gddr"
source = "a test"
default_for = ["card"]

[[gpu]]
name = "rtx 4090"
vendor = "nvidia"
memory = "48GiB"
memory_kind = "gddr"
usable = "47GiB"
source = "a test"
flops = { bf16 = "1.5T" }
"""


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    return path


def test_a_gpu_has_its_facts():
    gpu = pondera.gpu("H100 SXM 80GB")
    assert (gpu.name, gpu.vendor, gpu.assumed) == ("H100-SXM-80GB", "nvidia", None)
    # 79.19 * 2^30 = 85029615042.56 and 0.51 * 2^30 = 547608330.24.
    assert (gpu.nominal_bytes, gpu.usable_bytes) == (80 * GIB, 85_029_615_042)
    assert gpu.measured
    assert "79.19" not in gpu.name
    assert "vLLM" in gpu.usable_source
    assert (gpu.context_bytes, gpu.context_source is not None) == (547_608_330, True)
    assert gpu.bandwidth == 3_350_000_000_000
    assert gpu.flops["bf16"] == 989_000_000_000_000
    assert "fp4" not in gpu.flops
    assert gpu.interconnect == ("NVLink 4", 900_000_000_000)
    assert (gpu.per_node, gpu.compute_capability, gpu.unified) == (8, (9, 0), False)
    assert (gpu.memory_kind, gpu.common, gpu.note) == ("hbm", True, None)
    assert gpu.source


def test_what_was_not_measured_says_its_rule():
    gpu = pondera.gpu("H200-NVL-141GB")
    assert not gpu.measured
    assert gpu.usable_bytes < gpu.nominal_bytes
    assert re.match(r"9\d\.\d{4} % of the nominal memory, the median", gpu.usable_source)
    assert pondera.gpu("TPU-v4").usable_source.startswith("all of the nominal memory")


def test_a_default_is_said_and_a_size_is_a_gpu():
    assert pondera.gpu("h100").assumed.startswith("'h100' is taken as H100-SXM-80GB")
    some = pondera.gpu("24GiB")
    assert (some.vendor, some.usable_bytes, some.bandwidth, some.flops) == ("any", 24 * GIB, None, {})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rtx 5091", "close names are RTX-5"),
        ("cpu", "'cpu' may be any of CPU-"),
        ("", "no GPU is known as ''"),
        ("0GB", "above 0"),
        ("9" * 30 + "GB", "beyond 18446744073709551615"),
    ],
)
def test_unknown_names_raise_one_sentence(name, words):
    with pytest.raises(pondera.PonderaError, match=re.escape(words)) as caught:
        pondera.gpu(name)
    assert "\n" not in str(caught.value)


def test_the_list_is_sorted_and_each_is_found_by_every_name():
    gpus = pondera.gpus()
    assert len(gpus) >= 100
    assert [gpu.name for gpu in gpus] == sorted(gpu.name for gpu in gpus)
    assert {gpu.vendor for gpu in gpus} == {"amazon", "amd", "apple", "cpu", "google", "intel", "nvidia"}
    for gpu in gpus:
        for name in (gpu.name, gpu.name.lower().replace("-", " "), *gpu.aliases):
            assert pondera.gpu(name) == gpu
        for name in gpu.default_for:
            found = pondera.gpu(name)
            assert (found.name, name in found.assumed) == (gpu.name, True)


def test_objects_are_values(tmp_path):
    gpu = pondera.gpu("h100")
    assert pickle.loads(pickle.dumps(gpu)) == gpu
    assert hash(pondera.gpu("h100")) == hash(gpu)
    assert gpu != pondera.gpu("H100-SXM-80GB"), "what was assumed is part of it"
    assert "H100-SXM-80GB" in repr(gpu)
    assert gpu.to_dict() == json.loads(gpu.to_json())
    assert gpu.to_dict()["flops"]["fp4"] is None
    with pytest.raises(pondera.PonderaError, match="cannot restore"):
        pondera.Gpu._from_bytes(b"")


def test_a_users_rows_are_added_and_replace(mine):
    gpus = pondera.gpus(gpu_file=mine)
    assert len(gpus) == len(pondera.gpus()) + 1
    assert pondera.gpu("card", gpu_file=mine).name == "MY-CARD"
    replaced = pondera.gpu("NVIDIA GeForce RTX 4090", gpu_file=str(mine))
    assert (replaced.usable_bytes, replaced.measured, replaced.usable_source) == (47 * GIB, False, "as given")
    assert replaced.flops == {"bf16": 1_500_000_000_000}
    assert pondera.gpu("RTX-4090").nominal_bytes == 24 * GIB


def test_bad_files_say_where_and_what(tmp_path, mine):
    with pytest.raises(FileNotFoundError):
        pondera.gpus(gpu_file=tmp_path / "none.toml")
    mine.write_text(MINE.replace("1.5T", "1.5 apples"))
    with pytest.raises(pondera.PonderaError, match=r"mine.toml: rtx 4090: `flops.bf16` '1.5 apples' has the"):
        pondera.gpus(gpu_file=mine)
    mine.write_bytes(b"\xff")
    with pytest.raises(pondera.PonderaError, match="save it as UTF-8"):
        pondera.gpus(gpu_file=mine)


def test_sizes_and_counts():
    assert _native.parse_bytes("79.19GiB") == 85_029_615_042
    assert _native.parse_count("32k") == 32_768
    with pytest.raises(pondera.PonderaError, match="no clear unit"):
        _native.parse_bytes("24G")
    with pytest.raises(pondera.PonderaError, match="negative"):
        _native.parse_count("-1")


def test_the_command_lists_and_filters(run):
    code, out, err = run("gpus", "h100", "sxm")
    assert (code, err) == (0, "")
    (row,) = [line for line in out.splitlines() if line.startswith("H100")]
    assert row.split()[:7] == ["H100-SXM-80GB", "nvidia", "80.00", "GiB", "79.19", "GiB", "measured"]
    _, out, _ = run("gpus", "--vendor", "google")
    assert "TPU-v6e" in out
    assert "H100" not in out
    _, out, _ = run("gpus", "--vendor", "nvidia", "--min-memory", "170GiB", "--json")
    found = json.loads(out)
    assert found["schema"] == _native.GPUS_SCHEMA == "pondera.gpus/1"
    assert {gpu["name"] for gpu in found["gpus"]} == {"B200", "B300", "GB200", "GB300"}
    assert found["gpus"][0] == pondera.gpu("B200").to_dict()


def test_the_command_takes_a_file(run, mine, tmp_path):
    code, out, _ = run("gpus", "my-card", "--gpu-file", mine)
    assert code == 0
    assert "10.00 GiB" in out
    code, out, err = run("gpus", "--gpu-file", tmp_path / "none.toml")
    assert (code, out) == (2, "")
    assert "none.toml" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--min-memory", "40G"], "--min-memory: '40G' has no clear unit; write GB"),
        (["--min-memory", "-1"], "--min-memory"),
        (["--vendor", "nvidea"], "invalid choice"),
    ],
)
def test_bad_arguments_end_with_2(run, arguments, words):
    code, out, err = run("gpus", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_nothing_found_is_1(run):
    code, out, err = run("gpus", "no such gpu")
    assert (code, out) == (1, "")
    assert "`pondera gpus` lists all" in err


def test_rates_are_shown_in_trillions():
    rates = {
        0: "0.0 T",
        989_400_000_000_000: "989.4 T",
        1_978_950_000_000_000: "1,979.0 T",
        49_999_999_999: "0.0 T",
    }
    assert {rate: tera(rate) for rate in rates} == rates


def test_a_fit_takes_a_gpu_that_was_looked_up():
    fit = pondera.fit("llama-3.1-8b", gpu=pondera.gpu("L4"), engine="transformers", context="8k")
    assert (fit.gpu, fit.usable) == ("L4", pondera.gpu("L4").usable_bytes)
