"""Architectures through Python: counts, tensors, caches, what-ifs, errors.

Expected values are published, or worked out here by hand from the config's own numbers.
"""

import copy
import pickle

import numpy as np
import pytest

import pondera

# Meta-Llama-3.1-8B. Published: 8,030,261,248 parameters (tensor total of the Hub).
LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 131072,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "rope_theta": 500000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 128256,
}

# Qwen3-30B-A3B. Published: 30,532,122,624 parameters; 3.3 B active by its card.
QWEN = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "decoder_sparse_step": 1,
    "head_dim": 128,
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "moe_intermediate_size": 768,
    "num_attention_heads": 32,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 48,
    "num_key_value_heads": 4,
    "tie_word_embeddings": False,
    "vocab_size": 151936,
}


@pytest.fixture
def llama():
    return pondera.Architecture.from_config(LLAMA)


def test_counts_are_the_published_ones(llama):
    assert llama.parameters == llama.active_parameters == 8_030_261_248
    assert llama.non_embedding_parameters == 8_030_261_248 - 128256 * 4096
    qwen = pondera.Architecture.from_config(QWEN)
    assert qwen.parameters == 30_532_122_624
    # 120 of 128 experts of 48 layers stay away; each has three matrices of 2048 x 768.
    assert qwen.active_parameters == 30_532_122_624 - 48 * 120 * 3 * 2048 * 768


def test_every_count_is_a_sum_over_the_tensors(llama):
    table = llama.tensors()
    assert len(table) == 32 * 9 + 3
    assert sum(table["parameters"].tolist()) == llama.parameters
    roles = table["role"]
    for role, count in llama.roles.items():
        of_role = roles == role
        assert count.tensors == of_role.sum()
        assert count.parameters == table["parameters"][of_role].sum()
    assert sum(count.parameters for count in llama.layers.values()) == llama.parameters
    assert llama.layers["model.layers.31"].tensors == 9
    shapes = dict(zip(table["name"], table["shape"], strict=True))
    assert shapes["model.layers.7.self_attn.k_proj.weight"] == (1024, 4096)
    assert shapes["lm_head.weight"] == (128256, 4096)


def test_a_tied_head_is_no_tensor():
    tied = pondera.Architecture.from_config({**LLAMA, "tie_word_embeddings": True})
    assert tied.parameters == 8_030_261_248 - 128256 * 4096
    assert "head" not in tied.roles


def test_the_cache_is_what_requests_need(llama):
    # Keys and values of 8 heads of 128 in 32 layers, 2 bytes each: 131,072 bytes per token.
    assert llama.bytes_per_token() == 2 * 8 * 128 * 32 * 2 == 131_072
    assert llama.cache_bytes(131_072) == 16 * 2**30
    assert llama.cache_bytes(1000, 7, "fp8") == 1000 * 7 * 65_536
    assert llama.cache_bytes(0) == llama.state_bytes() == 0
    assert llama.saturations == ()
    layers = llama.cache_layers()
    assert list(layers["kind"]) == ["full"] * 32
    assert np.all(layers["per_token"] == 2048)


def test_a_window_caps_the_cache():
    config = {
        **LLAMA,
        "model_type": "mistral",
        "architectures": ["MistralForCausalLM"],
        "sliding_window": 4096,
    }
    mistral = pondera.Architecture.from_config(config)
    assert mistral.saturations == (4096,)
    assert mistral.cache_bytes(4096) == mistral.cache_bytes(100_000) == 4096 * 131_072
    assert mistral.bytes_per_token(4095) == 131_072
    assert mistral.bytes_per_token(4096) == 0
    assert mistral.pattern() == "32 x sliding(4096)"


def test_aliases_and_null_count_as_one_field():
    null = {**LLAMA, "head_dim": None, "rope_scaling": None, "sliding_window": None}
    assert pondera.Architecture.from_config(null).parameters == 8_030_261_248


