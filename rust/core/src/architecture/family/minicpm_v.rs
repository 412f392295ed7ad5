//! MiniCPM-V: SigLIP and a resampler before Qwen2 (2.6), or a SigLIP that merges windows in its middle before Qwen3.5
//! (4.6 and 4.7).
//!
//! Sources: transformers `models/minicpmv4_6` and `models/minicpmv4_7`; for 2.6 `modeling_minicpmv.py` and
//! `resampler.py` beside the published checkpoint, and the index of a model made from it.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::heads::{Multihead, PROJECTIONS};
use crate::architecture::multimodal::{Language, Projector, Tied, known_class};
use crate::architecture::template::Numbers;
use crate::architecture::vision::clip::siglip;
use crate::architecture::vision::sides;
use crate::checkpoint::Role;

/// MiniCPM-V.
pub const FAMILY: Family = Family {
    name: "minicpm-v",
    model_types: &["minicpmv", "minicpmv4_6", "minicpmv4_7"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let class = match fields.opt_text("model_type")? {
        Some("minicpmv4_6") => "MiniCPMV4_6ForConditionalGeneration",
        Some("minicpmv4_7") => "MiniCPMV4_7ForConditionalGeneration",
        _ => return resampled(b, fields),
    };
    known_class(fields, &[class])?;
    let vision = fields.object("vision_config")?;
    let text = Language::new("qwen3_5_text", "model.language_model.", false).add(b, fields)?;
    let hidden = text.size("hidden_size")?;
    b.scope("model.", |b| {
        let seen = b.scope("vision_tower.", |b| {
            let seen = siglip(b, &vision, false)?;
            b.all_as(Role::Vision, |b| {
                b.scope("vit_merger.", |b| windows(b, &vision, seen))
            })?;
            Ok(seen)
        })?;
        merger(b, fields, seen, hidden)
    })
}

/// Adds what merges the patches of a window in the middle of the tower.
fn windows(b: &mut Builder, fields: &Fields<'_>, hidden: u64) -> Result<()> {
    let heads = fields.size_or("num_attention_heads", 12)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let width = fields.size_or("intermediate_size", 3072)?;
    let (height, across) = sides(fields, "window_kernel_size", 2)?;
    // Three sizes of at most 2^21 each.
    let (joined, inner) = (hidden * height * across, width * height * across);
    b.norm("layer_norm1", hidden, true);
    b.scope("self_attn.", |b| {
        Multihead::new(PROJECTIONS, hidden, heads, head_dim, true).tensors(b);
    });
    b.norm("pre_norm", joined, true);
    b.linear("linear_1", Role::Vision, inner, joined, true);
    b.linear("linear_2", Role::Vision, hidden, inner, true);
    Ok(())
}

/// Adds what merges four patches at a time behind the tower, so many times, the last time into the language model.
fn merger(b: &mut Builder, fields: &Fields<'_>, seen: u64, hidden: u64) -> Result<()> {
    let times = fields.repeats_or("merger_times", 1)?;
    let Some(last) = times.checked_sub(1) else {
        return Err(fields.error("merger_times", "must be at least 1"));
    };
    let last = u32::try_from(last).unwrap_or(u32::MAX);
    b.all_as(Role::Projector, |b| {
        for (numbers, outputs) in [
            (Numbers::Below(last), seen),
            (Numbers::Listed([last].into()), hidden),
        ] {
            if numbers.is_empty() {
                continue;
            }
            b.each("merger.mlp", numbers, |b| {
                let joined = 4 * seen;
                b.norm("pre_norm", joined, true);
                let projector = Projector {
                    inputs: joined,
                    inner: joined,
                    outputs,
                    bias: true,
                };
                projector.add(b, ["linear_1", "linear_2"]);
            });
        }
    });
    Ok(())
}

/// MiniCPM-V 2.6.
fn resampled(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    const VERSION: &str = "version";
    known_class(fields, &["MiniCPMV"])?;
    if fields.opt_ratio(VERSION)? != Some(2.6) {
        return Err(fields.error(
            VERSION,
            "is not 2.6, the only one known for this model type",
        ));
    }
    if fields.opt_flag("use_gene_module")? == Some(true) {
        return Err(fields.error("use_gene_module", "is true, and that part is not known"));
    }
    if fields.opt_flag("drop_vision_last_layer")? == Some(true) {
        return Err(fields.error(
            "drop_vision_last_layer",
            "is true, and no such 2.6 is known",
        ));
    }
    let vision = fields.object("vision_config")?;
    let queries = fields.size_or("query_num", 64)?;
    fields.take_model_type("qwen2");
    let language = Language {
        // The config is flat.
        object: "llm_config",
        flat: true,
        head: "llm.",
        tied: Tied::Inner,
        ..Language::new("qwen2", "llm.model.", false)
    };
    let hidden = language.add(b, fields)?.size("hidden_size")?;
    let seen = b.scope("vpm.", |b| siglip(b, &vision, false))?;
    let role = Role::Projector;
    b.scope("resampler.", |b| {
        b.all_as(role, |b| {
            b.tensor("query", role, &[queries, hidden]);
            b.tensor("proj", role, &[hidden, hidden]);
            b.linear("kv_proj", role, hidden, seen, false);
            b.tensor("attn.in_proj_weight", role, &[3 * hidden, hidden]);
            b.tensor("attn.in_proj_bias", role, &[3 * hidden]);
            b.linear("attn.out_proj", role, hidden, hidden, true);
            for norm in ["ln_q", "ln_kv", "ln_post"] {
                b.norm(norm, hidden, true);
            }
        });
    });
    Ok(())
}
