//! The towers of Qwen-VL: patches of several frames, blocks with one matrix for queries, keys and values, and a merger
//! that joins neighbouring patches on the way to the language model. The merger is a projector.
//!
//! Source: transformers `models/qwen2_vl`, `models/qwen2_5_vl`, `models/qwen3_vl`, `models/qwen3_5`,
//! `models/exaone4_5` and the two Omni models.

use super::sides;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::Network;
use crate::architecture::feed_forward::{GATED, gated, plain};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// How the projections of queries, keys and values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Projections {
    /// As one matrix, `qkv`.
    Fused,
    /// As `q`, `k` and `v`.
    Split,
}

/// How a merger is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merger {
    /// `ln_q`, `mlp.0` and `mlp.2`.
    Numbered,
    /// `norm`, `linear_fc1` and `linear_fc2`.
    Named,
}

/// In what the towers differ.
#[derive(Clone, Copy, Debug)]
pub struct Kin {
    /// Whether the widths are called `embed_dim`, `mlp_ratio` and, for the output, `hidden_size`, as in Qwen2-VL.
    pub ratio: bool,
    /// Width, inner width or its ratio, and depth, where the config does not say.
    pub defaults: [u64; 3],
    /// The side of a patch, where the config does not say.
    pub patch: u64,
    /// Whether the embedding of patches has a bias, and there is a table of positions.
    pub positions: bool,
    /// How many heads of keys and values there are, where that is a field of its own.
    pub kv_heads: Option<u64>,
    /// How queries, keys and values are projected.
    pub projections: Projections,
    /// The network of a block.
    pub network: Network<'static>,
    /// Whether norms have biases.
    pub norm_bias: bool,
    /// How a merger is made.
    pub merger: Merger,
    /// The name of the mergers that take what deeper layers see.
    pub deep: Option<&'static str>,
}

/// Qwen2-VL.
pub const SECOND: Kin = Kin {
    ratio: true,
    defaults: [1280, 4, 32],
    patch: 14,
    positions: false,
    kv_heads: None,
    projections: Projections::Fused,
    network: Network::Plain(["fc1", "fc2"]),
    norm_bias: true,
    merger: Merger::Numbered,
    deep: None,
};

/// Qwen2.5-VL.
pub const SECOND_HALF: Kin = Kin {
    ratio: false,
    defaults: [3584, 3420, 32],
    network: Network::Gated(GATED),
    norm_bias: false,
    ..SECOND
};

/// Qwen2.5-Omni.
pub const OMNI: Kin = Kin {
    projections: Projections::Split,
    ..SECOND_HALF
};

/// EXAONE 4.5.
pub const EXAONE: Kin = Kin {
    kv_heads: Some(8),
    ..SECOND_HALF
};

/// Qwen3.5 and Qwen4-Exp.
pub const SHALLOW: Kin = Kin {
    ratio: false,
    defaults: [1152, 4304, 27],
    patch: 16,
    positions: true,
    network: Network::Plain(["linear_fc1", "linear_fc2"]),
    merger: Merger::Named,
    ..SECOND
};

/// Qwen3-VL.
pub const THIRD: Kin = Kin {
    deep: Some("deepstack_merger_list"),
    ..SHALLOW
};

/// Qwen3-Omni.
pub const OMNI_THIRD: Kin = Kin {
    merger: Merger::Numbered,
    deep: Some("merger_list"),
    ..SHALLOW
};

/// How many mergers of deeper layers there are where the config does not say.
const DEEP: u64 = 3;