def test_a_default_that_was_taken_is_listed():
    without = {key: value for key, value in LLAMA.items() if key != "num_key_value_heads"}
    architecture = pondera.Architecture.from_config(without)
    fields = {field: value for field, value, _ in architecture.assumptions}
    assert fields["num_key_value_heads"] == "32"
    assert fields["head_dim"] == "128"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("hidden_size", "4096", "must be a whole number, not a text"),
        ("hidden_size", -1, "must be a whole number"),
        ("hidden_size", 0, "at least 1"),
        ("hidden_size", 2**60, "larger than any model"),
        ("num_hidden_layers", 10**9, "more than"),
        ("num_hidden_layers", 1.5, "must be a whole number"),
        ("num_key_value_heads", 5, "does not divide"),
        ("tie_word_embeddings", "yes", "must be true or false"),
        ("vocab_size", [1], "not a list"),
        ("architectures", "LlamaForCausalLM", "must be a list"),
        ("layer_types", ["full_attention"], "1 items for 32 layers"),
        ("model_type", "unheard-of", "is not known"),
        ("model_type", None, "is missing"),
    ],
)
def test_a_wrong_field_is_one_clear_error(field, value, words):
    with pytest.raises(pondera.PonderaError) as raised:
        pondera.Architecture.from_config({**LLAMA, field: value})
    message = str(raised.value)
    assert field in message
    assert words in message
    assert "\n" not in message


def test_an_unknown_type_is_derived_when_asked():
    config = {**LLAMA, "model_type": "unheard-of"}
    assumed = pondera.Architecture.from_config(config, assume="llama")
    assert assumed.parameters == 8_030_261_248
    assert (
        "model_type",
        "llama",
        "the model type is not known; this one was asked for",
    ) in assumed.assumptions
    with pytest.raises(pondera.PonderaError, match="no model type"):
        pondera.Architecture.from_config(config, assume="unheard-of-too")


def test_what_if_tells_new_weights_from_the_same():
    qwen = pondera.Architecture.from_config(QWEN)
    more_experts = qwen.what_if(num_experts_per_tok=16)
    assert more_experts.same_body
    assert more_experts.architecture.parameters == qwen.parameters
    assert more_experts.architecture.active_parameters == qwen.active_parameters + 48 * 8 * 3 * 2048 * 768
    heads = qwen.what_if(num_key_value_heads=8)
    assert not heads.same_body
    (change,) = heads.changes
    assert (change["class"], change["from"], change["to"]) == ("structural", 4, 8)
    # Keys and values double: twice 2048 x 512 more per layer, and as much cache again per token.
    assert change["parameters"] == 48 * 2 * 2048 * 512
    assert change["bytes_per_token"] == 48 * 2 * 4 * 128 * 2
    assert qwen.what_if(max_position_embeddings=1_000_000).changes[0]["class"] == "runtime"
    assert qwen.what_if(rms_norm_eps=1e-5).changes[0]["class"] == "inert"
    with pytest.raises(pondera.PonderaError, match="num_experts_per_tok"):
        qwen.what_if(num_experts_per_tok=200)


def test_another_layer_adds_exactly_one_layers_tensors(llama):
    taller = llama.what_if(num_hidden_layers=33).architecture
    before, after = set(llama.tensors()["name"]), set(taller.tensors()["name"])
    assert before < after
    assert {name.split(".")[2] for name in after - before} == {"32"}
    assert taller.parameters - llama.parameters == llama.layers["model.layers.0"].parameters


def test_lists_of_layers_grow_by_their_own_pattern():
    types = ["full_attention", "sliding_attention"] * 16
    config = {**LLAMA, "model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "layer_types": types}
    config |= {"sliding_window": 1024, "use_sliding_window": True}
    answer = pondera.Architecture.from_config(config).what_if(num_hidden_layers=34)
    assert answer.architecture.pattern() == "1 x full, 1 x sliding(1024); 34 layers"
    assert "layer_types" in answer.changes[0]["note"]


def test_fields_are_classed_by_trying():
    fields = pondera.Architecture.from_config(QWEN).fields
    assert fields["hidden_size"] == "structural"
    assert fields["num_experts_per_tok"] == "runtime"
    assert fields["vocab_size"] == "structural"


def test_explain():
    answer = pondera.explain("num_key_value_heads", QWEN)
    assert answer["class"] == "structural"
    assert answer["value"] == 4
    assert answer["cost"]["bytes_per_token"] > 0
    assert "heads" in pondera.explain("num_key_value_heads")["text"]
    weights = {one["format"]: one["bytes"] for one in pondera.explain("30B")["weights"]}
    assert weights["bf16"] == 60_000_000_000
    with pytest.raises(pondera.PonderaError, match="num_unicorns"):
        pondera.explain("num_unicorns")


def test_values_survive_pickling_and_compare(llama):
    assert pickle.loads(pickle.dumps(llama)) == llama
    assert copy.deepcopy(llama) == llama
    assert hash(pickle.loads(pickle.dumps(llama))) == hash(llama)
    assert llama != pondera.Architecture.from_config(QWEN)
    assert "llama" in repr(llama)
    assert "8,030,261,248" in llama._repr_html_()


def test_a_path_and_a_name_are_configs_too(tmp_path):
    import json

    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA))
    assert pondera.Architecture.from_config(path).parameters == 8_030_261_248
    assert pondera.Architecture.from_config(tmp_path).parameters == 8_030_261_248
    assert pondera.Architecture.from_config("llama-3.1-8b").parameters == 8_030_261_248
    with pytest.raises(FileNotFoundError, match=r"did you mean llama-3\.1-8b"):
        pondera.Architecture.from_config("lama-3.1-8b")


