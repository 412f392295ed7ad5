//! DeepSeek-OCR: the encoder of Segment Anything, two convolutions, and a second encoder on top of them, which is CLIP
//! in the first version and a small Qwen2 with learned queries in the second, before a DeepSeek-V2 without latent
//! attention.
//!
//! Sources: `deepencoder.py`, `deepencoderv2.py` and `modeling_deepseekocr.py` beside the published checkpoints, and
//! their indexes; the sizes of the second version's encoder are those of transformers `models/deepseek_ocr2` as the
//! published config fills it.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::{GATED, gated, plain};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::multimodal::{Language, Tied};
use crate::architecture::place::class;
use crate::architecture::template::Numbers;
use crate::architecture::vision::sam::{ORIGINAL, Sizes, sam_with};
use crate::checkpoint::Role;

/// DeepSeek-OCR.
pub const FAMILY: Family = Family {
    name: "deepseek-ocr",
    model_types: &["DeepseekOCR", "deepseek_vl_v2"],
    lower,
    text: None,
};

const VISION: Role = Role::Vision;

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let second = match class(fields)? {
        Some("DeepseekOCRForCausalLM") => false,
        Some("DeepseekOCR2ForCausalLM") => true,
        other => {
            return Err(fields.error(
                "architectures",
                format!(
                    "{} is not known here, only DeepSeek-OCR and DeepSeek-OCR 2 are",
                    other.unwrap_or("no class")
                ),
            ));
        }
    };
    // Its class is that of the language model and reads the outer fields; `language_config` repeats them.
    let language = Language {
        flat: true,
        tied: Tied::Never,
        ..Language::new("deepseek_v2", "model.", false)
    };
    let hidden = language.add(b, fields)?.size("hidden_size")?;
    let projector = fields.object("projector_config")?;
    if projector.text_or("projector_type", "linear")? != "linear" {
        return Err(projector.error("projector_type", "is not \"linear\", the only one known"));
    }
    let outputs = projector.size_or("n_embed", hidden)?;
    let inputs = projector.size_or("input_dim", if second { 896 } else { 2048 })?;
    let towers = fields.object("vision_config")?.object("width")?;
    b.scope("model.", |b| {
        b.scope("sam_model.", |b| sam(b, &towers.object("sam_vit_b")?))?;
        if second {
            b.scope("qwen2_model.", |b| qwen2(b, &towers.object("qwen2-0-5b")?))?;
        } else {
            b.scope("vision_model.", |b| {
                clip(b, &towers.object("clip-l-14-224")?)
            })?;
            b.tensor("image_newline", Role::Projector, &[outputs]);
        }
        b.linear("projector.layers", Role::Projector, outputs, inputs, true);
        // The name is misspelt in the original, too.
        b.tensor("view_seperator", Role::Projector, &[outputs]);
        Ok(())
    })
}

/// Adds the encoder of Segment Anything and the two convolutions behind its neck.
fn sam(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let hidden = fields.size_or("width", 768)?;
    let sizes = Sizes {
        hidden,
        width: 4 * hidden,
        layers: fields.repeats_or("layers", 12)?,
        heads: fields.size_or("heads", 12)?,
        everywhere: fields
            .opt_counts("global_attn_indexes")?
            .unwrap_or_else(|| vec![2, 5, 8, 11]),
        ..Sizes::base()
    };
    let output = sizes.output;
    let channels = fields.opt_counts("downsample_channels")?;
    let (first, second) = match channels.as_deref() {
        None => (512, 1024),
        Some(&[first, second]) if first < 1 << 21 && second < 1 << 21 => (first, second),
        Some(_) => {
            return Err(fields.error("downsample_channels", "must be a list of two sizes"));
        }
    };
    sam_with(b, fields, &sizes, &ORIGINAL)?;
    b.tensor("net_2.weight", VISION, &[first, output, 3, 3]);
    b.tensor("net_3.weight", VISION, &[second, first, 3, 3]);
    Ok(())
}

/// Adds the first version's second encoder, whose network is four times as wide as itself.
fn clip(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let hidden = fields.size_or("width", 1024)?;
    let layers = fields.repeats_or("layers", 24)?;
    let heads = fields.size_or("heads", 16)?;
    let head_dim = fields.divide("width", hidden, "heads", heads)?;
    let image = fields.size_or("image_size", 224)?;
    let patch = fields.size_or("patch_size", 14)?;
    let side = fields.divide("image_size", image, "patch_size", patch)?;
    let positions = side * side + 1;
    let width = 4 * hidden;
    b.all_as(VISION, |b| {
        b.scope("embeddings.", |b| {
            b.tensor("class_embedding", VISION, &[hidden]);
            b.tensor("patch_embedding.weight", VISION, &[hidden, 3, patch, patch]);
            b.embedding("position_embedding", VISION, positions, hidden);
            b.buffer("position_ids", VISION, &[1, positions]);
        });
        b.norm("pre_layrnorm", hidden, true);
        // `COUNT_LIMIT` bounds their number.
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(Stack::Vision, "transformer.layers", &numbers, |b| {
            b.norm("layer_norm1", hidden, true);
            let attention = Attention {
                fused: true,
                ..Attention::of_heads(
                    ["qkv_proj", "", "", "out_proj"],
                    hidden,
                    heads,
                    head_dim,
                    true,
                )
            };
            b.scope("self_attn.", |b| attention.add(b));
            b.norm("layer_norm2", hidden, true);
            b.scope("mlp.", |b| {
                plain(b, ["fc1", "fc2"], VISION, hidden, width, true);
            });
            b.feed_forward(FeedForward::Dense { width });
        });
    });
    Ok(())
}

/// Layers, heads, heads of keys and values, and inner width of Qwen2-0.5B; its width is in the config.
const SMALL: [u64; 4] = [24, 14, 2, 4864];

/// The learned queries for images of either size.
const QUERIES: [(&str, u64); 2] = [("query_768", 144), ("query_1024", 256)];

/// Adds the second version's second encoder, which has no embedding of words.
fn qwen2(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let hidden = fields.size_or("dim", 896)?;
    if hidden != 896 {
        return Err(fields.error(
            "dim",
            "is not 896, the width of the only encoder that is known",
        ));
    }
    let [layers, heads, kv_heads, width] = SMALL;
    let head_dim = fields.divide("dim", hidden, "num_attention_heads", heads)?;
    let names = ["q_proj", "k_proj", "v_proj", "o_proj"];
    let attention = Attention {
        kv_heads,
        output_bias: false,
        ..Attention::of_heads(names, hidden, heads, head_dim, true)
    };
    b.all_as(VISION, |b| {
        for (name, queries) in QUERIES {
            b.tensor(&format!("{name}.weight"), VISION, &[queries, hidden]);
        }
        b.scope("model.model.", |b| {
            let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
            b.layers(Stack::Vision, "layers", &numbers, |b| {
                b.scope("self_attn.", |b| attention.add(b));
                b.scope("mlp.", |b| gated(b, GATED, VISION, hidden, width, false));
                b.feed_forward(FeedForward::Dense { width });
                b.norm("input_layernorm", hidden, false);
                b.norm("post_attention_layernorm", hidden, false);
            });
            b.norm("norm", hidden, false);
        });
    });
    Ok(())
}
