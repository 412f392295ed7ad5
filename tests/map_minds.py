"""Minds to draw that are not built in, for kinds of layers that no built-in model has.

The values are those that transformers 4.57 gives its config classes (`JambaConfig`, `Qwen2AudioConfig`,
`FNetConfig`), and of RWKV-4 those of its smallest published model.
"""

JAMBA = {
    "model_type": "jamba",
    "architectures": ["JambaForCausalLM"],
    "vocab_size": 65536,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 262144,
    "attn_layer_period": 8,
    "attn_layer_offset": 4,
    "expert_layer_period": 2,
    "expert_layer_offset": 1,
    "num_experts": 16,
    "num_experts_per_tok": 2,
    "mamba_d_state": 16,
    "mamba_d_conv": 4,
    "mamba_expand": 2,
    "mamba_dt_rank": 256,
    "mamba_conv_bias": True,
    "mamba_proj_bias": False,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}

RWKV = {
    "model_type": "rwkv",
    "architectures": ["RwkvForCausalLM"],
    "vocab_size": 50277,
    "context_length": 1024,
    "hidden_size": 768,
    "attention_hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
}

QWEN2_AUDIO = {
    "model_type": "qwen2_audio",
    "architectures": ["Qwen2AudioForConditionalGeneration"],
    "audio_config": {
        "model_type": "qwen2_audio_encoder",
        "num_mel_bins": 128,
        "encoder_layers": 32,
        "encoder_attention_heads": 20,
        "encoder_ffn_dim": 5120,
        "d_model": 1280,
        "max_source_positions": 1500,
    },
    "text_config": {
        "model_type": "qwen2",
        "vocab_size": 156032,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "max_position_embeddings": 8192,
        "rope_theta": 10000,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    },
}

FNET = {
    "model_type": "fnet",
    "architectures": ["FNetForMaskedLM"],
    "vocab_size": 32000,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 4,
    "torch_dtype": "float32",
}

MINDS = {"jamba": JAMBA, "rwkv": RWKV, "qwen2-audio": QWEN2_AUDIO, "fnet": FNET}
"""Them all by name."""