def test_bare_words_of_python_are_no_obstacle():
    limit = {**LLAMA, "time_step_limit": [0.0, float("inf")]}
    assert pondera.Architecture.from_config(limit).parameters == 8_030_261_248


def test_what_if_says_of_a_field_that_nothing_reads_that_nothing_reads_it():
    llama = pondera.Architecture.from_config(LLAMA)
    (typo,) = llama.what_if(num_hidden_layer=3).changes
    assert typo["class"] == "inert"
    assert typo["note"] == "not read from this config; did you mean num_hidden_layers?"
    (foreign,) = llama.what_if(colour_of_the_cover=3).changes
    assert foreign["class"] == "inert"
    assert "nothing" in foreign["note"]
    assert llama.what_if(num_hidden_layers=33).changes[0]["note"] is None
    with pytest.raises(pondera.PonderaError, match="no name of a field"):
        llama.what_if({"": 1})


def test_what_if_of_other_packing_needs_other_weights():
    packed = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    assert not pondera.Architecture.from_config(LLAMA).what_if(quantization_config=packed).same_body


def test_fields_that_were_assumed_have_a_class_and_a_cost():
    config = {name: value for name, value in LLAMA.items() if name != "num_hidden_layers"}
    llama = pondera.Architecture.from_config(config)
    assert llama.fields["num_hidden_layers"] == "structural"
    answer = pondera.explain("num_hidden_layers", llama)
    assert answer["value"] == 32
    assert answer["cost"]["note"] == "was not in the config; 32 was assumed"


def test_no_number_of_tokens_is_too_large_to_answer():
    mistral = {
        **LLAMA,
        "model_type": "mistral",
        "architectures": ["MistralForCausalLM"],
        "sliding_window": 16,
    }
    windowed = pondera.Architecture.from_config(mistral)
    assert windowed.bytes_per_token(2**64 - 2) == 0
    with pytest.raises(pondera.PonderaError, match="64 bits"):
        windowed.bytes_per_token(2**64 - 1)


def test_a_class_without_a_head_multiplies_with_none():
    bare = pondera.Architecture.from_config({**LLAMA, "architectures": ["LlamaModel"]})
    assert bare.flops_per_token() == 2 * bare.non_embedding_parameters


def test_what_ifs_and_models_can_be_pickled():
    for one in (
        pondera.Architecture.from_config(LLAMA).what_if(num_hidden_layers=2),
        pondera.Model.open("llama-3.1-8b"),
    ):
        again = pickle.loads(pickle.dumps(one))
        assert again == one
        assert hash(again) == hash(one)
        assert again.architecture == one.architecture


def test_what_a_decoder_keeps_of_an_encoder_is_no_state():
    whisper = pondera.Architecture.from_config("whisper-tiny")
    # 4 layers of 6 heads of 64, keys and values, 1500 positions, 2 bytes.
    assert whisper.cache_bytes(0) == 4 * 2 * 6 * 64 * 1500 * 2
    assert whisper.state_bytes() == 0
    assert whisper.to_dict()["cache"]["cross_bytes_per_sequence"] == 4 * 2 * 6 * 64 * 1500 * 2


def test_layers_that_predict_further_tokens_are_not_active():
    deepseek = pondera.Architecture.from_config("deepseek-v3")
    assert deepseek.roles["mtp"].parameters == 13_463_426_304
    assert deepseek.roles["mtp"].active_parameters == 0
    # The card says 37 billion.
    assert 37e9 <= deepseek.active_parameters < 38e9


def test_operations_beyond_64_bits_are_an_error(llama):
    # Two per parameter but those of the embedding.
    assert llama.flops_per_token() == 2 * llama.non_embedding_parameters
    with pytest.raises(pondera.PonderaError, match="64 bits"):
        llama.flops_per_token(2**63)
