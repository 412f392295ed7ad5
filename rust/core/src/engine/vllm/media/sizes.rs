//! How large the largest image or sound of each kind of model is.

use super::{Configs, at};

/// The size of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Tokens that it becomes.
    pub tokens: u64,
    /// Numbers that go into the encoder.
    pub inputs: u64,
    /// Patches or frames that the encoder works on.
    pub patches: u64,
    /// Features beside the last that the encoder gives of each token.
    pub levels: u64,
    /// The most items of one request: vLLM allows 999 where a model does not limit them.
    pub limit: u64,
    /// What stands for the config of a processor that is not there.
    pub assumed: Option<&'static str>,
}

impl Size {
    /// Tiles of squares of pixels, each of so many tokens.
    fn tiles(tiles: u64, tokens: u64, image: u64, patch: u64) -> Option<Self> {
        let side = image.checked_div(patch)?;
        Some(Self {
            tokens,
            inputs: product(&[tiles, 3, image, image])?,
            patches: product(&[tiles, side, side])?,
            levels: 0,
            limit: 999,
            assumed: None,
        })
    }

    const fn assuming(self, what: &'static str) -> Self {
        Self {
            assumed: Some(what),
            ..self
        }
    }

    const fn one_each(self) -> Self {
        Self { limit: 1, ..self }
    }
}

fn product(factors: &[u64]) -> Option<u64> {
    factors
        .iter()
        .try_fold(1_u64, |product, factor| product.checked_mul(*factor))
}

/// The side of an image and of its patches.
fn sides(configs: &Configs<'_>) -> Option<(u64, u64)> {
    let image = configs.number(&["vision_config", "image_size"])?;
    let patch = configs.number(&["vision_config", "patch_size"])?;
    Some((image, patch))
}

pub fn gemma3(configs: &Configs<'_>) -> Option<Size> {
    let (image, patch) = sides(configs)?;
    // Pan and scan, which makes more, is off by default.
    let tokens = configs.number(&["mm_tokens_per_image"]).unwrap_or(256);
    Size::tiles(1, tokens, image, patch)
}

/// A video of 32 frames of at most 70 tokens and 8 around them is larger than an image of 280.
pub fn gemma4(configs: &Configs<'_>) -> Option<Size> {
    const FRAMES: u64 = 32;
    const TOKENS: u64 = 70;
    let patch = configs.number(&["vision_config", "patch_size"])?;
    let pooled = configs
        .number(&["vision_config", "pooling_kernel_size"])
        .unwrap_or(3);
    let patches = product(&[FRAMES, TOKENS, pooled, pooled])?;
    Some(Size {
        tokens: FRAMES * (TOKENS + 8),
        inputs: product(&[patches, 3, patch, patch])?,
        patches,
        levels: 0,
        limit: 999,
        assumed: None,
    })
}

/// An image whose patches come from a limit of pixels; of each image two frames are made.
fn by_pixels(configs: &Configs<'_>, default: u64, what: &'static str) -> Option<Size> {
    let patch = configs
        .number(&["vision_config", "patch_size"])
        .unwrap_or(14);
    let merge = configs
        .number(&["vision_config", "spatial_merge_size"])
        .unwrap_or(2);
    let frames = configs
        .number(&["vision_config", "temporal_patch_size"])
        .unwrap_or(2);
    let pixels = configs
        .processor(&["size", "longest_edge"])
        .or_else(|| configs.processor(&["max_pixels"]))
        .unwrap_or(default);
    let tokens = pixels.checked_div(product(&[patch, merge, patch, merge])?)?;
    let patches = product(&[tokens, merge, merge])?;
    let size = Size {
        tokens,
        inputs: product(&[patches, 3, frames, patch, patch])?,
        patches,
        levels: 0,
        limit: 999,
        assumed: None,
    };
    Some(size.assuming(what))
}

pub fn qwen2_vl(configs: &Configs<'_>) -> Option<Size> {
    by_pixels(
        configs,
        12_845_056,
        "the 12845056 pixels of the published Qwen2-VL and Qwen2.5-VL are taken; the class itself has 1003520",
    )
}

