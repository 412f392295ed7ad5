//! What leads from a vision tower into a language model: each adds its tensors to the scope that is open, which ends
//! in a dot.
//!
//! Sources: transformers `models/llava`, `models/vipllava`, `models/mistral3`, `models/aya_vision`,
//! `models/cohere2_vision`, `models/lfm2_vl`, `models/lfm3_vl`, `models/paligemma`, `models/gemma3`, `models/aria`.

use super::builder::Builder;
use super::config::{Fields, Result};
use super::multimodal::Projector;
use crate::checkpoint::Role;
use serde_json::Value;

/// What a projector is made for.
#[derive(Clone, Copy, Debug)]
pub struct Ends<'f, 'c> {
    /// The fields of the whole model.
    pub fields: &'f Fields<'c>,
    /// The fields of the tower.
    pub vision: &'f Fields<'c>,
    /// The width of what the tower gives.
    pub seen: u64,
    /// The width of the language model.
    pub hidden: u64,
}

/// Two matrices of these names.
const LINEARS: [&str; 2] = ["linear_1", "linear_2"];

impl Ends<'_, '_> {
    /// How many layers of the tower are looked at, side by side: one number or a list of them.
    fn looked_at(&self, default: u64) -> Result<u64> {
        let name = "vision_feature_layer|vision_feature_layers";
        match self.fields.value(name) {
            None => {
                self.fields.assume(
                    name,
                    format!("{default} of them"),
                    "not in the config; the default of its model class",
                );
                Ok(default)
            }
            Some(Value::Number(_)) => Ok(1),
            Some(Value::Array(list)) if (1..=256).contains(&list.len()) => Ok(list.len() as u64),
            Some(_) => Err(self
                .fields
                .error(name, "must be the number of a layer, or a list of them")),
        }
    }

    /// The width of so many neighbouring patches side by side that make a square of this side.
    fn square(&self, fields: &Fields<'_>, name: &str, default: u64) -> Result<u64> {
        let side = fields.size_or(name, default)?;
        if side > 256 {
            return Err(fields.error(name, format!("{side} is larger than any model's")));
        }
        Ok(self.seen * side * side)
    }

    const fn of(&self, inputs: u64, bias: bool) -> Projector {
        Projector {
            inputs,
            inner: self.hidden,
            outputs: self.hidden,
            bias,
        }
    }
}

/// A projector.
pub type Add = fn(&mut Builder, &Ends<'_, '_>) -> Result<()>;

/// LLaVA's: two matrices.
///
/// # Errors
/// If a field is wrong.
pub fn llava(b: &mut Builder, ends: &Ends<'_, '_>) -> Result<()> {
    let bias = ends.fields.flag_or("multimodal_projector_bias", true)?;
    ends.of(ends.seen * ends.looked_at(1)?, bias)
        .add(b, LINEARS);
    Ok(())
}

/// ViP-LLaVA's: a norm and two matrices, over several layers of the tower.
///
/// # Errors
/// If a field is wrong.
pub fn vip_llava(b: &mut Builder, ends: &Ends<'_, '_>) -> Result<()> {
    let inputs = ends.seen * ends.looked_at(5)?;
    b.all_as(Role::Projector, |b| {
        b.norm("projector_layernorm", inputs, true);
    });
    ends.of(inputs, true).add(b, LINEARS);
    Ok(())
}

/// Mistral Small 3.1's: a norm, a matrix that merges patches, and two more.
///
/// # Errors
/// If a field is wrong.
pub fn mistral(b: &mut Builder, ends: &Ends<'_, '_>) -> Result<()> {
    let bias = ends.fields.flag_or("multimodal_projector_bias", false)?;
    merging(b, ends)?;
    ends.of(ends.seen * ends.looked_at(1)?, bias)
        .add(b, LINEARS);
    Ok(())
}

/// LightOnOCR's: as Mistral's, without biases and over the last layer.
///
/// # Errors
/// If a field is wrong.
pub fn light_on_ocr(b: &mut Builder, ends: &Ends<'_, '_>) -> Result<()> {
    merging(b, ends)?;
    ends.of(ends.seen, false).add(b, LINEARS);
    Ok(())
}

fn merging(b: &mut Builder, ends: &Ends<'_, '_>) -> Result<()> {
    let merged = ends.square(ends.fields, "spatial_merge_size", 2)?;
    let role = Role::Projector;
    b.all_as(role, |b| b.norm("norm", ends.seen, false));
    b.linear("patch_merger.merging_layer", role, ends.seen, merged, false);
    Ok(())
}

/// Aya Vision's: a norm over patches side by side, and a gated network.
///
/// # Errors
/// If a field is wrong.
pub fn aya(b: &mut Builder, ends: &Ends<'_, '_>) -> Result<()> {
    let inputs = ends.square(ends.fields, "downsample_factor", 2)?;
    b.all_as(Role::Projector, |b| b.norm("layernorm", inputs, true));
    let inner = ends.fields.size_from(
        "alignment_intermediate_size",
        ends.hidden,
        "not in the config: hidden_size of the text model",
    )?;
    halving(b, ends, inputs, inner);
    Ok(())
}

