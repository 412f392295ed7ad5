//! ConvNeXt, its second version, and the one that DINOv3 was distilled into: stages of wide depthwise convolutions and
//! networks over channels.
//!
//! Sources: transformers `models/convnext`, `models/convnextv2`, `models/dinov3_convnext`.

use super::swin::depths;
use crate::architecture::builder::Builder;
use crate::architecture::classic::all;
use crate::architecture::config::{Fields, Result, SIZE_LIMIT};
use crate::architecture::layer::{FeedForward, Mixer, Stack};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;
use std::sync::Arc;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The first, which scales what a block adds.
    First,
    /// The second, which norms the responses of channels.
    Second,
    /// The names of DINOv3.
    Dino,
}

/// Adds the tower, and returns the width of its last stage.
///
/// # Errors
/// If a field is wrong.
pub fn convnext(b: &mut Builder, fields: &Fields<'_>, version: Version) -> Result<u64> {
    let depths = depths(fields, &[3, 3, 9, 3])?;
    let widths = fields
        .opt_counts("hidden_sizes")?
        .unwrap_or_else(|| vec![96, 192, 384, 768]);
    let fits = |width: &u64| (1..=SIZE_LIMIT).contains(width);
    if widths.len() != depths.len() || !widths.iter().all(fits) {
        let message = format!("must be a list of {} widths, one per stage", depths.len());
        return Err(fields.error("hidden_sizes", message));
    }
    let channels = fields.size_or("num_channels", 3)?;
    let patch = match version {
        Version::First | Version::Second => fields.size_or("patch_size", 4)?,
        Version::Dino => 4,
    };
    let scaled =
        version != Version::Second && fields.ratio_or("layer_scale_init_value", 1e-6)? > 0.0;
    let first = widths.first().copied().unwrap_or_default();
    let last = widths.last().copied().unwrap_or_default();
    let stem = [first, channels, patch, patch];
    let role = Role::Vision;
    b.all_as(role, |b| {
        if version != Version::Dino {
            b.scope("embeddings.", |b| {
                b.weight_and_bias("patch_embeddings", role, &stem, first, true);
                b.norm("layernorm", first, true);
            });
        }
        let stages = if version == Version::Dino {
            "stages"
        } else {
            "encoder.stages"
        };
        let mut inputs = first;
        for (number, (&depth, &width)) in (0_u32..).zip(depths.iter().zip(&widths)) {
            b.layers(
                Stack::Vision,
                stages,
                &Numbers::Listed(Arc::from([number])),
                |b| {
                    let shape = [width, inputs, 2, 2];
                    match version {
                        Version::Dino if number == 0 => b.scope("downsample_layers.", |b| {
                            b.weight_and_bias("0", role, &stem, first, true);
                            b.norm("1", first, true);
                        }),
                        Version::Dino => b.scope("downsample_layers.", |b| {
                            b.norm("0", inputs, true);
                            b.weight_and_bias("1", role, &shape, width, true);
                        }),
                        Version::First | Version::Second if number == 0 => {}
                        Version::First | Version::Second => b.scope("downsampling_layer.", |b| {
                            b.norm("0", inputs, true);
                            b.weight_and_bias("1", role, &shape, width, true);
                        }),
                    }
                    b.each("layers", all(depth), |b| block(b, version, width, scaled));
                    for _ in 0..depth {
                        b.mixer(Mixer::Stateless);
                        b.feed_forward(FeedForward::Dense { width: 4 * width });
                    }
                },
            );
            inputs = width;
        }
        let norm = if version == Version::Dino {
            "layer_norm"
        } else {
            "layernorm"
        };
        b.norm(norm, last, true);
    });
    Ok(last)
}

fn block(b: &mut Builder, version: Version, width: u64, scaled: bool) {
    let role = Role::Vision;
    let ([convolution, norm, up, down], scale) = match version {
        Version::First | Version::Second => (
            ["dwconv", "layernorm", "pwconv1", "pwconv2"],
            "layer_scale_parameter",
        ),
        Version::Dino => (
            [
                "depthwise_conv",
                "layer_norm",
                "pointwise_conv1",
                "pointwise_conv2",
            ],
            "gamma",
        ),
    };
    b.weight_and_bias(convolution, role, &[width, 1, 7, 7], width, true);
    b.norm(norm, width, true);
    b.linear(up, role, 4 * width, width, true);
    if version == Version::Second {
        b.tensor("grn.weight", role, &[1, 1, 1, 4 * width]);
        b.tensor("grn.bias", role, &[1, 1, 1, 4 * width]);
    }
    b.linear(down, role, width, 4 * width, true);
    if scaled {
        b.tensor(scale, role, &[width]);
    }
}
