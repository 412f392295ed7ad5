"""What the server of `pondera ui` answers: exactly what the commands and functions say."""

import json
import struct
from itertools import pairwise
from urllib.parse import urlencode

import httpx
import jsonschema
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate

import pondera
import writer
from conftest import TINY
from pondera._picture.memory import draw_memory
from pondera.ui.addresses import ADDRESSES, FIT, HEAT
from pondera.ui.answers import ANSWERS
from pondera.ui.axis import spread
from pondera.ui.minds import Minds
from pondera.ui.openapi import document
from pondera.ui.parameters import MOST_PARAMETERS, MOST_QUERY, read
from ui_server import served

TARGETS = ("llama-3.1-8b", "deepseek-v3", "gemma-4-26b-a4b", "mamba-2.8b", "whisper-large-v3")


@pytest.fixture(scope="module")
def client():
    targets = [target for target in TARGETS if known(target)]
    assert len(targets) > 2
    with served(*targets) as address, httpx.Client(base_url=address) as client:
        yield client


def known(target):
    names = {name for one in pondera.built_in_models() for name in (one["name"], *one["aliases"])}
    return target in names


def data(answer):
    """The JSON of an answer, held against the description of the address that gave it."""
    told = answer.json()
    described = document()
    path = answer.url.path
    name = path.rpartition("/")[2] if answer.status_code == 200 else "error"
    whole = {**described["components"]["schemas"][name], "components": described["components"]}
    jsonschema.Draft202012Validator(whole).validate(told)
    return told


def sentence(answer):
    return data(answer)["error"]["message"]


ASKED = [
    ("llama-3.1-8b", "--gpu", "h100", "--context", "32k", "--concurrency", "8"),
    ("llama-3.1-8b", "--gpu", "l4", "--context", "128k", "--weights", "fp8", "--cache", "fp8"),
    ("llama-3.1-8b", "--gpu", "24GiB", "--engine", "transformers", "--context", "8k"),
    ("llama-3.1-8b", "--gpu", "l4", "--eager", "--no-prefix-caching", "--gpu-memory-utilization", "0.85"),
    ("llama-3.1-8b", "--gpu", "l4", "--set", "num_key_value_heads=4", "--set", "num_hidden_layers=40"),
    ("deepseek-v3", "--gpu", "h200", "--gpus", "8", "--context", "16k", "--tp", "8", "--engine", "sglang"),
    ("gemma-4-26b-a4b", "--gpu", "l40s", "--context", "64k", "--engine", "llama.cpp", "--cache", "q8_0"),
]


def query(options):
    """The query of a command line."""
    found = {}
    words = list(options)
    while words:
        name = words.pop(0)
        if name == "--set":
            field, _, value = words.pop(0).partition("=")
            found[f"set.{field}"] = value
        elif name in ("--eager", "--no-prefix-caching"):
            found[name.removeprefix("--no-").removeprefix("--").replace("-", "_")] = str(
                "no-" not in name
            ).lower()
        else:
            name = {"--tp": "--tensor-parallel"}.get(name, name)
            found[name.removeprefix("--").replace("-", "_")] = words.pop(0)
    return found


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: " ".join(asked[:3]))
def test_fit_says_what_the_command_says(client, run, asked):
    target, *options = asked
    _, out, _ = run("fit", target, *options, "--json")
    told = data(client.get("/api/fit", params={"target": TARGETS.index(target), **query(options)}))
    assert told["fit"] == json.loads(out)


def test_alternatives_are_left_out_if_nobody_wants_them(client):
    asked = {"gpu": "l4", "context": "128k"}
    whole = data(client.get("/api/fit", params=asked))["fit"]
    assert whole["alternatives"]
    short = data(client.get("/api/fit", params={**asked, "alternatives": "false"}))["fit"]
    assert short == {name: value for name, value in whole.items() if name != "alternatives"}


