//! Inkling with what it sees and hears: a small network that folds patches step by step, and a table of sounds. Inkling
//! 2 sees through a transformer instead.
//!
//! Source: transformers `models/inkling` and `models/inkling2`, and its `conversion_mapping.py` for the published names.

use super::Family;
use super::idefics2::merged;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::multimodal::{Language, Tied, known_class};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// Inkling with what it sees and hears.
pub const FAMILY: Family = Family {
    name: "inkling-mm",
    model_types: &["inkling2", "inkling_mm_model"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let second = fields.opt_text("model_type")? == Some("inkling2");
    let (classes, default): (&[&str], _) = if second {
        (&["Inkling2ForConditionalGeneration"], "inkling2_text")
    } else {
        (
            &[
                "InklingForConditionalGeneration",
                "InklingMMForConditionalGeneration",
            ],
            "inkling_text",
        )
    };
    known_class(fields, classes)?;
    let vision = fields.object("vision_config")?;
    let language = Language {
        tied: Tied::Inner,
        ..Language::new(default, "model.llm.", false)
    };
    let text = language.add(b, fields)?;
    let hidden = text.size_or("hidden_size", if second { 4608 } else { 6144 })?;
    b.scope("model.visual.", |b| {
        b.all_as(Role::Vision, |b| {
            if second {
                transformer(b, &vision, hidden)
            } else {
                folds(b, &vision, hidden)
            }
        })
    })?;
    if let Some(audio) = fields.opt_object("audio_config")?.filter(|_| !second) {
        let bins = audio.size_or("n_mel_bins|num_codebooks", 80)?;
        let steps = audio.size_or("mel_vocab_size|codebook_size", 256)?;
        let role = Role::Audio;
        b.scope("model.audio.", |b| {
            b.embedding("encoder", role, bins * steps, hidden);
            b.all_as(role, |b| b.norm("final_norm", hidden, false));
        });
    }
    Ok(())
}

/// How far patches are folded after a layer: frames, side, and channels.
type Scale = (u64, u64, u64);

/// Adds the layers that fold a patch of pixels, each over a few neighbours, until one vector is left.
fn folds(b: &mut Builder, fields: &Fields<'_>, hidden: u64) -> Result<()> {
    let scales = scales(fields)?;
    let last = scales.len().saturating_sub(2);
    b.scope("layers.", |b| -> Result<()> {
        for (number, pair) in scales.windows(2).enumerate() {
            let [
                (frames, side, channels),
                (next_frames, next_side, next_channels),
            ] = *pair
            else {
                continue;
            };
            let (step, time) = (next_side / side, next_frames / frames);
            let Some(inputs) = step
                .checked_mul(step)
                .and_then(|fold| fold.checked_mul(time)?.checked_mul(channels))
            else {
                return Err(fields.error("patch_size", "is larger than any model's"));
            };
            let outputs = if number == last {
                hidden
            } else {
                next_channels
            };
            b.linear(
                &format!("linear_{number}"),
                Role::Vision,
                outputs,
                inputs,
                false,
            );
            if number != last {
                b.norm(&format!("norm_{number}"), outputs, false);
            }
        }
        Ok(())
    })?;
    b.norm("final_norm", hidden, false);
    Ok(())
}

/// The scales before the first layer and after each: of all that the prime factors of the patch give, from the largest
/// factor on and first in space and then in time, those nearest to a steady growth. With fewer layers than scales no
/// scale comes twice.
fn scales(fields: &Fields<'_>) -> Result<Vec<Scale>> {
    let channels = fields.size_or("num_channels", 3)?;
    let patch = fields.size_or("patch_size", 40)?;
    let frames = fields.size_or("temporal_patch_size", 2)?;
    let layers = fields.repeats_or("n_layers|num_hidden_layers", 24)?;
    if patch > 1 << 10 || frames > 1 << 10 || channels > 1 << 10 {
        return Err(fields.error("patch_size", "is larger than any model's"));
    }
    let rounded = |numbers: u64| numbers.div_ceil(64) * 64;
    let mut known: Vec<Scale> = vec![(1, 1, channels)];
    let mut side = 1;
    for factor in factors(patch) {
        side *= factor;
        known.push((1, side, rounded(side * side * channels)));
    }
    let mut time = 1;
    for factor in factors(frames) {
        time *= factor;
        // Here the class multiplies by 64 without dividing first.
        known.push((time, side, side * side * channels * time * 64));
    }
    let count = usize::try_from(layers).unwrap_or(usize::MAX);
    #[expect(
        clippy::cast_precision_loss,
        reason = "the numbers are small, and only their logarithms are compared"
    )]
    let log = |number: u64| (number as f64).ln();
    let total = log(patch * patch * frames * channels);
    let sizes: Vec<f64> = known
        .iter()
        .map(|&(time, side, _)| log(time * side * side))
        .collect();
    let cost = |layer: usize, at: usize| -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "there are at most 2^11 layers")]
        let ideal = total * layer as f64 / count.max(1) as f64;
        sizes
            .get(at)
            .map_or(f64::INFINITY, |size| (ideal - size).abs())
    };
    let mut chosen = if count >= known.len() {
        (0..=count)
            .map(|layer| {
                (0..known.len())
                    .min_by(|&one, &other| cost(layer, one).total_cmp(&cost(layer, other)))
                    .unwrap_or(0)
            })
            .collect()
    } else {
        distinct(count + 1, known.len(), cost)
    };
    if let Some(first) = chosen.first_mut() {
        *first = 0;
    }
    if let Some(last) = chosen.last_mut() {
        *last = known.len() - 1;
    }
    Ok(chosen
        .into_iter()
        .filter_map(|at| known.get(at).copied())
        .collect())
}

