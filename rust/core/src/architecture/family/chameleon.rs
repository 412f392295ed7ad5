//! Chameleon and Emu3, which see and draw in tokens of a codebook, beside the words of one vocabulary; and Janus, which
//! draws so and sees through a tower.
//!
//! Source: transformers `models/chameleon`, `models/emu3` and `models/janus`.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{Defaults, Dense};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::multimodal::{Language, Tied, known_class, width};
use crate::architecture::place::{Place, Top};
use crate::architecture::template::Numbers;
use crate::architecture::vision::Patches;
use crate::architecture::vision::vqgan::{CHAMELEON, EMU3, JANUS, vqgan};
use crate::checkpoint::Role;

/// Chameleon, Emu3 and Janus.
pub const FAMILY: Family = Family {
    name: "chameleon",
    model_types: &["chameleon", "emu3", "emu3_text_model", "janus"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    match fields.opt_text("model_type")? {
        Some("janus") => janus(b, fields),
        Some("emu3") => {
            known_class(fields, &["Emu3ForConditionalGeneration"])?;
            let codes = fields.object("vq_config")?;
            let language = Language {
                model: "text_model.model.",
                head: "text_model.",
                ..Language::whole("emu3_text_model", Tied::OuterOrInner)
            };
            language.add(b, fields)?;
            b.scope("vqmodel.", |b| vqgan(b, &codes, &EMU3))?;
            Ok(())
        }
        Some("emu3_text_model") => {
            known_class(fields, &["Emu3ForCausalLM"])?;
            text(b, fields, &Place::whole(fields, "model.")?)
        }
        _ => {
            known_class(
                fields,
                &["ChameleonForConditionalGeneration", "ChameleonForCausalLM"],
            )?;
            let codes = fields.object("vq_config")?;
            let place = Place {
                model: "model.",
                head: "",
                top: Top::LanguageModel,
                tied: None,
            };
            text(b, fields, &place)?;
            b.scope("model.vqmodel.", |b| vqgan(b, &codes, &CHAMELEON))?;
            Ok(())
        }
    }
}

/// Adds the text model of Chameleon, with norms of queries and keys for each head, or that of Emu3.
fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let chameleon = fields.opt_text("model_type")? == Some("chameleon");
    let defaults = if chameleon {
        Defaults::new(65_536, 4096, 11_008, 32, 32).kv(32)
    } else {
        Defaults::new(184_622, 4096, 14_336, 32, 32).kv(8)
    };
    let mut model = Dense::read(fields, &defaults)?;
    let bias = fields.flag_or("attention_bias", false)?;
    (model.attention.bias, model.attention.output_bias) = (bias, bias);
    model.network_bias = fields.flag_or("mlp_bias", false)?;
    let (heads, kv_heads, head_dim) = (
        model.attention.heads,
        model.attention.kv_heads,
        model.attention.head_dim,
    );
    if chameleon {
        if heads * head_dim != model.frame.hidden {
            return Err(fields.error("head_dim", "is not known to differ for this model"));
        }
        model.attention.norm = HeadNorm::EachHead;
    }
    model.add_with(b, fields, place, model.full(), |b| {
        if chameleon {
            let role = Role::Norm;
            b.tensor("self_attn.q_norm.bias", role, &[heads, head_dim]);
            b.tensor("self_attn.k_norm.bias", role, &[kv_heads, head_dim]);
        }
    })
}

fn janus(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["JanusForConditionalGeneration"])?;
    let vision = fields.object("vision_config")?;
    let codes = fields.object("vq_config")?;
    let language = Language {
        tied: Tied::OuterOrInner,
        ..Language::new("llama", "model.language_model.", true)
    };
    let inner = language.add(b, fields)?;
    let hidden = width(&inner, "llama")?;
    b.scope("model.", |b| {
        let seen = b.scope("vision_model.", |b| tower(b, &vision))?;
        let outputs = vision.size_or("projection_dim", 2048)?;
        let depth = vision.repeats_or("depth", 2)?;
        b.scope("aligner.", |b| aligner(b, seen, outputs, depth));
        let (entries, code) = b.scope("vqmodel.", |b| vqgan(b, &codes, &JANUS))?;
        let outputs = codes.size_or("projection_dim", 2048)?;
        let depth = codes.repeats_or("num_hidden_layers", 2)?;
        b.embedding("generation_embeddings", Role::Embedding, entries, code);
        b.scope("generation_aligner.", |b| aligner(b, code, outputs, depth));
        let inputs = codes.size_or("image_token_embed_dim", 2048)?;
        b.scope("generation_head.", |b| {
            b.linear("proj_out", Role::Head, outputs, inputs, true);
            b.linear("vision_head", Role::Head, entries, outputs, true);
        });
        if inputs != hidden {
            fields.assume(
                "vq_config.image_token_embed_dim",
                inputs,
                "it differs from the width of the text model, which the class does not ask",
            );
        }
        Ok(())
    })
}

/// Adds a network of so many matrices.
fn aligner(b: &mut Builder, inputs: u64, outputs: u64, depth: u64) {
    let role = Role::Projector;
    b.linear("fc1", role, outputs, inputs, true);
    // `COUNT_LIMIT` bounds the depth.
    let rest = u32::try_from(depth.saturating_sub(1)).unwrap_or(u32::MAX);
    b.each("hidden_layers", Numbers::Below(rest), |b| {
        b.tensor("weight", role, &[outputs, outputs]);
        b.tensor("bias", role, &[outputs]);
    });
}

/// Adds the tower of Janus, which is SigLIP's but for a name, and returns its width.
fn tower(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 1024)?;
    let layers = fields.repeats_or("num_hidden_layers", 24)?;
    let heads = fields.size_or("num_attention_heads", 16)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let width = fields.scale("mlp_ratio", hidden, fields.ratio_or("mlp_ratio", 4.0)?)?;
    let bias = fields.flag_or("attention_bias", true)?;
    let norm = if fields.flag_or("use_qk_norm", false)? {
        HeadNorm::Whole
    } else {
        HeadNorm::None
    };
    let patches = Patches::read(fields, 384, 16)?;
    b.all_as(Role::Vision, |b| {
        b.scope("embeddings.", |b| {
            patches.convolution(b, "patch_embedding", hidden, true);
            b.embedding("position_embedding", Role::Vision, patches.count, hidden);
        });
        // `COUNT_LIMIT` bounds the layers.
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(Stack::Vision, "encoder.layers", &numbers, |b| {
            b.scope("self_attn.", |b| {
                let names = ["q_proj", "k_proj", "v_proj", "projection_layer"];
                Attention {
                    output_bias: true,
                    norm,
                    norm_bias: true,
                    ..Attention::of_heads(names, hidden, heads, head_dim, bias)
                }
                .add(b);
            });
            b.norm("layer_norm1", hidden, true);
            b.scope("mlp.", |b| {
                plain(b, ["fc1", "fc2"], Role::Mlp, hidden, width, true);
            });
            b.feed_forward(FeedForward::Dense { width });
            b.norm("layer_norm2", hidden, true);
        });
        b.norm("post_layernorm", hidden, true);
    });
    Ok(hidden)
}