def test_a_changed_mind_is_told_beside_the_estimate(client):
    changes = {"num_key_value_heads": 4, "rope_theta": 10000}
    params = {"gpu": "l4", **{f"set.{name}": value for name, value in changes.items()}}
    told = data(client.get("/api/fit", params=params))
    model, answer = pondera.Model.open("llama-3.1-8b").what_if(changes)
    assert told["mind"]["changes"] == answer.changes
    assert told["mind"]["same_body"] is answer.same_body is False
    assert told["mind"]["parameters"] == model.architecture.parameters
    assert told["fit"]["weights"] == pondera.fit(model, gpu="l4").weights
    alone = data(client.get("/api/fit", params={"gpu": "l4", "set.rope_theta": "10000"}))["mind"]
    assert alone["same_body"] is True


def test_the_picture_is_that_of_the_estimate(client):
    params = {
        "gpu": "h100",
        "context": "8k",
        "picture": "true",
        "theme": "dark",
        "width": 400,
        "framed": "false",
    }
    told = data(client.get("/api/fit", params=params))
    fit = pondera.fit("llama-3.1-8b", gpu="h100", context="8k").to_dict()
    assert told["picture"] == draw_memory([fit], "dark", width=400, framed=False)


@pytest.fixture
def weights(tmp_path):
    """A small model with weights and a config that agree."""
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 8,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": 100,
        "max_position_embeddings": 4096,
        "torch_dtype": "bfloat16",
    }
    post = {"model.layers.0.post_attention_layernorm.weight": ("BF16", [8])}
    writer.write(tmp_path / "small" / "model.safetensors", {**TINY, **post})
    (tmp_path / "small" / "config.json").write_text(json.dumps(config))
    return tmp_path / "small"


def test_weights_count_as_long_as_the_mind_can_wear_them(weights, run):
    """Twice the width is four times each matrix of 8 x 8: weights that are there are then not counted."""
    with served(weights) as address, httpx.Client(base_url=address) as client:
        asked = {"gpu": "l4", "engine": "transformers", "context": 64}
        command = ["fit", weights, "--gpu", "l4", "--engine", "transformers", "--context", 64, "--json"]
        for change, same in (("rope_theta=500000", True), ("hidden_size=16", False)):
            name, _, value = change.partition("=")
            told = data(client.get("/api/fit", params={**asked, f"set.{name}": value}))
            _, out, talk = run(*command, "--set", change)
            assert told["fit"] == json.loads(out)
            assert told["mind"]["same_body"] is same
            assert talk.count("that mind needs other weights") == (not same)
            model, what_if = pondera.Model.open(weights).what_if({name: int(value)})
            worn = model if same else what_if.architecture
            fit = pondera.fit(worn, gpu="l4", engine="transformers", context=64)
            assert told["fit"]["parts"] == fit.parts
        # By hand: attention 4 x 16 x 16, mlp 3 x 32 x 16, in 2 bytes.
        assert told["fit"]["parts"]["weights"]["attention"] == 2 * 4 * 16 * 16
        assert told["fit"]["parts"]["weights"]["mlp"] == 2 * 3 * 32 * 16