/// A video of two frames has at most 25165824 pixels in all, and so fewer tokens than an image.
pub fn qwen3_vl(configs: &Configs<'_>) -> Option<Size> {
    let size = by_pixels(
        configs,
        16_777_216,
        "the 16777216 pixels of the published processors are taken; the class itself has 1003520",
    )?;
    let stated = at(
        configs.model,
        &["vision_config", "deepstack_visual_indexes"],
    );
    let is_deep = configs
        .model
        .get("model_type")
        .and_then(serde_json::Value::as_str)
        .is_some_and(|kind| kind.starts_with("qwen3_vl"));
    let levels = match stated.and_then(serde_json::Value::as_array) {
        Some(levels) => levels.len() as u64,
        // The default of the config's class: after layers 8, 16 and 24.
        None if is_deep => 3,
        None => 0,
    };
    Some(Size { levels, ..size })
}

/// The pixels of both frames count.
pub fn glm4v(configs: &Configs<'_>) -> Option<Size> {
    let size = by_pixels(
        configs,
        28 * 28 * 15_000,
        "the 28 · 28 · 15000 pixels of the processor's class are taken, and no video",
    )?;
    Some(Size {
        tokens: size.tokens / 2,
        inputs: size.inputs / 2,
        patches: size.patches / 2,
        ..size
    })
}

/// The dummy image is as large as a tile, is scaled up to four tiles a side, and comes once more as a whole.
pub fn idefics3(configs: &Configs<'_>) -> Option<Size> {
    const ASSUMED: &str = "an image of 4 by 4 tiles is taken, as the processor's class has it";
    let (image, patch) = sides(configs)?;
    let scale = configs.number(&["scale_factor"]).unwrap_or(2);
    let tile = configs
        .processor(&["max_image_size", "longest_edge"])
        .unwrap_or(image);
    let longest = configs
        .processor(&["size", "longest_edge"])
        .map_or(Some(4), |longest| longest.checked_div(tile))?;
    let tiles = product(&[longest, longest])?.checked_add(1)?;
    let side = image.checked_div(patch)?;
    let each = product(&[side, side])?.checked_div(product(&[scale, scale])?)?;
    Some(Size::tiles(tiles, product(&[tiles, each])?, image, patch)?.assuming(ASSUMED))
}

pub fn internvl(configs: &Configs<'_>) -> Option<Size> {
    const ASSUMED: &str = "12 tiles and a thumbnail are taken, as the processor's class has it";
    let image = configs
        .number(&["force_image_size"])
        .or_else(|| first(configs.model, "image_size"))?;
    let patch = first(configs.model, "patch_size")?;
    let most = configs
        .number(&["max_dynamic_patch"])
        .or_else(|| configs.processor(&["max_patches"]))
        .unwrap_or(12);
    let thumbnail = at(configs.model, &["use_thumbnail"])
        .and_then(serde_json::Value::as_bool)
        .unwrap_or(true);
    let tiles = most.checked_add(u64::from(thumbnail && most != 1))?;
    let side = image.checked_div(patch)?;
    // A quarter of the patches is left: `downsample_ratio` is 0.5 in all that are published.
    let each = product(&[side, side])? / 4;
    Some(Size::tiles(tiles, product(&[tiles, each])?, image, patch)?.assuming(ASSUMED))
}

/// A field of the vision config that is a number or a list of sides.
fn first(model: &serde_json::Value, name: &str) -> Option<u64> {
    let value = at(model, &["vision_config", name])?;
    value.as_u64().or_else(|| value.get(0)?.as_u64())
}

/// The dummy image has 1024 pixels a side; at most so many patches are kept, and sides are filled up to whole merges.
pub fn kimi_vl(configs: &Configs<'_>) -> Option<Size> {
    const SIDE: u64 = 1024;
    const ASSUMED: &str = "a limit of 4096 patches is taken, as the published processor has it";
    let patch = configs
        .number(&["vision_config", "patch_size"])
        .unwrap_or(14);
    let merge = 2;
    let most = configs.processor(&["in_token_limit"]).unwrap_or(4096);
    let across = SIDE.checked_div(patch)?;
    let scaled = if product(&[across, across])? > most {
        // 1024 · sqrt(most / across²), rounded down.
        product(&[SIDE, SIDE, most])?
            .checked_div(product(&[across, across])?)?
            .isqrt()
    } else {
        SIDE
    };
    let side = scaled.div_ceil(product(&[merge, patch])?.max(1));
    let patches = product(&[side, side, merge, merge])?;
    let image = Size {
        tokens: product(&[side, side])?,
        inputs: product(&[patches, 3, patch, patch])?,
        patches,
        levels: 0,
        limit: 999,
        assumed: None,
    };
    Some(image.assuming(ASSUMED))
}

