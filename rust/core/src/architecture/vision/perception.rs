//! The Perception Encoder as the language model of the same name looks through it: a vision transformer in the names of
//! timm, without its last norm and its pooling.
//!
//! Source: timm `models/eva.py`, `vit_pe_core_large_patch14_336` and `vit_pe_core_gigantic_patch14_448`.

use super::sides;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// What a name of timm stands for.
struct Kin {
    architecture: &'static str,
    hidden: u64,
    width: u64,
    layers: u64,
    heads: u64,
    image: u64,
    /// Whether there is a token for the class.
    class: bool,
}

const KIN: &[Kin] = &[
    Kin {
        architecture: "vit_pe_core_gigantic_patch14_448",
        hidden: 1536,
        width: 8960,
        layers: 50,
        heads: 16,
        image: 448,
        class: false,
    },
    Kin {
        architecture: "vit_pe_core_large_patch14_336",
        hidden: 1024,
        width: 4096,
        layers: 24,
        heads: 16,
        image: 336,
        class: true,
    },
];

const PATCH: u64 = 14;

/// The arguments that change a tower and are read, or have no part in its tensors.
const ARGUMENTS: [&str; 8] = [
    "depth",
    "embed_dim",
    "global_pool",
    "img_size",
    "init_values",
    "num_classes",
    "ref_feat_shape",
    "use_post_transformer_norm",
];

/// Adds the tower (`timm_wrapper`), as what `timm_model.` holds, and returns its width.
///
/// # Errors
/// If it is not one of those that are known, or is changed in a way that is not.
pub fn perception(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let name = fields.opt_text("architecture")?.unwrap_or_default();
    let Some(kin) = KIN.iter().find(|kin| kin.architecture == name) else {
        return Err(fields.error(
            "architecture",
            format!("{name:?} is not known as a tower of timm"),
        ));
    };
    let arguments = fields.object("model_args")?;
    if let Some(other) = arguments.names().find(|name| !ARGUMENTS.contains(name)) {
        return Err(arguments.error(other, "is not known to change the tower"));
    }
    let pooled = arguments.opt_text("global_pool")?.unwrap_or("map");
    let classes = arguments.opt_count("num_classes")?.unwrap_or(0);
    if !pooled.is_empty() || classes > 0 {
        return Err(arguments.error("global_pool", "is not known of a tower in a larger model"));
    }
    if arguments
        .opt_flag("use_post_transformer_norm")?
        .unwrap_or(true)
    {
        return Err(arguments.error(
            "use_post_transformer_norm",
            "is not known of a tower in a larger model",
        ));
    }
    let hidden = arguments.opt_size("embed_dim")?.unwrap_or(kin.hidden);
    if hidden != kin.hidden {
        return Err(arguments.error("embed_dim", format!("is not the {} of {name}", kin.hidden)));
    }
    let layers = match arguments.opt_count("depth")? {
        Some(_) => arguments.repeats("depth")?,
        None => kin.layers,
    };
    let (height, across) = sides(&arguments, "img_size", kin.image)?;
    let scaled = arguments.has("init_values");
    let tokens = (height / PATCH) * (across / PATCH) + u64::from(kin.class);
    let role = Role::Vision;
    b.all_as(role, |b| {
        if kin.class {
            b.tensor("cls_token", role, &[1, 1, hidden]);
        }
        b.tensor("pos_embed", role, &[1, tokens, hidden]);
        b.tensor("patch_embed.proj.weight", role, &[hidden, 3, PATCH, PATCH]);
        b.norm("norm_pre", hidden, true);
        // `COUNT_LIMIT` bounds the layers.
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(Stack::Vision, "blocks", &numbers, |b| {
            b.norm("norm1", hidden, true);
            b.scope("attn.", |b| {
                let names = ["qkv", "", "", "proj"];
                Attention {
                    fused: true,
                    ..Attention::of_heads(names, hidden, kin.heads, hidden / kin.heads, true)
                }
                .add(b);
            });
            b.norm("norm2", hidden, true);
            b.scope("mlp.", |b| {
                plain(b, ["fc1", "fc2"], role, hidden, kin.width, true);
            });
            b.feed_forward(FeedForward::Dense { width: kin.width });
            if scaled {
                b.tensor("gamma_1", role, &[hidden]);
                b.tensor("gamma_2", role, &[hidden]);
            }
        });
    });
    Ok(hidden)
}