def heat_of(answer):
    """The header and the planes of an answer in bytes."""
    assert answer.headers["content-type"] == "application/octet-stream"
    body = answer.content
    (length,) = struct.unpack("<I", body[:4])
    header = json.loads(body[4 : 4 + length])
    shape = [len(header[name]) for name in ("gpu", "context", "concurrency")]
    cells = int(np.prod(shape))
    assert len(body) == 4 + length + cells * len(header["planes"])
    planes = {
        name: np.frombuffer(body, np.uint8, cells, 4 + length + at * cells).reshape(shape)
        for at, name in enumerate(header["planes"])
    }
    return header, planes


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"engine": "vllm==0.19.0"}, ["L4", "H100-SXM-80GB"]),
        ({"target": 2, "weights": "fp8", "set.text_config.sliding_window": 4096}, ["L40S"]),
        ({"engine": "llama.cpp"}, ["L4", "24GiB"]),
        # Requests beyond the limit of the engine cannot be.
        ({"max_sequences": 16}, ["H100-SXM-80GB"]),
    ],
)
def test_every_cell_of_a_heatmap_is_what_fit_says(client, asked, shown):
    params = {**asked, "gpus_shown": ",".join(shown), "contexts": 5, "concurrencies": 4, "context_max": "64k"}
    answer = client.get("/api/heat", params=params)
    header, planes = heat_of(answer)
    assert header["context"] == [1024, 2896, 8192, 23170, 65536]  # 1024 * 8 ** (n / 2)
    assert header["concurrency"] == [1, 6, 40, 256]  # 256 ** (n / 3), which is 6.35 and then 40.3
    assert planes["levels"].shape == (len(shown), 5, 4)
    model = pondera.Model.open(TARGETS[asked.get("target", 0)])
    changes = {name.removeprefix("set."): value for name, value in asked.items() if name.startswith("set.")}
    if changes:
        model, _ = model.what_if(changes)
    options = {
        name: value for name, value in asked.items() if name != "target" and not name.startswith("set.")
    }
    for at, gpu in enumerate(shown):
        for across, context in enumerate(header["context"]):
            for up, requests in enumerate(header["concurrency"]):
                level = int(planes["levels"][at, across, up])
                try:
                    fit = pondera.fit(model, gpu=gpu, context=context, concurrency=requests, **options)
                except pondera.PonderaError:
                    assert level == header["cannot_be"]
                    place = planes["reason"][at, across, up] if "reason" in planes else 1
                    assert header["reasons"][place]
                    continue
                assert (level <= header["fits_to"]) == fit.fits
                # In per cent of the memory, rounded up.
                taken = 100 * (fit.usable - max(fit.headroom, -fit.usable))
                assert (level - 1) * fit.usable < taken <= level * fit.usable
    whole = client.get("/api/heat", params={**params, "format": "json"})
    assert data(whole)["levels"] == planes["levels"].tolist()


def test_a_heatmap_shows_the_gpu_that_was_asked_for(client):
    header, planes = heat_of(
        client.get("/api/heat", params={"gpu": "h100", "context": "8k", "concurrency": 3})
    )
    assert header["gpu"] == ["H100-SXM-80GB"]
    assert header["context"][-1] == 131072
    assert planes["levels"].shape[1:] == (64, 64)
    one, _ = heat_of(client.get("/api/heat", params={"gpu": "h100", "contexts": 1, "concurrencies": 1}))
    assert (one["context"], one["concurrency"]) == ([131072], [256])


def test_a_heatmap_of_a_short_model_has_its_contexts():
    """Whisper writes 448 tokens, fewer than heatmaps begin with."""
    asked = {"gpu": "L4", "engine": "transformers", "contexts": "8", "concurrencies": "2", "format": "json"}
    question = read(HEAT, urlencode(asked).encode())
    contexts = json.loads(ANSWERS[HEAT.path](Minds(["whisper-tiny"]), question)[1])["context"]
    assert (contexts[0], contexts[-1], len(contexts)) == (1, 448, 8)


def test_a_heatmap_of_what_cannot_be_says_why(client):
    header, planes = heat_of(
        client.get("/api/heat", params={"gpu": "h100", "tensor_parallel": 3, "contexts": 2})
    )
    assert (planes["levels"] == header["cannot_be"]).all()
    with pytest.raises(pondera.PonderaError) as refused:
        pondera.fit("llama-3.1-8b", gpu="h100", tensor_parallel=3, context=1024)
    assert list(header["why"].values()) == [str(refused.value)]


def test_the_map_is_that_of_the_command(client):
    answer = client.get("/api/map", params={"target": 2, "theme": "dark", "by": "bytes"})
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert answer.text == pondera.draw(TARGETS[2], by="bytes").drawn("dark")
    two = client.get("/api/map", params={"target": 0, "other": 2})
    assert two.text == pondera.draw(TARGETS[0], TARGETS[2]).svg
    facts = data(client.get("/api/map", params={"format": "json", "set.num_hidden_layers": 12}))
    changed, _ = pondera.Model.open(TARGETS[0]).what_if(num_hidden_layers=12)
    assert facts == pondera.draw(TARGETS[0], set={"num_hidden_layers": 12}, alone=True).to_dict()
    assert facts["total"]["parameters"] == changed.architecture.parameters
    beside = client.get("/api/map", params={"beside": "true", "set.num_hidden_layers": 12})
    assert beside.text == pondera.draw(TARGETS[0], set={"num_hidden_layers": 12}).svg


