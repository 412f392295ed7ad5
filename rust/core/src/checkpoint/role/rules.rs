//! The tables behind [`super::classify`] and [`super::assign`]. How a glob matches is said in the
//! parent module; everything here is in lower case.
//!
//! Names of GGUF files are among the globs: `blk` for a layer, `ffn_gate_inp`, `*_exps`, and the
//! roots `v`, `a` and `mm` of multimodal projector files.
//!
//! To teach a new family, find its unmatched names, and add a glob to the first section whose
//! role is right. The order of the sections carries meaning: towers come before the parts of a
//! language model, because a norm in a vision tower is vision, and within a language model the
//! narrower claim comes first.

use super::Role;

/// A role and the globs that claim it, parted by white space.
pub(super) struct Rule {
    pub(super) role: Role,
    pub(super) globs: &'static str,
}

/// One line per rule: the role, then its globs.
macro_rules! rules {
    ($($role:ident: $globs:literal;)*) => {
        &[$(Rule { role: Role::$role, globs: $globs }),*]
    };
}

/// The ordered rule table: the first rule with a matching glob wins.
pub(super) const RULES: &[Rule] = rules! {
    // ======== Names that would fall to a wider rule below ========
    // RWKV 7 calls the low-rank parts of its mixer `w_lora.lora.0` and so on.
    State: "attn.*_lora.lora";
    // Heads with a projector in them or in their name.
    Head: "vocab_projector multi_vector_projector gen_head generation_head";
    // CogVLM doubles the matrices of its language layers for image tokens: they are no tower.
    Attention: "vision_expert_* language_expert_*";
    Mlp: "mlp.vision_mlp mlp.language_mlp";
    // DBRX keeps attention in a module named after its two norms; Transformer Engine fuses a norm
    // with the linear behind it.
    Attention: "norm_attn_norm.attn layernorm_qkv.weight layernorm_qkv.bias";
    Mlp: "layernorm_mlp.fc*";
    // HunyuanOCR's tower marks the ends of rows itself.
    Vision: "perceive.image_newline";
    // Diffusion transformers keep embedders inside their adaptive norms.
    Embedding: "norm*.emb emb.*_embedder adaln_single.emb adaln_single.*_embedder";
    // The second copy of the weights in original Stable Diffusion files: see the parent module.
    Other: "^model_ema";

    // ======== Adapters ========
    // LoRA, DoRA, AdaLoRA and what kohya, LyCORIS and diffusers make of their names.
    Adapter: "lora_* lora *_lora.down *_lora.up lycoris_* hada_* lokr_* loha_* dora_scale diff$";
    Adapter: "diff_b$ ranknum glora_* gralora_* delora_* randlora_* tinylora_* unilora_* vblora_*";
    Adapter: "poly_lora_* xlora_* supertuning_*";
    // Rotations, vectors and sparse changes.
    Adapter: "oft_* boft_* ia3_* vera_* pvera_* hira_* hra_* frod_* beft_* deft_* adamss_* c3a_*";
    Adapter: "psoft_* peanut_* road_* shira_* fourierft_* waveft_* osf_svd_params miss_block";
    Adapter: "bone_block lily_* ln_tuning_layers";
    // Learned prompts and tokens.
    Adapter: "^prompt_embeddings adaption_prompt adaption_gate token_adapter trainable_tokens_*";
    Adapter: "prefix_encoder";
    // Bottleneck adapters of X-MOD, MMS and the adapters library; IP-Adapter and T2I-Adapter.
    Adapter: "adapters adapter_modules adapter_layer ip_adapter to_k_ip to_v_ip ^adapter.body";

    // ======== Multi-token prediction and draft models ========
    Mtp: "mtp* nextn* #.eh_proj #.enorm #.hnorm #.shared_head transformer.shared_head";
    Mtp: "layers.#.embed_tokens medusa_head* ^#.#.linear eagle_module speculator ^midlayer ^d2t";
    Mtp: "^t2d";

    // ======== Between the modalities ========
    Projector: "*projector* connector connectors *_connector resampler *_resampler *qformer*";
    Projector: "query_tokens aligner *_aligner merger *merger_list patch_merger patch_merge_mlp mlp1.#";
    Projector: "vision_adapter vision_language_adapter *abstractor *_adaptor visual_projection";
    Projector: "visn_fc vision_sampler* vision_query llama_proj t5_proj opt_proj vae2llm llm2vae";
    Projector: "text_projection image_projection audio_projection* *language_projection*";
    Projector: "img_projection* image_proj* *_to_text_projection *_to_mm_projection";
    Projector: "modality_projection vision_projection* ^vision_proj *enc_to_dec_proj redux_up";
    Projector: "redux_down visual.proj$ visual.attn_pool vision.linear_proj vision.proj_mlp";
    Projector: "vision_encoder.projection visual_tokenizer.head image_pooling_2d *_proj_for_*";
    Projector: "*_img_feature_extensor vte embed_vision embed_audio image_newline view_seperator";
    Projector: "view_separator glb_gn sub_gn image_pos_embed visual_temporal_embed";
    Projector: "cross_modal_*_transform text_model.head text_model.transformation ^projection.attn";
    Projector: "^projection.kv_proj ^projection.ln_* ^projection.query ^projection.proj";
    Projector: "thinker_to_talker_proj hidden_projection encoder_decoder_proj mlp_ar ^mm.*";
    Projector: "resampler_model perception.proj perception.modality_adapter";
    // The robot state and actions of pi0.
    Projector: "action_in_proj state_proj action_time_mlp_*";

    // ======== Vision towers and image autoencoders ========
    Vision: "vision_tower* vision_model* vision_encoder* vision_backbone* vision_embed_tokens";
    Vision: "vision_trunk video_encoder video_model visual visual_model visual_tokenizer";
    Vision: "visual_encoder vision vison vit vit_* vpm siglip* sam_model img_processor";
    Vision: "image_encoder image_tower image_model image_vit img_encoder high_res_vision*";
    Vision: "face_encoder motion_encoder gen_vision_model vqmodel first_stage_model ^vae ^v.*";
    Vision: "image_codebook vision_embedder encoder.neck decoder_pred";
    // The vision tower of DeepSeek-OCR 2 is a small Qwen2.
    Vision: "model.qwen2_model";
    // Segment Anything, and transformers' names for vision models without a language part.
    Vision: "mask_decoder prompt_encoder shared_image_embedding ^neck timm_model beit deit dinov2*";
    Vision: "dinov3* swin* convnext* resnet regnet mobilenet* mobilevit* levit poolformer";
    Vision: "segformer pvt* hiera ijepa videomae vivit vjepa* donut dpt data2vec_vision";
    // Image autoencoders, in the names of diffusers and of the original files.
    Vision: "encoder.down_blocks encoder.mid_block encoder.conv_in encoder.conv_norm_out";
    Vision: "encoder.conv_out encoder.norm_out decoder.up_blocks decoder.mid_block decoder.conv_in";
    Vision: "decoder.conv_norm_out decoder.conv_out decoder.norm_out ^encoder.down ^encoder.mid";
    Vision: "^decoder.up ^decoder.mid quant_conv post_quant_conv";

    // ======== Audio towers and codecs ========
    Audio: "audio_tower audio_model audio_encoder audio_embed speech_encoder* speech_model";
    Audio: "whisper* wav2vec2* hubert wavlm unispeech* sew* data2vec_audio";
    Audio: "audio_spectrogram_transformer subsample_conv_projection conformer.# model.audio";
    Audio: "preprocessor.featurizer apm ^a.* token2wav code2wav codec_model dac_encoder vocoder tts";
    Audio: "speech_decoder_*net prenet.layers prenet.final_layer duration_predictor";
    Audio: "acoustic_tokenizer* semantic_tokenizer* conditioning_encoder pretransform ^project_q";
    Audio: "^project_hid ctc_proj quantizer.codevectors quantizer.weight_proj";
    Audio: "speech_scaling_factor speech_bias_factor latent_scaling_factor latent_bias_factor";
    Audio: "perception.encoder perception.preprocessor ctc_timestamp ^speaker_proj";
    Audio: "^label_embeddings_concat ^layer_norm_for_extract";

    // ======== Norms and the residual stream ========
    Norm: "norm* *_norm* layernorm* *_layernorm* *layrnorm groupnorm* *batchnorm* rmsnorm*";
    Norm: "*_rmsnorm *prenorm *postnorm ln* *_ln *modulation* *_mod *adaln* *scale_shift* gamma$";
    Norm: "*time_embed.linear *layer_scal* ls1 ls2 film filmlayer clip_mean clip_std t_block modf";
    Norm: "modx modc mod_x mod_y latent_mean latent_std input_hidden_states_*";
    // Hyper-connections, AltUp and learned residual factors mix streams; they transform nothing.
    Norm: "*hyper_connection* hc_* *_hc *_input.query #.lambdas *_residual *_residual_gate";
    Norm: "*_residual_scale altup *resid_lambda* x0_lambda*";

    // ======== Mixture of experts ========
    Router: "*router* mlp.gate moe.gate *_moe.gate ffn.gate feed_forward.gate mixer.gate";
    Router: "moe_block.gate *_mlp.gate ff_i.gate layers.#.gate e_score_correction_bias expert_bias";
    Router: "moe_statics shared_expert*_gate tid2eid ffn_gate_inp* exp_probs_b";
    SharedExpert: "*shared_expert* share_expert* shared_mlp mlp.shared ffn.shared moe.shared";
    SharedExpert: "*_shexp";
    // Kimi Linear keeps the name of the sparse block for its dense first layer.
    Mlp: "block_sparse_moe.gate_proj block_sparse_moe.up_proj block_sparse_moe.down_proj";
    // JetMoE hangs its expert matrices on `mlp`, Doge stores experts as two embeddings, and a
    // latent mixture projects into the width of its experts and back.
    Expert: "*experts expert block_sparse_moe moe *_exps mlp.input_linear mlp.output_linear";
    Expert: "#.mlp.bias down_embed up_embed fc1_latent_proj fc2_latent_proj";

    // ======== Positions ========
    Embedding: "pos_embed.proj patch_embed.proj";
    Position: "*relative_attention_bias *rel_embeddings rel_pos* *rotary* *rope *inv_freq";
    Position: "*position_ids wpe relative_pe pos_emb pos$ *position*embed* *pos_embed*";
    Position: "*position_enc* pos_encoder *pos_freq* embed_positions distance_embedding rope_freqs";

    // ======== Recurrent mixers ========
    State: "mamba mamba_decoder linear_attn linear_attention a_log dt_bias *_conv1d";
    State: "*_convolution.conv1d *_sconv x_proj ssm_* mlstm_layer slstm_layer mega_layer dec_rnn";
    State: "blocks.#.filter blocks.#.projections out_filter_dense ple.conv1d";
    // KDA of Kimi Linear.
    State: "self_attn.forget_gate self_attn.f_a_proj self_attn.f_b_proj self_attn.g_a_proj";
    State: "self_attn.g_b_proj self_attn.b_proj self_attn.conv1d";
    // The same in Ling 3.
    State: "attention.f_proj attention.b_proj";
    // RWKV in its own names and in those of transformers.
    State: "blocks.#.att rwkv.blocks.#.attention blk.#.time_mix*";
    // The decay tables of lightning attention.
    State: "slope_rate query_decay key_decay diagonal_decay";
    // LFM2's short convolution, and RecurrentGemma, whose temporal block is of either kind.
    State: "layers.#.conv layers.#.shortconv";
    Attention: "temporal_block.q_proj temporal_block.k_proj temporal_block.v_proj";
    Attention: "temporal_block.o_proj";
    State: "temporal_block";
    // Nemotron-H calls every mixer `mixer`: attention, feed-forward and experts too.
    Attention: "mixer.q_proj mixer.k_proj mixer.v_proj mixer.o_proj mixer.qkv_proj mixer.wqkv";
    Mlp: "mixer.up_proj mixer.down_proj mixer.gate_proj";
    State: "mixer";

    // ======== Attention ========
    Mlp: "*_blocks.#.ff *_blocks.#.ff_* *_blocks.#.*_ff *attn*.#.mlp *attention.mlp";
    Mlp: "cross_attn_mlp_gate alpha_dense";
    Attention: "*attn* *attention att_proj query_key_value w_pack indexer *_att attentions.#.*_lin";
    Attention: "inner_mha_cls *attentions.#.proj_in *attentions.#.proj_out *attentions.#.to_*";
    Attention: "*attentions.#.query *attentions.#.key *attentions.#.value motion_modules.#.proj_*";
    Attention: "transformer_in.proj_* *attentions.#.time_mixer *_blocks.#.#.proj_in";
    Attention: "*_blocks.#.#.proj_out";
    // The layers of NeMo's decoders have numbered parts.
    Attention: "*_sub_layer.query_net *_sub_layer.key_net *_sub_layer.value_net";
    Attention: "*_sub_layer.out_projection";
    // The cross-attention that Evolla adds for protein structure.
    Attention: "layers.#.adapter";

    // ======== Embedders that hold a feed-forward or a pooler ========
    Embedding: "*embedder.mlp *embedder.linear_* *embedder.in_layer *embedder.out_layer *_in.mlp";
    Embedding: "*_embed.mlp *_embed.time_mlp time_embed.pooler controlnet_cond_embedding";
    Embedding: "time_extra_emb.pooler *embedder.y_proj patch_embeddings.up_proj";
    Embedding: "patch_embeddings.down_proj";

    // ======== Heads ========
    Head: "*lm_head* *_head *_heads score *classifier* *pooler cls predictions *_predictions";
    Head: "final_logits_bias *logit_scale* *logit_bias temperature class_embed bbox_embed ^head";
    Head: "^output embed_out *unembed* qa_outputs *_logits logits_* output_layer output_projection";
    Head: "lm_loss pred_layer crit sequence_summary vocab_transform splinter_qass last_project";
    Head: "^dense mimo_output *output_weights *output_bias custom_text_proj embedding_proj_layer";
    Head: "action_out_proj ^decoder.weight ^decoder.bias ^linear ^out_proj ^proj_out* *final_layer";
    Head: "final_linear ^*_proj_out *conv_out project_from_hidden mlm_layer postprocess_conv";
    Head: "^out_layer ^spec_out clf diffusion_model.out ^out.# transformer.ff_out";
    Head: "decoder.project_out joint log_softmax answer_class ^decoder.#.weight$";
    Head: "^decoder.#.bias$ ^tdnn ^objective ^feature_extractor.weight$";
    Head: "^feature_extractor.bias$ ^layer_weights regression_layer ^gating";

    // ======== Dense feed-forward ========
    Mlp: "*mlp* *ffn* feed_forward* feedforward ff ff_i ff_t ff_proj ff_out densereludense";
    Mlp: "*intermediate*.dense *_inter.dense *output*.dense fc1 fc2 linear1 linear2 gate_proj";
    Mlp: "up_proj down_proj laurel self_conditioning encoder.conv layers.#.linear bottleneck";
    Mlp: "pos_ff chars_to_molecules projection.conv output_activation pre_*_act output.conv1d";
    Mlp: "intermediate.conv1d blk.#.channel_mix* *_sub_layer.dense_*";
    // Convolutional feed-forward of U-Nets and control networks.
    Mlp: "*resnets* *_res_block res_blocks *conv_in *downsamplers *upsamplers temp_convs";
    Mlp: "controlnet_*_block* controlnet_blocks zero_convs *_to_base* *_to_ctrl control_blocks";
    Mlp: "input_block vace_blocks channelwise* depthwise mapper* *_downscalers *_upscalers";
    Mlp: "input_blocks middle_block output_blocks single_transformer_blocks.#.proj_*";
    Mlp: "single_blocks.#";

    // ======== Embeddings ========
    Embedding: "*embed* *embd* wte *_emb emb shared per_layer_* decoder.project_in *_token spout";
    Embedding: "z_l_init t5_yproj *_tokens *caption_projection* altup_projections img_in txt_in";
    Embedding: "time_in vector_in guidance_in time_proj* time_step_proj timestep_proj";
    Embedding: "time_mod_proj ^proj_in* ^*_proj_in ^input_proj ^w transformer.w *cond_proj";
    Embedding: "global_proj cross_attention_proj encoder_hid*_proj encoder_proj ^text_proj";
    Embedding: "text_conv_layer distilled_guidance_layer patch_long patch_mid patch_short";
    Embedding: "image_latents_proj_in continuous_inputs_projection preprocess_conv";
    Embedding: "project_to_hidden clip_*_mapper silence_latent ple";

    // ======== What is left of the above in less telling names ========
    Attention: "q_proj k_proj v_proj o_proj to_q to_k to_v to_out kv_mapper";
    Head: "output.weight$ output.bias$";
};