/// Sixteen tiles, and the whole as one more. A quarter of the patches is left.
pub fn llama4(configs: &Configs<'_>) -> Option<Size> {
    const ASSUMED: &str = "16 tiles are taken, as the processor's class has it";
    let (image, patch) = sides(configs)?;
    let tiles = configs
        .processor(&["max_patches"])
        .unwrap_or(16)
        .checked_add(1)?;
    let side = image.checked_div(patch)?;
    let each = product(&[side, side])? / 4;
    Some(Size::tiles(tiles, product(&[tiles, each])?, image, patch)?.assuming(ASSUMED))
}

/// All patches of one image; that of the class, where the encoder has one, is dropped.
pub fn llava(configs: &Configs<'_>) -> Option<Size> {
    let (image, patch) = sides(configs)?;
    let side = image.checked_div(patch)?;
    Size::tiles(1, product(&[side, side])?, image, patch)
}

pub fn paligemma(configs: &Configs<'_>) -> Option<Size> {
    Some(llava(configs)?.one_each())
}

/// The pinpoint with the most tiles, each line of patches closed by one token, and the whole as one more tile.
pub fn llava_next(configs: &Configs<'_>) -> Option<Size> {
    let (image, patch) = sides(configs)?;
    let side = image.checked_div(patch)?;
    let base = product(&[side, side])?;
    let mut best: Option<Size> = None;
    for pinpoint in at(configs.model, &["image_grid_pinpoints"])?.as_array()? {
        let [high, wide] = [0, 1].map(|at| {
            let pixels = pinpoint.get(at).and_then(serde_json::Value::as_u64);
            pixels.and_then(|pixels| pixels.checked_div(image))
        });
        let (high, wide) = (high?, wide?);
        let tokens = product(&[high, wide, base])?
            .checked_add(product(&[high, side])?)?
            .checked_add(base)?;
        if best.is_none_or(|best| best.tokens < tokens) {
            let tiles = product(&[high, wide])?.checked_add(1)?;
            best = Some(Size::tiles(tiles, tokens, image, patch)?);
        }
    }
    best
}

/// A square image; patches are merged two by two each way.
pub fn mistral3(configs: &Configs<'_>) -> Option<Size> {
    const ASSUMED: &str = "images of 1540 pixels a side are taken, as the config's class has it";
    let stated = configs.number(&["vision_config", "image_size"]);
    let image = stated.unwrap_or(1540);
    let patch = configs
        .number(&["vision_config", "patch_size"])
        .unwrap_or(14);
    let merge = configs.number(&["spatial_merge_size"]).unwrap_or(2);
    let side = image.checked_div(product(&[patch, merge])?)?;
    let one = Size::tiles(1, product(&[side, side])?, image, patch)?;
    Some(if stated.is_none() {
        one.assuming(ASSUMED)
    } else {
        one
    })
}

/// Thirty seconds of sound: frames of 10 ms, halved by a convolution and again by pooling.
pub fn qwen2_audio(configs: &Configs<'_>) -> Option<Size> {
    let bins = configs
        .number(&["audio_config", "num_mel_bins"])
        .unwrap_or(128);
    Some(Size {
        tokens: 750,
        inputs: product(&[bins, 3000])?,
        patches: 1500,
        levels: 0,
        limit: 999,
        assumed: None,
    })
}

/// Thirty seconds of sound: two frames for each position of the encoder.
pub fn whisper(configs: &Configs<'_>) -> Option<Size> {
    let positions = configs.number(&["max_source_positions"]).unwrap_or(1500);
    let bins = configs.number(&["num_mel_bins"]).unwrap_or(80);
    Some(Size {
        tokens: positions,
        inputs: product(&[bins, positions, 2])?,
        patches: positions,
        levels: 0,
        limit: 1,
        assumed: None,
    })
}