def test_compare_says_what_the_command_says(client, run):
    _, out, _ = run(
        "compare", TARGETS[0], TARGETS[2], "--gpu", "l4", "--gpu", "h100", "--context", "32k", "--json"
    )
    params = [("target", 0), ("target", 2), ("gpu", "l4,h100"), ("context", "32k")]
    assert data(client.get("/api/compare", params=params)) == json.loads(out)
    _, out, _ = run("compare", TARGETS[1], "--set", "num_experts_per_tok=4", "--json")
    told = data(client.get("/api/compare", params={"target": 1, "set.num_experts_per_tok": 4}))
    assert told == json.loads(out)


def test_show_says_what_the_command_says(client, run):
    _, out, _ = run("show", TARGETS[1], "--set", "num_experts_per_tok=4", "--json")
    told = data(client.get("/api/show", params={"target": 1, "set.num_experts_per_tok": 4}))
    assert told == json.loads(out)


def test_targets_are_told_with_their_fields(client):
    told = data(client.get("/api/targets"))["targets"]
    assert [one["target"] for one in told] == [target for target in TARGETS if known(target)]
    for one in told:
        architecture = pondera.Architecture.from_config(one["target"])
        assert (one["parameters"], one["context"]) == (architecture.parameters, architecture.context)
        names = [field["name"] for field in one["fields"]]
        assert len(names) == len(set(names)) > 5
        for field in one["fields"]:
            assert architecture.fields[field["name"]] == field["class"] != "inert"
            assert field["value"] in field["values"]
            assert field["values"] == sorted(field["values"])
            assert len(field["values"]) <= 180
    llama = told[0]["fields"]
    assert [field["name"] for field in llama[:4]] == [
        "num_hidden_layers",
        "hidden_size",
        "num_attention_heads",
        "num_key_value_heads",
    ]
    assert llama[3]["values"] == [1, 2, 4, 8, 16, 32]
    assert llama[4] | {"name": "head_dim", "value": 128, "assumed": True} == llama[4]
    gemma = [field["name"] for field in told[2]["fields"]]
    assert gemma.index("text_config.sliding_window") < gemma.index("vision_config.hidden_size")


@pytest.mark.parametrize("target", range(3))
def test_every_value_that_is_offered_is_answered(client, target):
    """By an estimate, or by a sentence that says why it cannot be; at least the half of them can."""
    fields = data(client.get("/api/targets"))["targets"][target]["fields"]
    could = all_ = 0
    for field in fields:
        for value in {field["values"][0], field["values"][-1], field["value"]}:
            asked = {"target": target, "gpu": "h200", "context": 1024, "alternatives": "false"}
            answer = client.get("/api/fit", params={**asked, f"set.{field['name']}": json.dumps(value)})
            assert answer.status_code in (200, 422)
            told = data(answer)
            all_ += 1
            could += answer.status_code == 200
            if value == field["value"]:
                assert told["mind"]["same_body"]
                assert all(one["parameters"] == 0 for one in told["mind"]["changes"])
    assert 2 * could > all_


def test_choices_are_the_tables(client):
    told = data(client.get("/api/choices"))
    assert [one["name"] for one in told["gpus"]] == [one.name for one in pondera.gpus()]
    assert [one["usable_bytes"] for one in told["gpus"]] == [one.usable_bytes for one in pondera.gpus()]
    assert told["engines"] == pondera.engines()
    for one in told["cache"]:
        pondera.fit("llama-3.1-8b", gpu="h100", engine="transformers")
        assert one["bytes"] > 0
    asked = [one.name for one in FIT.parameters if one.asked]
    assert [one["name"] for one in told["options"]] == asked


def test_the_description_is_valid_and_whole(client):
    told = client.get("/openapi.json").json()
    validate(told)
    assert list(told["paths"]) == [one.path for one in ADDRESSES]
    assert {one.path for one in ADDRESSES} == set(ANSWERS)
    for one in ADDRESSES:
        described = [each["name"] for each in told["paths"][one.path]["get"]["parameters"]]
        assert described == [each.name for each in one.parameters] + ["set.FIELD"] * one.fields


