//! CLAP, which sets sounds and texts side by side: a Swin transformer over spectrograms and a RoBERTa.
//!
//! Source: transformers `models/clap`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::Shape;
use crate::architecture::layer::Stack;
use crate::architecture::multimodal::known_class;
use crate::architecture::place::class;
use crate::architecture::vision::sides;
use crate::architecture::vision::swin::{Distances, Stages, depths};
use crate::checkpoint::Role;

/// CLAP and its two towers alone.
pub const FAMILY: Family = Family {
    name: "clap",
    model_types: &["clap", "clap_audio_model", "clap_text_model"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let projected = class(fields)?.is_some_and(|class| class.ends_with("WithProjection"));
    let prefix = |name: &'static str| if projected { name } else { "" };
    match fields.opt_text("model_type")? {
        Some("clap_audio_model") => {
            known_class(fields, &["ClapAudioModel", "ClapAudioModelWithProjection"])?;
            let hidden = b.scope(prefix("audio_model."), |b| audio(b, fields))?;
            if projected {
                let shared = fields.size_or("projection_dim", 512)?;
                project(b, "audio_projection.", hidden, shared);
            }
        }
        Some("clap_text_model") => {
            known_class(fields, &["ClapTextModel", "ClapTextModelWithProjection"])?;
            let hidden = b.scope(prefix("text_model."), |b| text(b, fields))?;
            if projected {
                let shared = fields.size_or("projection_dim", 512)?;
                project(b, "text_projection.", hidden, shared);
            }
        }
        Some(_) | None => {
            known_class(fields, &["ClapModel"])?;
            let shared = fields.size_or("projection_dim", 512)?;
            let part = fields.object("text_config")?;
            let hidden = b.scope("text_model.", |b| text(b, &part))?;
            project(b, "text_projection.", hidden, shared);
            let part = fields.object("audio_config")?;
            let hidden = b.scope("audio_model.", |b| audio(b, &part))?;
            project(b, "audio_projection.", hidden, shared);
            b.tensor("logit_scale_a", Role::Head, &[]);
            b.tensor("logit_scale_t", Role::Head, &[]);
        }
    }
    Ok(())
}

fn project(b: &mut Builder, prefix: &str, hidden: u64, shared: u64) {
    b.scope(prefix, |b| {
        b.linear("linear1", Role::Projector, shared, hidden, true);
        b.linear("linear2", Role::Projector, shared, shared, true);
    });
}

fn text(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 768)?;
    let heads = fields.size_or("num_attention_heads", 12)?;
    let shape = Shape {
        hidden,
        heads,
        head_dim: fields.divide("hidden_size", hidden, "num_attention_heads", heads)?,
        width: fields.size_or("intermediate_size", 3072)?,
        layers: fields.repeats_or("num_hidden_layers", 12)?,
        vocabulary: fields.size_or("vocab_size", 50265)?,
        decodes: false,
        cross: false,
    };
    let positions = fields.size_or("max_position_embeddings", 514)?;
    let types = fields.size_or("type_vocab_size", 1)?;
    b.scope("embeddings.", |b| {
        let role = Role::Embedding;
        b.embedding("word_embeddings", role, shape.vocabulary, hidden);
        b.embedding("position_embeddings", Role::Position, positions, hidden);
        b.embedding("token_type_embeddings", role, types, hidden);
        b.norm("LayerNorm", hidden, true);
        b.buffer("position_ids", Role::Position, &[1, positions]);
        b.buffer("token_type_ids", role, &[1, positions]);
    });
    let norms = ["output.LayerNorm"; 2];
    shape.stacked(b, "encoder.layer", |b| {
        shape.block(b, norms, |b| {
            shape.projections(b, true);
            Ok(())
        })
    })?;
    b.linear("pooler.dense", Role::Head, hidden, hidden, true);
    Ok(hidden)
}

/// Adds the tower that hears, and returns the width that its config states, which the projection takes.
fn audio(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let stages = Stages {
        first: fields.size_or("patch_embeds_hidden_size", 96)?,
        depths: depths(fields, &[2, 2, 6, 2])?,
        heads: fields
            .opt_counts("num_attention_heads")?
            .unwrap_or_else(|| vec![4, 8, 16, 32]),
        window: fields.size_or("window_size", 8)?,
        ratio: fields.ratio_or("mlp_ratio", 4.0)?,
        bias: fields.flag_or("qkv_bias", true)?,
        distances: Distances::Table { index: true },
    };
    stages.check(fields, "num_attention_heads")?;
    let bins = fields.size_or("num_mel_bins", 64)?;
    b.all_as(Role::Audio, |b| {
        b.scope("audio_encoder.", |b| {
            patches(b, fields, stages.first)?;
            batch_norm(b, "batch_norm", bins);
            let last = stages.add(b, fields, Stack::Audio)?;
            b.norm("norm", last, true);
            Ok(())
        })
    })?;
    fields.size_or("hidden_size", 768)
}

/// Adds what embeds patches, and what fuses a long sound with pieces of it.
fn patches(b: &mut Builder, fields: &Fields<'_>, hidden: u64) -> Result<()> {
    let role = Role::Audio;
    let (high, wide) = sides(fields, "patch_size", 4)?;
    let inputs = fields.size_or("patch_embed_input_channels", 1)?;
    let fused = fields.flag_or("enable_fusion", false)?;
    let normed = fields.flag_or("enable_patch_layer_norm", true)?;
    let mapped = fused && fields.opt_text("fusion_type")? == Some("channel_map");
    let between = hidden / fields.size_or("aff_block_r", 4)?;
    b.scope("patch_embed.", |b| {
        let channels = if mapped { 4 * inputs } else { inputs };
        let shape = [hidden, channels, high, wide];
        b.weight_and_bias("proj", role, &shape, hidden, true);
        if normed {
            b.norm("norm", hidden, true);
        }
        if fused {
            let shape = [hidden, inputs, high, 3 * wide];
            b.weight_and_bias("mel_conv2d", role, &shape, hidden, true);
            // The second begins with a pooling.
            for (name, numbers) in [
                ("fusion_model.local_att.", ["0", "1", "3", "4"]),
                ("fusion_model.global_att.", ["1", "2", "4", "5"]),
            ] {
                let [down, down_norm, up, up_norm] = numbers;
                b.scope(name, |b| {
                    b.weight_and_bias(down, role, &[between, hidden, 1, 1], between, true);
                    batch_norm(b, down_norm, between);
                    b.weight_and_bias(up, role, &[hidden, between, 1, 1], hidden, true);
                    batch_norm(b, up_norm, hidden);
                });
            }
        }
    });
    Ok(())
}

fn batch_norm(b: &mut Builder, name: &str, size: u64) {
    b.norm(name, size, true);
    b.scope(name, |b| {
        b.buffer(".running_mean", Role::Norm, &[size]);
        b.buffer(".running_var", Role::Norm, &[size]);
        b.buffer(".num_batches_tracked", Role::Norm, &[]);
    });
}
