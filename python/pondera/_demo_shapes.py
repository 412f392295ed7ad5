"""Tensors of a few published models from their configurations: (name, dtype, shape) in stored order.

Only for the demonstration and the tests: it knows six layouts and nothing in general. Names, dtypes and order
are those of the files on the Hub, so that most shards come out at their published lengths to the byte.
"""

from collections.abc import Iterator
from typing import Any

Tensor = tuple[str, str, tuple[int, ...]]
Config = dict[str, Any]


def llama(config: Config) -> Iterator[Tensor]:
    """LlamaForCausalLM in BF16, in the order of transformers' modules."""
    hidden = config["hidden_size"]
    yield "model.embed_tokens.weight", "BF16", (config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        for name, (rows, columns) in _linears(config).items():
            yield f"model.layers.{layer}.{name}.weight", "BF16", (rows, columns)
        yield f"model.layers.{layer}.input_layernorm.weight", "BF16", (hidden,)
        yield f"model.layers.{layer}.post_attention_layernorm.weight", "BF16", (hidden,)
    yield "model.norm.weight", "BF16", (hidden,)
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", "BF16", (config["vocab_size"], hidden)


def llama_lora(config: Config) -> Iterator[Tensor]:
    """A LoRA adapter of all linears of a Llama, as PEFT saves it: F32, `A` [rank, in], `B` [out, rank]."""
    rank = config["r"]
    for layer in range(config["base"]["num_hidden_layers"]):
        for name, (rows, columns) in _linears(config["base"]).items():
            prefix = f"base_model.model.model.layers.{layer}.{name}"
            yield f"{prefix}.lora_A.weight", "F32", (rank, columns)
            yield f"{prefix}.lora_B.weight", "F32", (rows, rank)


def qwen3_moe(config: Config) -> Iterator[Tensor]:
    """Qwen3MoeForCausalLM in BF16: every expert of every layer under its own name."""
    hidden, head, width = config["hidden_size"], config["head_dim"], config["moe_intermediate_size"]
    yield "model.embed_tokens.weight", "BF16", (config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        for name, (rows, columns) in _linears(config).items():
            if name.startswith("self_attn"):
                yield f"{prefix}.{name}.weight", "BF16", (rows, columns)
        yield f"{prefix}.self_attn.q_norm.weight", "BF16", (head,)
        yield f"{prefix}.self_attn.k_norm.weight", "BF16", (head,)
        yield f"{prefix}.mlp.gate.weight", "BF16", (config["num_experts"], hidden)
        for expert in range(config["num_experts"]):
            yield f"{prefix}.mlp.experts.{expert}.gate_proj.weight", "BF16", (width, hidden)
            yield f"{prefix}.mlp.experts.{expert}.up_proj.weight", "BF16", (width, hidden)
            yield f"{prefix}.mlp.experts.{expert}.down_proj.weight", "BF16", (hidden, width)
        yield f"{prefix}.input_layernorm.weight", "BF16", (hidden,)
        yield f"{prefix}.post_attention_layernorm.weight", "BF16", (hidden,)
    yield "model.norm.weight", "BF16", (hidden,)
    yield "lm_head.weight", "BF16", (config["vocab_size"], hidden)


def gpt_oss(config: Config) -> Iterator[Tensor]:
    """GptOssForCausalLM as published: experts in MXFP4, 16 bytes and one scale for 32 weights."""
    hidden, experts = config["hidden_size"], config["num_local_experts"]
    # OpenAI's files are in the order of the layers' names as text: 0, 1, 10, 11, ...
    for layer in sorted(range(config["num_hidden_layers"]), key=str):
        prefix = f"model.layers.{layer}"
        linears = {name.removeprefix("self_attn."): shape for name, shape in _linears(config).items()}
        yield f"{prefix}.input_layernorm.weight", "BF16", (hidden,)
        yield f"{prefix}.self_attn.o_proj.bias", "BF16", (hidden,)
        yield f"{prefix}.self_attn.o_proj.weight", "BF16", linears["o_proj"]
        for name in ("q_proj", "k_proj", "v_proj"):
            yield f"{prefix}.self_attn.{name}.bias", "BF16", linears[name][:1]
        for name in ("q_proj", "k_proj", "v_proj"):
            yield f"{prefix}.self_attn.{name}.weight", "BF16", linears[name]
        yield f"{prefix}.self_attn.sinks", "BF16", (config["num_attention_heads"],)
        yield f"{prefix}.mlp.router.bias", "BF16", (experts,)
        yield f"{prefix}.mlp.router.weight", "BF16", (experts, hidden)
        for name, rows, columns in (
            ("gate_up_proj", 2 * config["intermediate_size"], hidden),
            ("down_proj", hidden, config["intermediate_size"]),
        ):
            yield f"{prefix}.mlp.experts.{name}_bias", "BF16", (experts, rows)
            yield f"{prefix}.mlp.experts.{name}_blocks", "U8", (experts, rows, columns // 32, 16)
            yield f"{prefix}.mlp.experts.{name}_scales", "U8", (experts, rows, columns // 32)
        yield f"{prefix}.post_attention_layernorm.weight", "BF16", (hidden,)
    yield "model.embed_tokens.weight", "BF16", (config["vocab_size"], hidden)
    yield "model.norm.weight", "BF16", (hidden,)
    yield "lm_head.weight", "BF16", (config["vocab_size"], hidden)


def qwen2_awq(config: Config) -> Iterator[Tensor]:
    """Qwen2ForCausalLM as AutoAWQ packs it: eight 4-bit outputs to an I32, scales and zeros per group."""
    hidden, group = config["hidden_size"], config["quantization_config"]["group_size"]
    yield "model.embed_tokens.weight", "F16", (config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        for name, (rows, columns) in _linears(config).items():
            if name.endswith(("q_proj", "k_proj", "v_proj")):
                yield f"{prefix}.{name}.bias", "F16", (rows,)
            yield f"{prefix}.{name}.qweight", "I32", (columns, rows // 8)
            yield f"{prefix}.{name}.qzeros", "I32", (columns // group, rows // 8)
            yield f"{prefix}.{name}.scales", "F16", (columns // group, rows)
        yield f"{prefix}.input_layernorm.weight", "F16", (hidden,)
        yield f"{prefix}.post_attention_layernorm.weight", "F16", (hidden,)
    yield "model.norm.weight", "F16", (hidden,)
    yield "lm_head.weight", "F16", (config["vocab_size"], hidden)


def bert(config: Config) -> Iterator[Tensor]:
    """BertModel in F32 with its buffer of position numbers, as transformers 4.30 and older saved it."""
    hidden, wide = config["hidden_size"], config["intermediate_size"]

    def dense(name: str, rows: int, columns: int) -> Iterator[Tensor]:
        yield f"{name}.weight", "F32", (rows, columns)
        yield f"{name}.bias", "F32", (rows,)

    def norm(name: str) -> Iterator[Tensor]:
        yield f"{name}.LayerNorm.weight", "F32", (hidden,)
        yield f"{name}.LayerNorm.bias", "F32", (hidden,)

    yield "embeddings.position_ids", "I64", (1, config["max_position_embeddings"])
    yield "embeddings.word_embeddings.weight", "F32", (config["vocab_size"], hidden)
    yield "embeddings.position_embeddings.weight", "F32", (config["max_position_embeddings"], hidden)
    yield "embeddings.token_type_embeddings.weight", "F32", (config["type_vocab_size"], hidden)
    yield from norm("embeddings")
    for layer in range(config["num_hidden_layers"]):
        prefix = f"encoder.layer.{layer}"
        for name in ("query", "key", "value"):
            yield from dense(f"{prefix}.attention.self.{name}", hidden, hidden)
        yield from dense(f"{prefix}.attention.output.dense", hidden, hidden)
        yield from norm(f"{prefix}.attention.output")
        yield from dense(f"{prefix}.intermediate.dense", wide, hidden)
        yield from dense(f"{prefix}.output.dense", hidden, wide)
        yield from norm(f"{prefix}.output")
    yield from dense("pooler.dense", hidden, hidden)


def _linears(config: Config) -> dict[str, tuple[int, int]]:
    """The linears of one decoder layer of the Llama family with their shapes, [out, in]."""
    hidden, wide, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    head = config.get("head_dim") or hidden // heads
    kept = config["num_key_value_heads"] * head
    return {
        "self_attn.q_proj": (heads * head, hidden),
        "self_attn.k_proj": (kept, hidden),
        "self_attn.v_proj": (kept, hidden),
        "self_attn.o_proj": (hidden, heads * head),
        "mlp.gate_proj": (wide, hidden),
        "mlp.up_proj": (wide, hidden),
        "mlp.down_proj": (hidden, wide),
    }