/// A role for everything under a prefix, when the right names are found behind that prefix.
pub(super) struct Context {
    pub(super) role: Role,
    /// Globs that must each match a name behind the same prefix.
    pub(super) when: &'static str,
    /// Globs none of which may match a name behind that prefix.
    pub(super) unless: &'static str,
    /// What is claimed behind the prefix; nothing given means everything.
    pub(super) claims: &'static str,
}

/// One line per context: the role, what must be found, what must not, and what is claimed.
macro_rules! contexts {
    ($($role:ident: when $when:literal
        $(unless $unless:literal)? $(claims $claims:literal)?;)*) => {
        &[$(Context {
            role: Role::$role,
            when: $when,
            unless: concat!($($unless)?),
            claims: concat!($($claims)?),
        }),*]
    };
}

/// The decisions that need sibling names. Where two claim the same scope, the first wins.
pub(super) const CONTEXTS: &[Context] = contexts! {
    // A draft model of the EAGLE family: one fused layer behind a linear that joins two states.
    Mtp: when "fc midlayer";
    Mtp: when "fc d2t";
    // A model of its own has a final norm, and what it calls `fc` is a head.
    Mtp: when "^fc ^layers.#.self_attn" unless "^norm";
    Mtp: when "^fc ^layers.#.self_attn ^hidden_norm";
    // Whisper, Moonshine and the towers made of them: convolutions, then attention layers.
    Audio: when "conv1 conv2 layers.#.self_attn";
    Audio: when "conv1 conv2 blocks.#.attn";
    // Moonshine Streaming, whose first convolutions lie in an embedder, and what joins it to its decoder.
    Audio: when "embedder.conv1 embedder.conv2 layers.#.self_attn";
    Projector: when "encoder.embedder.conv1 decoder.proj" claims "decoder.proj";
    // Speech2Text and M-CTC.
    Audio: when "conv.conv_layers.# layers.#";
    // Conformers: Parakeet, the NeMo names of the same, Granite Speech.
    Audio: when "subsampling layers.#.conv";
    Audio: when "pre_encode layers.#.conv";
    Audio: when "subsampler layers.#.conv";
    Audio: when "input_linear layers.#.conv";
    // wav2vec 2.0 and its kin.
    Audio: when "feature_extractor.conv_layers.#";
    Audio: when "feature_projection encoder.layers.#";
    Audio: when "encoder.prenet.feature_encoder" claims "encoder";
    // Codecs: EnCodec, DAC, Mimi and the like.
    Audio: when "quantizer.layers.#.codebook";
    Audio: when "quantizer.quantizers";
    Audio: when "quantizer.semantic_residual_vector_quantizer";
    Audio: when "encoder.block.#.snake1";
    Audio: when "decoder.block.#.snake1";
    Audio: when "decoder.layers.#.alpha decoder.layers.#.layers.#.alpha";
    // Speech synthesis: VITS, FastSpeech 2, HiFi-GAN.
    Audio: when "posterior_encoder flow";
    Audio: when "duration_predictor pitch_predictor";
    Audio: when "conv_pre conv_post resblocks.#";
    // A whole vision transformer, in the names of transformers and of timm.
    Vision: when "embeddings.patch_embeddings"
        unless "embeddings.word_embeddings embeddings.text_embeddings";
    Vision: when "embeddings.patch_embedding"
        unless "embeddings.word_embeddings embeddings.text_embeddings";
    Vision: when "embeddings.patch_projection";
    Vision: when "patch_embed.proj blocks.#.attn.qkv";
    // Pixtral's, alone.
    Vision: when "patch_conv transformer.layers.#";
    // Convolutional networks.
    Vision: when "^conv1 ^bn1 ^layer1.#";
    Vision: when "^stem.# ^stages.#.blocks";
    Vision: when "encoder.stages.#";
    // The half of a masked autoencoder that paints.
    Vision: when "decoder.decoder_pred decoder.decoder_embed" claims "decoder";
    Vision: when "stages.#.layers.#.pointwise_conv1";
    Vision: when "encoder.patch_embeddings.#";
    Vision: when "backbone.conv_encoder";
    // The video autoencoder of Wan.
    Vision: when "encoder.downsamples decoder.upsamples";
    // Granite 4 calls the network of its layers a shared one even where there are no experts beside it.
    Mlp: when "layers.#.shared_mlp" unless "layers.#.block_sparse_moe layers.#.experts layers.#.moe"
        claims "layers.*.shared_mlp";
    // Flash-attention BERTs (Jina v3) call attention `mixer`, as Mamba does.
    Attention: when "mixer.wqkv" unless "mixer.in_proj" claims "mixer";
    // The lightning attention of MiniMax-01: its softmax layers have `q_proj` and `o_proj`.
    State: when "self_attn.output_gate self_attn.qkv_proj"
        claims "self_attn.output_gate self_attn.qkv_proj self_attn.out_proj";
    // RWKV in the names of transformers, without their prefix.
    State: when "attention.receptance" claims "attention";
    // DeltaNet, gated DeltaNet and gated linear attention of the FLA library. Kimi Linear has
    // full attention under the same name, told by its latent projection.
    State: when "attn.q_conv1d" unless "attn.kv_b_proj" claims "attn";
    State: when "attn.gk_proj" claims "attn";
    State: when "attn.r_proj attn.k_k" claims "attn";
};