def written(value, *, apart):
    """A value of the description as it stands in a query."""
    if isinstance(value, list):
        return value if apart else ",".join(value)
    return str(value).lower() if isinstance(value, bool) else value


@pytest.mark.parametrize("one", ADDRESSES, ids=lambda one: one.path)
def test_examples_and_defaults_of_the_description_are_answered(client, one):
    params = {}
    for each in document()["paths"][one.path]["get"]["parameters"]:
        value = each.get("example", each["schema"].get("default"))
        if value is not None:
            params[each["name"]] = written(value, apart=each.get("explode", True))
    answer = client.get(one.path, params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].partition(";")[0] in one.media


WRONG = [
    ("/api/fit", "", 400, "gpu"),
    ("/api/fit", "gpu=h100&gpu=l4", 400, "gpu"),
    ("/api/fit", "gpu=h100&set.a=1&set.a=2", 400, "set.a"),
    ("/api/fit", "gpu=h100&colour=red", 400, "colour"),
    ("/api/fit", "gpu=h100&gpu_file=/etc/passwd", 400, "gpu_file"),
    ("/api/fit", "gpu=h100&assume=llama", 400, "assume"),
    ("/api/fit", "gpu=h100&set.=1", 400, "set."),
    ("/api/fit", "gpu", 400, None),
    ("/api/fit", "gpu=%ff", 400, None),
    ("/api/fit", "gpu=h100&context=", 422, "context"),
    ("/api/fit", "gpu=h100&context=many", 422, "context"),
    ("/api/fit", "gpu=h100&context=1e9", 422, "context"),
    ("/api/fit", "gpu=h100&concurrency=-1", 422, "concurrency"),
    ("/api/fit", "gpu=h100&concurrency=default", 422, "concurrency"),
    ("/api/fit", "gpu=h100&gpu_memory_utilization=nan", 422, "gpu_memory_utilization"),
    ("/api/fit", "gpu=h100&eager=maybe", 422, "eager"),
    ("/api/fit", "gpu=h100&tensor_parallel=3", 422, "tensor_parallel"),
    ("/api/fit", "gpu=none-such", 422, None),
    ("/api/fit", "gpu=/etc/passwd", 422, None),
    ("/api/fit", f"gpu={'h' * 300}", 422, "gpu"),
    ("/api/fit", "gpu=h100&target=99", 422, "target"),
    ("/api/fit", "gpu=h100&target=-1", 422, "target"),
    ("/api/fit", "gpu=h100&target=llama-3.1-8b", 422, "target"),
    ("/api/fit", "gpu=h100&target=%D9%A3", 422, "target"),
    ("/api/fit", "gpu=h100&set.num_hidden_layers=NaN", 422, "set.num_hidden_layers"),
    ("/api/fit", "gpu=h100&set.num_hidden_layers=1000000000", 422, "set.num_hidden_layers"),
    ("/api/fit", f"gpu=h100&set.num_hidden_layers={'[' * 5000}", 422, "set.num_hidden_layers"),
    ("/api/fit", "gpu=h100&set.num_hidden_layers=1e999", 422, "set.num_hidden_layers"),
    ("/api/fit", f"gpu=h100&set.num_hidden_layers={'9' * 400}", 422, "set.num_hidden_layers"),
    ("/api/fit", f"gpu=h100&set.layer_types={'[' * 900}{']' * 900}", 422, "set.layer_types"),
    ("/api/fit", 'gpu=h100&set.a="%5cud800"', 422, "set.a"),
    ("/api/fit", "gpu=h100&set.a.b.c=1", 422, "set.a.b.c"),
    ("/api/fit", "gpu=h100&width=9999", 422, "width"),
    ("/api/fit", "gpu=h100&theme=red", 422, "theme"),
    ("/api/heat", "contexts=4", 400, "gpu"),
    ("/api/heat", "gpu=h100&contexts=0", 422, "contexts"),
    ("/api/heat", "gpu=h100&contexts=257", 422, "contexts"),
    ("/api/heat", "gpu=h100&contexts=4k", 422, "contexts"),
    ("/api/heat", "gpu=h100&context_min=64k&context_max=8k", 422, "context_min"),
    ("/api/heat", "gpu=h100&gpus_shown=l4,,l40s", 422, "gpus_shown"),
    ("/api/heat", f"gpus_shown={','.join(['l4'] * 33)}", 422, "gpus_shown"),
    ("/api/heat", "gpus_shown=l4,l40s,h100,h200,b200&contexts=256&concurrencies=256", 422, None),
    ("/api/map", "other=7", 422, "target"),
    ("/api/map", "by=colour", 422, "by"),
    ("/api/compare", "target=0", 422, None),
    ("/api/compare", "&".join(["target=0"] * 17), 422, None),
    ("/api/compare", "target=0&target=99", 422, "target"),
    ("/api/targets", "x=1", 400, "x"),
    ("/api/show", "set.num_hidden_layers=x", 422, "set.num_hidden_layers"),
]


