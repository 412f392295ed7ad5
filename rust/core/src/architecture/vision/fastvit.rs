//! `FastViT`, the tower of FastVLM: convolutions whose training branches are merged into one, and attention in the last
//! two of five stages. It has one size, so all of it is in this table.
//!
//! Source: timm `models/fastvit.py`, `fastvit_mci3` with `inference_mode`.

use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::layer::{FeedForward, Mixer, Reach, Stack};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;
use std::sync::Arc;

const ROLE: Role = Role::Vision;

/// Width, depth, and whether there is attention, of each stage.
const STAGES: [(u64, u32, bool); 5] = [
    (96, 2, false),
    (192, 12, false),
    (384, 24, false),
    (768, 4, true),
    (1536, 2, true),
];

/// Channels that the tower gives.
const WIDTH: u64 = 3072;

/// Numbers per head.
const HEAD_DIM: u64 = 32;

/// Adds the tower (`timm_wrapper`), as what `timm_model.` holds, and returns its width.
///
/// # Errors
/// If its arguments are not those that are known: with others it has the branches of training.
pub fn fastvit(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let arguments = fields.object("model_args")?;
    if let Some(other) = arguments.names().find(|name| *name != "inference_mode") {
        return Err(arguments.error(other, "is not known to change the tower"));
    }
    if !arguments.opt_flag("inference_mode")?.unwrap_or(false) {
        return Err(arguments.error(
            "inference_mode",
            "is only known as true; without it the tower has branches for training",
        ));
    }
    b.all_as(ROLE, |b| {
        b.scope("stem.", |b| {
            let [(width, ..), ..] = STAGES;
            merged(b, "0", width, 3, 3);
            merged(b, "1", width, 1, 3);
            merged(b, "2", width, width, 1);
        });
        for (number, (width, depth, attends)) in (0_u32..).zip(STAGES) {
            let numbers = Numbers::Listed(Arc::from([number]));
            b.layers(Stack::Vision, "stages", &numbers, |b| {
                if number > 0 {
                    merged(b, "downsample.proj.0", width, 1, 7);
                    merged(b, "downsample.proj.1", width, width, 1);
                }
                if attends {
                    merged(b, "pos_emb", width, 1, 7);
                }
                b.each("blocks", Numbers::Below(depth), |b| {
                    block(b, width, attends);
                });
                // The layer is the stage, so it is told of all its blocks.
                for _ in 0..depth {
                    b.mixer(mixer(width, attends));
                    b.feed_forward(FeedForward::Dense { width: 4 * width });
                }
            });
        }
        b.scope("final_conv.", |b| {
            b.weight_and_bias("reparam_conv", ROLE, &[WIDTH, 1, 3, 3], WIDTH, true);
            let inner = WIDTH / 16;
            b.weight_and_bias("se.fc1", ROLE, &[inner, WIDTH, 1, 1], inner, true);
            b.weight_and_bias("se.fc2", ROLE, &[WIDTH, inner, 1, 1], WIDTH, true);
        });
    });
    Ok(WIDTH)
}

/// Adds a convolution that was several.
fn merged(b: &mut Builder, name: &str, outputs: u64, inputs: u64, side: u64) {
    let name = format!("{name}.reparam_conv");
    b.weight_and_bias(&name, ROLE, &[outputs, inputs, side, side], outputs, true);
}

fn block(b: &mut Builder, width: u64, attends: bool) {
    if attends {
        b.norm("norm", width, true);
        b.linear("token_mixer.qkv", ROLE, 3 * width, width, false);
        b.linear("token_mixer.proj", ROLE, width, width, true);
        b.tensor("layer_scale_1.gamma", ROLE, &[width, 1, 1]);
        b.tensor("layer_scale_2.gamma", ROLE, &[width, 1, 1]);
    } else {
        merged(b, "token_mixer", width, 1, 3);
        b.tensor("layer_scale.gamma", ROLE, &[width, 1, 1]);
    }
    b.scope("mlp.", |b| {
        b.tensor("conv.conv.weight", ROLE, &[width, 1, 7, 7]);
        b.norm("conv.bn", width, true);
        b.buffer("conv.bn.running_mean", ROLE, &[width]);
        b.buffer("conv.bn.running_var", ROLE, &[width]);
        b.buffer("conv.bn.num_batches_tracked", ROLE, &[]);
        let inner = 4 * width;
        b.weight_and_bias("fc1", ROLE, &[inner, width, 1, 1], inner, true);
        b.weight_and_bias("fc2", ROLE, &[width, inner, 1, 1], width, true);
    });
}

const fn mixer(width: u64, attends: bool) -> Mixer {
    if attends {
        let heads = width / HEAD_DIM;
        Mixer::Attention {
            heads,
            kv_heads: heads,
            key_dim: HEAD_DIM,
            value_dim: HEAD_DIM,
            reach: Reach::Full,
            indexer_dim: 0,
            shared_with: None,
        }
    } else {
        Mixer::Stateless
    }
}