/// An ascending choice of as many of `columns` as there are `rows`, such that the costs add up to the least.
fn distinct(rows: usize, columns: usize, cost: impl Fn(usize, usize) -> f64) -> Vec<usize> {
    // For each column the least cost of the rows so far that ends there, and what led to it.
    let mut best: Vec<Option<(f64, Vec<usize>)>> = (0..columns)
        .map(|column| Some((cost(0, column), vec![column])))
        .collect();
    for row in 1..rows {
        best = (0..columns)
            .map(|column| {
                best.iter()
                    .take(column)
                    .flatten()
                    .min_by(|one, other| one.0.total_cmp(&other.0))
                    .map(|(sum, path)| {
                        let mut path = path.clone();
                        path.push(column);
                        (sum + cost(row, column), path)
                    })
            })
            .collect();
    }
    best.into_iter()
        .flatten()
        .min_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, path)| path)
        .unwrap_or_default()
}

/// The prime factors of a number, the largest first.
fn factors(mut number: u64) -> Vec<u64> {
    let mut found = Vec::new();
    let mut factor = 2;
    while number > 1 {
        if number.is_multiple_of(factor) {
            number /= factor;
            found.push(factor);
        } else {
            factor += 1;
        }
    }
    found.reverse();
    found
}

/// Adds the transformer of Inkling 2, and the network behind it.
fn transformer(b: &mut Builder, fields: &Fields<'_>, outputs: u64) -> Result<()> {
    let hidden = fields.size_or("hidden_size", 1024)?;
    let layers = fields.repeats_or("num_hidden_layers", 23)?;
    let heads = fields.size_or("num_attention_heads", 16)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let width = match fields.opt_size("intermediate_size")? {
        Some(width) => width,
        None => fields.scale("mlp_ratio", hidden, fields.ratio_or("mlp_ratio", 4.0)?)?,
    };
    let channels = fields.size_or("num_channels", 3)?;
    let side = fields.size_or("patch_size|native_patch_size", 20)?;
    let grid = fields.size_or("posemb_grid_size", 32)?;
    let inner = fields.size_or("projection_hidden_dim", 4096)?;
    let bias = fields.flag_or("projector_bias", false)?;
    let inputs = merged(fields, "spatial_merge_size|adapter_merge_size", 2, hidden)?;
    let Some(pixels) = side
        .checked_mul(side)
        .and_then(|pixels| pixels.checked_mul(channels))
    else {
        return Err(fields.error("patch_size", "is larger than any model's"));
    };
    let role = Role::Vision;
    b.scope("backbone.", |b| {
        b.scope("embeddings.", |b| {
            b.tensor("class_embedding", role, &[hidden]);
            b.tensor("cls_position_embedding", role, &[hidden]);
            b.linear("patch_embedding", role, hidden, pixels, false);
            b.tensor("position_embedding", role, &[grid * grid, hidden]);
        });
        b.norm("ln_pre", hidden, true);
        // `COUNT_LIMIT` bounds the layers.
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(Stack::Vision, "layers", &numbers, |b| {
            b.scope("self_attn.", |b| {
                let names = ["q_proj", "k_proj", "v_proj", "out_proj"];
                Attention::of_heads(names, hidden, heads, head_dim, true).add(b);
            });
            b.scope("mlp.", |b| {
                plain(b, ["c_fc", "c_proj"], role, hidden, width, true);
            });
            b.feed_forward(FeedForward::Dense { width });
            for name in ["ln_1", "ln_2"] {
                b.norm(name, hidden, true);
            }
            for name in ["ls_1.gamma", "ls_2.gamma"] {
                b.tensor(name, role, &[hidden]);
            }
        });
    });
    b.linear("proj_in", role, inner, inputs, bias);
    b.linear("proj_out", role, outputs, inner, bias);
    Ok(())
}