@pytest.mark.parametrize(("path", "asked", "status", "parameter"), WRONG)
def test_what_cannot_be_is_told_in_a_sentence(client, path, asked, status, parameter):
    answer = client.get(f"{path}?{asked}")
    told = data(answer)["error"]
    assert (answer.status_code, told["parameter"]) == (status, parameter), told
    assert told["message"]
    assert told["message"].isprintable()
    assert not told["message"].endswith(".")
    assert len(told["message"]) <= 2000
    assert "Traceback" not in told["message"]


def test_queries_are_bounded(client):
    long = client.get("/api/fit?gpu=" + "h" * MOST_QUERY)
    assert (long.status_code, str(MOST_QUERY) in sentence(long)) == (414, True)
    many = client.get("/api/fit?gpu=h100&" + "&".join(f"set.a{at}=1" for at in range(MOST_PARAMETERS)))
    assert (many.status_code, str(MOST_PARAMETERS) in sentence(many)) == (400, True)
    enough = "&".join(f"set.a{at}=1" for at in range(MOST_PARAMETERS - 1))
    assert client.get(f"/api/fit?gpu=h100&{enough}").status_code == 200


@given(st.integers(1, 1 << 40), st.integers(0, 1 << 40), st.integers(1, 256))
def test_axes_have_as_many_values_as_there_can_be(first, more, count):
    last = first + more
    values = spread(first, last, count)
    assert len(values) == min(count, more + 1)
    assert values[-1] == last
    assert values[0] == first or len(values) == 1
    assert all(one < two for one, two in pairwise(values))


def test_axes_go_by_even_ratios():
    assert spread(1, 1024, 11) == [1 << at for at in range(11)]
    assert spread(1, 256, 64)[:4] == [1, 2, 3, 4]


NAMES = sorted({one.name for address in ADDRESSES for one in address.parameters})
VALUES = [
    "0",
    "1",
    "-1",
    "8k",
    "h100",
    "l4",
    "default",
    "true",
    "[[",
    "null",
    "NaN",
    "1e999",
    "\x00",
    "‮",
    "🦙",
    "9" * 40,
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([one.path for one in ADDRESSES]),
    st.lists(
        st.tuples(
            st.sampled_from([*NAMES, "set.num_hidden_layers", "set.hidden_size", "set.layer_types"])
            | st.text(max_size=12),
            st.sampled_from(VALUES) | st.text(max_size=30) | st.integers().map(str),
        ),
        max_size=6,
    ),
)
def test_no_query_breaks_it(client, path, pairs):
    answer = client.get(path, params=[("gpu", "l4"), ("contexts", "4"), *pairs][(path != "/api/heat") :])
    assert answer.status_code in (200, 400, 414, 422), answer.text
    if answer.status_code != 200:
        assert sentence(answer).isprintable()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([one.path for one in ADDRESSES]), st.binary(max_size=80))
def test_no_bytes_break_it(client, path, text):
    quoted = "".join(
        chr(byte) if 33 <= byte < 127 and byte not in b'#"<>' else f"%{byte:02x}" for byte in text
    )
    answer = client.get(f"{path}?{quoted}")
    assert answer.status_code in (200, 400, 422), answer.text
