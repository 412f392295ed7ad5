//! Florence-2: a DaViT, which attends to places and to channels in turn, before a BART that reads its output as words.
//!
//! Source: transformers `models/florence2`. The published files of its own code have other names and name other parts in
//! their config.

use super::{Family, bart};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result, SIZE_LIMIT};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Mixer, Reach, Stack};
use crate::architecture::multimodal::known_class;
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;
use serde_json::Value;
use std::sync::Arc;

/// Florence-2.
pub const FAMILY: Family = Family {
    name: "florence2",
    model_types: &["florence2"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["Florence2ForConditionalGeneration"])?;
    let text = fields.object("text_config")?;
    let vision = fields.object("vision_config")?;
    for (part, known) in [(&text, "bart"), (&vision, "florence_vision")] {
        if let Some(other) = part.opt_text("model_type")?
            && other != known
        {
            return Err(part.error(
                "model_type",
                format!("{other:?} is of the publisher's own code, whose names are not known"),
            ));
        }
    }
    b.scope("model.language_model.", |b| bart::both(b, &text))?;
    let hidden = text.size_or("d_model|hidden_size", 1024)?;
    let vocabulary = text.size_or("vocab_size", 50_265)?;
    b.scope("model.", |b| {
        let seen = b.scope("vision_tower.", |b| tower(b, &vision))?;
        projector(b, &vision, seen)
    })?;
    if !fields.flag_or("tie_word_embeddings", true)? {
        b.linear("lm_head", Role::Head, vocabulary, hidden, false);
    }
    Ok(())
}

fn projector(b: &mut Builder, fields: &Fields<'_>, seen: u64) -> Result<()> {
    let outputs = fields.size_or("projection_dim", 1024)?;
    let positions = fields.size_or("max_position_embeddings", 50)?;
    let frames = fields.size_or("max_temporal_embeddings", 100)?;
    let role = Role::Projector;
    b.scope("multi_modal_projector.", |b| {
        b.all_as(role, |b| {
            b.linear("image_projection", role, outputs, seen, false);
            b.norm("image_proj_norm", outputs, true);
            b.scope("image_position_embed.", |b| {
                b.embedding("row_embeddings", role, positions, seen / 2);
                b.embedding("column_embeddings", role, positions, seen - seen / 2);
            });
            b.buffer(
                "visual_temporal_embed.pos_idx_to_embed",
                role,
                &[frames, seen],
            );
        });
    });
    Ok(())
}

/// A list of numbers, one for each stage.
fn stages(fields: &Fields<'_>, name: &str, default: &[u64]) -> Result<Vec<u64>> {
    let listed = fields.counts_or(name, default)?;
    if listed
        .iter()
        .any(|&number| number == 0 || number > SIZE_LIMIT)
    {
        return Err(fields.error(name, "has a number of no sensible size"));
    }
    Ok(listed)
}

/// Adds the tower and returns the width of its last stage.
fn tower(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let widths = stages(fields, "embed_dim", &[128, 256, 512, 1024])?;
    let depths = stages(fields, "depths", &[1, 1, 9, 1])?;
    let sides = stages(fields, "patch_size", &[7, 3, 3, 3])?;
    let before = match fields.opt_list("patch_prenorm")? {
        Some(listed) => listed
            .iter()
            .map(Value::as_bool)
            .collect::<Option<Vec<bool>>>()
            .ok_or_else(|| fields.error("patch_prenorm", "must be a list of true and false"))?,
        None => vec![false, true, true, true],
    };
    let count = widths.len();
    if count == 0
        || count > 16
        || depths.len() < count
        || sides.len() < count
        || before.len() < count
    {
        return Err(fields.error(
            "embed_dim",
            "must list as many stages as depths, patch_size and patch_prenorm do",
        ));
    }
    let heads = stages(fields, "num_heads", &[4, 8, 16, 32])?;
    let window = fields.size_or("window_size", 12)?;
    let ratio = fields.ratio_or("mlp_ratio", 4.0)?;
    let bias = fields.flag_or("qkv_bias", true)?;
    let mut inputs = fields.size_or("in_channels", 3)?;
    let role = Role::Vision;
    let parts = widths.iter().zip(&depths).zip(sides.iter().zip(&before));
    for (stage, ((&hidden, &depth), (&side, &before))) in (0_u32..).zip(parts) {
        if depth > 1024 {
            return Err(fields.error("depths", "has a stage of more than 1024 blocks"));
        }
        let width = fields.scale("mlp_ratio", hidden, ratio)?;
        let heads = heads.get(stage as usize).copied().unwrap_or(0);
        let head_dim = fields.divide("embed_dim", hidden, "num_heads", heads)?;
        let windows = Mixer::Attention {
            heads,
            kv_heads: heads,
            key_dim: head_dim,
            value_dim: head_dim,
            reach: Reach::Chunked(window * window),
            indexer_dim: 0,
            shared_with: None,
        };
        let number = || Numbers::Listed(Arc::from([stage]));
        b.all_as(role, |b| {
            b.each("convs", number(), |b| {
                let shape = [hidden, inputs, side, side];
                b.weight_and_bias("conv", role, &shape, hidden, true);
                b.norm("norm", if before { inputs } else { hidden }, true);
            });
            b.layers(Stack::Vision, "blocks", &number(), |b| {
                let blocks = Numbers::Below(u32::try_from(depth).unwrap_or(u32::MAX));
                b.each("", blocks, |b| {
                    block(b, "spatial_block.", "window_attn.", hidden, width, bias);
                    block(b, "channel_block.", "channel_attn.", hidden, width, bias);
                });
                // The layer is the stage, so it is told of all its blocks.
                for _ in 0..depth {
                    b.mixer(windows.clone());
                    b.feed_forward(FeedForward::Dense { width });
                    // Attention over channels mixes no places.
                    b.mixer(Mixer::Stateless);
                    b.feed_forward(FeedForward::Dense { width });
                }
            });
        });
        inputs = hidden;
    }
    Ok(inputs)
}

fn block(b: &mut Builder, name: &str, attention: &str, hidden: u64, width: u64, bias: bool) {
    let role = Role::Vision;
    b.scope(name, |b| {
        for name in ["conv1", "conv2"] {
            b.weight_and_bias(name, role, &[hidden, 1, 3, 3], hidden, true);
        }
        for name in ["norm1", "norm2"] {
            b.norm(name, hidden, true);
        }
        b.scope(attention, |b| {
            b.linear("qkv", role, 3 * hidden, hidden, bias);
            b.linear("proj", role, hidden, hidden, true);
        });
        b.scope("ffn.", |b| {
            plain(b, ["fc1", "fc2"], role, hidden, width, true);
        });
    });
}
