//! The first Qwen: fused queries, keys and values with a bias, and a network of half the stated width. Qwen-VL puts a
//! vision tower of OpenCLIP with a resampler into it.
//!
//! Source: `modeling_qwen.py` and `visual.py` beside the published checkpoints, and their indexes.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{self, Defaults, Dense, Network};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::place::Place;
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// Qwen 1 and Qwen-VL.
pub const FAMILY: Family = Family {
    name: "qwen",
    model_types: &["qwen"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let place = Place::of_class(fields, &["QWen"], "transformer.", "transformer.")?;
    text(b, fields, &place)?;
    if let Some(visual) = fields.opt_object("visual")? {
        b.scope(place.model, |b| b.scope("visual.", |b| tower(b, &visual)))?;
    }
    Ok(())
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let defaults = Defaults::new(151_936, 4096, 22_016, 32, 32);
    let frame = dense::frame(fields, &defaults)?;
    let heads = fields.size_or("num_attention_heads", defaults.heads)?;
    let head_dim = fields.size_or("kv_channels", 128)?;
    let bias = !fields.flag_or("no_bias", true)?;
    let names = ["c_attn", "", "", "c_proj"];
    let attention = Attention {
        fused: true,
        bias: true,
        ..Attention::of_heads(names, frame.hidden, heads, head_dim, bias)
    };
    let width = fields.size_or("intermediate_size", defaults.width)?;
    let width = fields.divide("intermediate_size", width, "intermediate_size", 2)?;
    let layers = dense::layers(fields, &defaults)?;
    let mut model = Dense::new(frame, layers, attention, width);
    model.frame.embedding = "wte";
    model.frame.stack = "h";
    model.frame.norm = Some(("ln_f", false));
    model.attention_prefix = "attn.";
    model.network = Network::Gated(["w2", "w1", "c_proj"]);
    model.network_bias = bias;
    model.norms = &["ln_1", "ln_2"];
    model.add(b, fields, place, model.full())
}

/// How many positions the tower has learned, and how many queries its resampler: both are fixed in the code.
const QUERIES: u64 = 256;

fn tower(b: &mut Builder, visual: &Fields<'_>) -> Result<()> {
    let width = visual.size("width")?;
    let heads = visual.size("heads")?;
    let layers = visual.repeats("layers")?;
    let patch = visual.size("patch_size")?;
    let output = visual.size("output_dim")?;
    let ratio = visual
        .opt_ratio("mlp_ratio")?
        .filter(|ratio| (0.0..=64.0).contains(ratio))
        .ok_or_else(|| visual.error("mlp_ratio", "must be a number from 0 to 64"))?;
    let head_dim = visual.divide("width", width, "heads", heads)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "the width is under 2^21 and the ratio under 64; the code itself cuts the product off"
    )]
    let inner = (width as f64 * ratio) as u64;
    b.all_as(Role::Vision, |b| {
        b.weight_and_bias(
            "conv1",
            Role::Vision,
            &[width, 3, patch, patch],
            width,
            false,
        );
        b.tensor("positional_embedding", Role::Vision, &[QUERIES, width]);
        b.norm("ln_pre", width, true);
        // `COUNT_LIMIT` bounds their number.
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(Stack::Vision, "transformer.resblocks", &numbers, |b| {
            let attention = Attention {
                fused: true,
                ..Attention::of_heads(
                    ["in_proj", "", "", "out_proj"],
                    width,
                    heads,
                    head_dim,
                    true,
                )
            };
            b.scope("attn.", |b| attention.add(b));
            b.scope("mlp.", |b| {
                plain(b, ["c_fc", "c_proj"], Role::Vision, width, inner, true);
            });
            b.feed_forward(FeedForward::Dense { width: inner });
            b.norm("ln_1", width, true);
            b.norm("ln_2", width, true);
        });
        b.norm("ln_post", output, true);
    });
    b.all_as(Role::Projector, |b| {
        b.scope("attn_pool.", |b| {
            b.tensor("pos_embed", Role::Projector, &[QUERIES, output]);
            b.tensor("query", Role::Projector, &[QUERIES, output]);
            b.linear("kv_proj", Role::Projector, output, width, false);
            b.tensor(
                "attn.in_proj_weight",
                Role::Projector,
                &[3 * output, output],
            );
            b.tensor("attn.in_proj_bias", Role::Projector, &[3 * output]);
            b.linear("attn.out_proj", Role::Projector, output, output, true);
            b.norm("ln_q", output, true);
            b.norm("ln_kv", output, true);
        });
        b.tensor("proj", Role::Projector, &[output, output]);
    });
    Ok(())
}