/// Adds the tower, as what `visual.` holds, and returns the width that its mergers give.
///
/// # Errors
/// If a field is wrong, or heads do not divide.
pub fn qwen(b: &mut Builder, fields: &Fields<'_>, kin: &Kin) -> Result<u64> {
    let [hidden, width, depth] = kin.defaults;
    let (hidden, width, output) = if kin.ratio {
        let hidden = fields.size_or("embed_dim", hidden)?;
        let width = hidden * fields.size_or("mlp_ratio", width)?;
        (hidden, width, fields.size_or("hidden_size", 3584)?)
    } else {
        (
            fields.size_or("hidden_size", hidden)?,
            fields.size_or("intermediate_size", width)?,
            fields.size_or("out_hidden_size", 3584)?,
        )
    };
    let depth = fields.repeats_or("depth|num_hidden_layers", depth)?;
    let heads = fields.size_or("num_heads|num_attention_heads", 16)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_heads", heads)?;
    let kv_heads = match kin.kv_heads {
        Some(default) => fields.size_or("num_key_value_heads", default)?,
        None => heads,
    };
    fields.divide("num_heads", heads, "num_key_value_heads", kv_heads)?;
    let names = match kin.projections {
        Projections::Fused => ["qkv", "", "", "proj"],
        Projections::Split => ["q", "k", "v", "proj"],
    };
    let attention = Attention {
        kv_heads,
        fused: kin.projections == Projections::Fused,
        ..Attention::of_heads(names, hidden, heads, head_dim, true)
    };
    let channels = fields.size_or("in_channels|in_chans", 3)?;
    let (height, across) = sides(fields, "patch_size", kin.patch)?;
    let frames = fields.size_or("temporal_patch_size", 2)?;
    let positions = if kin.positions {
        Some(fields.size_or("num_position_embeddings", 2304)?)
    } else {
        None
    };
    let merge = fields.size_or("spatial_merge_size", 2)?;
    let role = Role::Vision;
    b.all_as(role, |b| {
        let patch = [hidden, channels, frames, height, across];
        b.weight_and_bias("patch_embed.proj", role, &patch, hidden, kin.positions);
        if let Some(positions) = positions {
            b.embedding("pos_embed", role, positions, hidden);
        }
        // `COUNT_LIMIT` bounds their number.
        let numbers = Numbers::Below(u32::try_from(depth).unwrap_or(u32::MAX));
        b.layers(Stack::Vision, "blocks", &numbers, |b| {
            b.norm("norm1", hidden, kin.norm_bias);
            b.scope("attn.", |b| attention.add(b));
            b.norm("norm2", hidden, kin.norm_bias);
            b.scope("mlp.", |b| match kin.network {
                Network::Gated(names) => gated(b, names, role, hidden, width, true),
                Network::Plain(names) => plain(b, names, role, hidden, width, true),
                Network::FusedGated([gate_up, down]) => {
                    b.linear(gate_up, role, 2 * width, hidden, true);
                    b.linear(down, role, hidden, width, true);
                }
            });
            b.feed_forward(FeedForward::Dense { width });
        });
    });
    // Three sizes of at most 2^21.
    let merged = hidden * merge * merge;
    let deep = match kin.deep {
        None => None,
        Some(name) => Some((name, deep(fields)?)),
    };
    b.all_as(Role::Projector, |b| {
        b.scope("merger.", |b| merger(b, kin, hidden, merged, output));
        if let Some((name, numbers)) = deep {
            b.each(name, numbers, |b| merger(b, kin, merged, merged, output));
        }
    });
    Ok(output)
}

fn deep(fields: &Fields<'_>) -> Result<Numbers> {
    const NAME: &str = "deepstack_visual_indexes";
    let count = if let Some(layers) = fields.opt_list(NAME)? {
        layers.len() as u64
    } else {
        let reason = "not in the config; the default of its model class";
        fields.assume(NAME, "[8, 16, 24]", reason);
        DEEP
    };
    Ok(Numbers::Below(u32::try_from(count).unwrap_or(u32::MAX)))
}

/// Adds a merger whose norm has a width of its own: that of a patch, or of those that it joins.
fn merger(b: &mut Builder, kin: &Kin, normed: u64, merged: u64, output: u64) {
    let [norm, first, second] = match kin.merger {
        Merger::Numbered => ["ln_q", "mlp.0", "mlp.2"],
        Merger::Named => ["norm", "linear_fc1", "linear_fc2"],
    };
    b.norm(norm, normed, kin.norm_bias);
    b.linear(first, Role::Projector, merged, merged, true);
    b.linear(second, Role::Projector, output, merged, true);
}
