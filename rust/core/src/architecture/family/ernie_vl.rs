//! ERNIE 4.5 VL: experts for texts and experts for images behind routers of their own, and a tower whose patches are
//! joined over space and time.
//!
//! Source: transformers `models/ernie4_5_vl_moe`, and its `conversion_mapping.py` for the names in which the experts
//! are published: those for images are numbered on after those for texts, and the routers lie the other way round.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{GATED, dense, gated, plain};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::mixture::sparse_layers;
use crate::architecture::multimodal::{Language, known_class};
use crate::architecture::place::Place;
use crate::architecture::template::Numbers;
use crate::architecture::vision::sides;
use crate::checkpoint::Role;

/// ERNIE 4.5 VL.
pub const FAMILY: Family = Family {
    name: "ernie-vl",
    model_types: &["ernie4_5_vl_moe", "ernie4_5_vl_moe_text"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    if fields.opt_text("model_type")? == Some("ernie4_5_vl_moe_text") {
        return text(b, fields, &Place::whole(fields, "model.")?);
    }
    known_class(
        fields,
        &[
            "Ernie4_5_VLMoeForConditionalGeneration",
            "Ernie4_5_VL_MoeForConditionalGeneration",
        ],
    )?;
    let vision = fields.object("vision_config")?;
    let text = Language::new("ernie4_5_vl_moe_text", "model.", true).add(b, fields)?;
    let hidden = text.size_or("hidden_size", 2560)?;
    b.scope("model.", |b| {
        let seen = b.scope("vision_model.", |b| tower(b, &vision))?;
        b.scope("resampler_model.", |b| resampler(b, &vision, seen, hidden))
    })
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let bias = fields.flag_or("use_bias", false)?;
    let hidden = fields.size_or("hidden_size", 2560)?;
    let frame = Frame {
        hidden,
        vocabulary: fields.size_or("vocab_size", 103_424)?,
        embedding: "embed_tokens",
        stack: "layers",
        norm: Some(("norm", false)),
        head: "lm_head",
        head_bias: false,
        tied: true,
    };
    let mut attention = Attention::read_with(fields, hidden, None, Some(4))?;
    (attention.bias, attention.output_bias) = (bias, bias);
    let layers = fields.repeats_or("num_hidden_layers", 28)?;
    let width = fields.size_or("intermediate_size", 12_288)?;
    let experts = Experts::read(fields, hidden, bias)?;
    let sparse = sparse_layers(fields, layers, |layer| layer > 0)?;
    frame.add(b, fields, place, sparse, |b, &sparse| {
        b.scope("self_attn.", |b| attention.add(b));
        if sparse {
            b.scope("mlp.", |b| experts.add(b));
        } else {
            dense(b, "mlp.", hidden, width, bias);
        }
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        Ok(())
    })
}

/// The experts of a layer, of which each kind of token has as many.
struct Experts {
    hidden: u64,
    count: u64,
    chosen: u64,
    /// The inner widths of those for texts and those for images.
    widths: [u64; 2],
    shared: u64,
    bias: bool,
}

impl Experts {
    fn read(fields: &Fields<'_>, hidden: u64, bias: bool) -> Result<Self> {
        const WIDTHS: &str = "moe_intermediate_size";
        let widths = match fields.opt_counts(WIDTHS)?.as_deref() {
            None => [1536, 512],
            Some(&[text, image])
                if (1..1 << 21).contains(&text) && (1..1 << 21).contains(&image) =>
            {
                [text, image]
            }
            Some(_) => return Err(fields.error(WIDTHS, "must be a list of two sizes")),
        };
        Ok(Self {
            hidden,
            count: fields.repeats_or("moe_num_experts", 64)?,
            chosen: fields.size_or("moe_k|num_experts_per_tok", 6)?,
            widths,
            shared: fields.repeats_or("moe_num_shared_experts", 2)?,
            bias,
        })
    }

    fn add(&self, b: &mut Builder) {
        let Self {
            hidden,
            count,
            chosen,
            widths: [text, image],
            bias,
            ..
        } = *self;
        b.tensor("gate.weight", Role::Router, &[hidden, count]);
        b.tensor(
            "moe_statics.e_score_correction_bias",
            Role::Router,
            &[2, count],
        );
        // `COUNT_LIMIT` bounds their number.
        let number = u32::try_from(count).unwrap_or(u32::MAX);
        let others: Vec<u32> = (number..number.saturating_mul(2)).collect();
        b.routed(chosen, count, |b| {
            b.each("experts", Numbers::Below(number), |b| {
                gated(b, GATED, Role::Expert, hidden, text, false);
            });
        });
        // A token of a text visits none of what is for images.
        b.routed(0, count, |b| {
            b.tensor("gate.weight_1", Role::Router, &[hidden, count]);
            b.each("experts", Numbers::Listed(others.into()), |b| {
                gated(b, GATED, Role::Expert, hidden, image, false);
            });
        });
        let shared_width = self.shared * text;
        if shared_width > 0 {
            b.scope("shared_experts.", |b| {
                gated(b, GATED, Role::SharedExpert, hidden, shared_width, bias);
            });
        }
        b.feed_forward(FeedForward::Experts {
            experts: count,
            chosen,
            width: text,
            shared_width,
        });
    }
}

fn tower(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 1280)?;
    let depth = fields.repeats_or("depth|num_hidden_layers", 32)?;
    let heads = fields.size_or("num_heads|num_attention_heads", 16)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_heads", heads)?;
    let width = fields.size_or("intermediate_size", 5120)?;
    let channels = fields.size_or("in_channels|in_chans", 3)?;
    let (height, across) = sides(fields, "patch_size", 14)?;
    let attention = Attention {
        fused: true,
        ..Attention::of_heads(["qkv", "", "", "proj"], hidden, heads, head_dim, true)
    };
    let role = Role::Vision;
    b.all_as(role, |b| {
        let inputs = channels * height * across;
        b.linear("patch_embed.proj", role, hidden, inputs, false);
        // `COUNT_LIMIT` bounds their number.
        let numbers = Numbers::Below(u32::try_from(depth).unwrap_or(u32::MAX));
        b.layers(Stack::Vision, "blocks", &numbers, |b| {
            b.norm("norm1", hidden, true);
            b.scope("attn.", |b| attention.add(b));
            b.norm("norm2", hidden, true);
            b.scope("mlp.", |b| {
                plain(b, ["fc1", "fc2"], role, hidden, width, true);
            });
            b.feed_forward(FeedForward::Dense { width });
        });
        b.norm("ln", hidden, true);
    });
    Ok(hidden)
}

/// Adds what joins patches over space, then over time.
fn resampler(b: &mut Builder, fields: &Fields<'_>, seen: u64, hidden: u64) -> Result<()> {
    let merge = fields.size_or("spatial_merge_size", 2)?;
    let frames = fields.size_or("temporal_merge_size", 2)?;
    // Three sizes of at most 2^21.
    let space = seen * merge * merge;
    let time = space
        .checked_mul(frames)
        .ok_or_else(|| fields.error("temporal_merge_size", "is larger than any model's"))?;
    let role = Role::Projector;
    b.all_as(role, |b| {
        for (name, inputs) in [("spatial_linear", space), ("temporal_linear", time)] {
            b.scope(name, |b| {
                b.linear(".0", role, space, inputs, true);
                b.linear(".2", role, space, space, true);
                b.norm(".3", space, true);
            });
        }
        b.linear("mlp", role, hidden, space, true);
        b.norm("after_norm", hidden, false);
    });
    Ok(())
}