/// Roles of whole pipeline components, by the name of their folder; the first match wins.
pub(super) const COMPONENTS: &[(Role, &str)] = &[
    (
        Role::Audio,
        "audio_vae vocoder* audio_tokenizer* speech_tokenizer*",
    ),
    (
        Role::Vision,
        "vae *_vae vae_* vqvae vqgan movq image_encoder* vision_encoder* safety_checker",
    ),
    (
        Role::Vision,
        "depth_estimator latent_upsampler image_normalizer",
    ),
    (Role::Projector, "qformer connectors *projection_model"),
    (Role::Adapter, "adapter t2i_adapter"),
    (Role::Head, "*_dense"),
];

/// Modules directly under a numbered layer that only a multi-token-prediction layer has.
pub(super) const MTP_MARKERS: &[&str] =
    &["eh_proj", "enorm", "hnorm", "shared_head", "embed_tokens"];

/// Names of the containers whose numbered children are layers.
pub(super) const STACKS: &[&str] = &[
    "layers",
    "layer",
    "*_layers",
    "*_layer",
    "*layer_groups",
    "h",
    "block",
    "blocks",
    "*_blocks",
    "*_block",
    "resblocks",
    "blk",
];

/// Tensors that are stored but never learned: positions and rotary tables, causal masks, index
/// tables of windowed attention, the decay of lightning attention, batch-norm statistics, codebook
/// bookkeeping, spectrogram filters, and the noise schedule of original Stable Diffusion files.
///
/// The mask of GPT-2, GPT-Neo, GPT-J and GPT-NeoX is a `bias` of the attention module itself,
/// directly under the numbered layer; that module has no bias of its own.
pub(super) const BUFFERS: &str = "
    position_ids$ token_type_ids$ inv_freq$ original_inv_freq$ rope.freqs$ freqs_cis$ freqs_cos$
    freqs_sin$ cos_cached$ sin_cached$ _float_tensor$ embed_positions.weights$
    pos_encoder.pe$ pos_embed.pe$
    h.#.attn.bias$ h.#.attention.bias$ h.#.attn.attention.bias$ layers.#.attn.bias$
    layers.#.attention.bias$ masked_bias$ causal_mask$ attn_mask$
    relative_position_index$ relative_coords_table$ slope_rate$
    num_batches_tracked$ running_mean$ running_var$
    cluster_size$ cluster_usage$ inited$ initialized$
    featurizer.fb$ featurizer.window$ mel_scale.fb$ spectrogram.window$
    ^betas$ ^alphas_cumprod$ ^alphas_cumprod_prev$ ^sqrt_alphas_cumprod$
    ^sqrt_one_minus_alphas_cumprod$ ^log_one_minus_alphas_cumprod$ ^sqrt_recip_alphas_cumprod$
    ^sqrt_recipm1_alphas_cumprod$ ^posterior_variance$ ^posterior_log_variance_clipped$
    ^posterior_mean_coef1$ ^posterior_mean_coef2$
";