/// That of Command A Vision: the same without a norm.
///
/// # Errors
/// If a field is wrong.
pub fn cohere(b: &mut Builder, ends: &Ends<'_, '_>) -> Result<()> {
    let inputs = ends.square(ends.fields, "downsample_factor", 2)?;
    let inner = ends.fields.size_or("alignment_intermediate_size", 36_864)?;
    halving(b, ends, inputs, inner);
    Ok(())
}

/// Half of what the first matrix gives is a gate of the other half.
fn halving(b: &mut Builder, ends: &Ends<'_, '_>, inputs: u64, inner: u64) {
    let role = Role::Projector;
    b.linear("linear_1", role, inner, inputs, true);
    b.linear("linear_2", role, ends.hidden, inner / 2, true);
}

/// That of LFM2-VL: a norm over patches side by side, unless it is turned off, and two matrices.
///
/// # Errors
/// If a field is wrong.
pub fn lfm2(b: &mut Builder, ends: &Ends<'_, '_>) -> Result<()> {
    let inputs = ends.square(ends.fields, "downsample_factor", 2)?;
    let norm = ends.fields.flag_or("projector_use_layernorm", true)?;
    lfm(b, ends, inputs, norm.then_some(inputs), 2560)
}

/// That of LFM3-VL: a norm over each patch, and two matrices over several side by side.
///
/// # Errors
/// If a field is wrong.
pub fn lfm3(b: &mut Builder, ends: &Ends<'_, '_>) -> Result<()> {
    let inputs = ends.square(ends.vision, "spatial_merge_size", 2)?;
    lfm(b, ends, inputs, Some(ends.seen), 4096)
}

fn lfm(
    b: &mut Builder,
    ends: &Ends<'_, '_>,
    inputs: u64,
    norm: Option<u64>,
    inner: u64,
) -> Result<()> {
    if let Some(width) = norm {
        b.all_as(Role::Projector, |b| b.norm("layer_norm", width, true));
    }
    let inner = ends.fields.size_or("projector_hidden_size", inner)?;
    let bias = ends.fields.flag_or("projector_bias", true)?;
    Projector {
        inner,
        ..ends.of(inputs, bias)
    }
    .add(b, LINEARS);
    Ok(())
}

/// PaliGemma's: one matrix.
///
/// # Errors
/// If a field is wrong.
pub fn pali_gemma(b: &mut Builder, ends: &Ends<'_, '_>) -> Result<()> {
    let outputs = ends.fields.size_or("projection_dim", 2048)?;
    b.linear("linear", Role::Projector, outputs, ends.seen, true);
    Ok(())
}

/// Gemma 3's: a norm and one matrix, transposed.
///
/// # Errors
/// Never: the others read fields.
#[expect(
    clippy::unnecessary_wraps,
    reason = "a table holds it beside projectors that can fail"
)]
pub fn gemma3(b: &mut Builder, ends: &Ends<'_, '_>) -> Result<()> {
    let shape = [ends.seen, ends.hidden];
    let role = Role::Projector;
    b.tensor("mm_input_projection_weight", role, &shape);
    b.all_as(role, |b| b.norm("mm_soft_emb_norm", ends.seen, false));
    Ok(())
}

/// Aria's: learned queries that attend to the patches, and a network.
///
/// # Errors
/// If a field is wrong.
pub fn aria(b: &mut Builder, ends: &Ends<'_, '_>) -> Result<()> {
    let Ends { seen, hidden, .. } = *ends;
    let queries = aria_queries(ends.fields)?;
    let role = Role::Projector;
    b.all_as(role, |b| {
        b.tensor("query", role, &[queries, seen]);
        b.scope("cross_attn.", |b| {
            for name in ["q_proj", "k_proj", "v_proj"] {
                b.linear(name, role, seen, seen, false);
            }
            b.tensor("multihead_attn.in_proj_weight", role, &[3 * seen, seen]);
            b.tensor("multihead_attn.in_proj_bias", role, &[3 * seen]);
            b.linear("multihead_attn.out_proj", role, seen, seen, true);
            b.linear("linear", role, seen, seen, true);
            b.norm("layer_norm", seen, true);
            b.norm("layer_norm_kv", seen, true);
        });
        b.norm("layer_norm", seen, true);
        b.linear("feed_forward.linear_in", role, hidden, seen, false);
        b.linear("feed_forward.linear_out", role, hidden, hidden, false);
    });
    Ok(())
}

/// The largest number of queries that any size of image gets.
fn aria_queries(fields: &Fields<'_>) -> Result<u64> {
    const NAME: &str = "projector_patch_to_query_dict";
    if let Some(most) = fields.opt_size("max_value_projector_patch_to_query_dict")? {
        return Ok(most);
    }
    let Some(sizes) = fields.opt_object(NAME)? else {
        fields.assume(
            NAME,
            256,
            "not in the config; the default of its model class",
        );
        return Ok(256);
    };
    let mut most = 0;
    for patches in sizes.names() {
        most = most.max(sizes.size(patches)?);
    }
    if most == 0 {
        return Err(fields.error(NAME, "has no sizes of images"));
    }
    Ok(most)
}
