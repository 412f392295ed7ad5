//! Vision towers that several families share. A tower adds its tensors to the scope that is open, and everything in it
//! has the role of vision. Its fields are those of the `vision_config`; what they leave out is the default of the
//! tower's own class.

pub mod beit;
pub mod blip;
pub mod clip;
pub mod convnext;
pub mod dinov2;
pub mod dinov3;
pub mod donut;
pub mod fastvit;
pub mod glm;
pub mod idefics;
pub mod intern;
pub mod llama;
pub mod mobilenet;
pub mod moon;
pub mod perception;
pub mod pixtral;
pub mod qwen;
pub mod sam;
pub mod swin;
pub mod tower;
pub mod vit;
pub mod vqgan;

use super::builder::Builder;
use super::config::{Fields, Result, SIZE_LIMIT};
use serde_json::Value;

/// Height and width of something that a config states as one number or as a list of two.
///
/// # Errors
/// If the field is something else, or one of the sides is 0 or absurd.
pub fn sides(fields: &Fields<'_>, name: &str, default: u64) -> Result<(u64, u64)> {
    if !matches!(fields.value(name), Some(Value::Array(_))) {
        let side = fields.size_or(name, default)?;
        return Ok((side, side));
    }
    match fields.opt_counts(name)?.as_deref() {
        Some(&[height, width])
            if [height, width]
                .iter()
                .all(|&side| (1..=SIZE_LIMIT).contains(&side)) =>
        {
            Ok((height, width))
        }
        _ => Err(fields.error(name, "must be a number from 1 on, or a list of two")),
    }
}

/// The patches that an image is cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patches {
    /// Channels of the image.
    pub channels: u64,
    /// Height and width of a patch.
    pub sides: (u64, u64),
    /// Whole patches in an image of the size that the config states.
    pub count: u64,
}

impl Patches {
    /// Reads `num_channels`, `image_size` and `patch_size`.
    ///
    /// # Errors
    /// If one of them is wrong, or a patch is larger than the image.
    pub fn read(fields: &Fields<'_>, image: u64, patch: u64) -> Result<Self> {
        let channels = fields.size_or("num_channels|in_channels|in_chans", 3)?;
        let image = sides(fields, "image_size", image)?;
        let patch = sides(fields, "patch_size", patch)?;
        let count = (image.0 / patch.0) * (image.1 / patch.1);
        if count == 0 || count > SIZE_LIMIT {
            return Err(fields.error(
                "patch_size",
                format!(
                    "{}x{} cuts an image of {}x{} into {count} patches",
                    patch.0, patch.1, image.0, image.1
                ),
            ));
        }
        Ok(Self {
            channels,
            sides: patch,
            count,
        })
    }

    /// Adds the convolution that embeds a patch.
    pub fn convolution(&self, b: &mut Builder, name: &str, hidden: u64, bias: bool) {
        let shape = [hidden, self.channels, self.sides.0, self.sides.1];
        b.weight_and_bias(name, super::Role::Vision, &shape, hidden, bias);
    }
}
