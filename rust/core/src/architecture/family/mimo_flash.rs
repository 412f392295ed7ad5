//! MiMo-V2-Flash: windows with sinks and other heads than full layers have, values narrower than keys.
//!
//! Source: transformers `models/mimo_v2_flash`, saved under the published names; the older names of fields from vLLM
//! `models/mimo_v2.py` and `models/mimo_v2_mtp.py`. Published files have layers that predict ahead as well
//! (`model.mtp.layers`), of which the config says nothing.

use super::Family;
use crate::architecture::attention::{Attention, reaches};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::Experts;
use crate::architecture::layer::Reach;
use crate::architecture::mixture::{Mixture, sparse_layers};
use crate::architecture::place::Place;
use crate::architecture::prediction;

/// MiMo-V2-Flash.
pub const FAMILY: Family = Family {
    name: "mimo-flash",
    model_types: &["mimo_v2_flash"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let (full, sliding) = attentions(fields, hidden)?;
    let experts = Experts {
        correction: Some("gate.e_score_correction_bias"),
        ..Experts::new(
            hidden,
            fields.repeats_or("n_routed_experts|num_local_experts", 256)?,
            fields.size_or("num_experts_per_tok", 8)?,
            fields.size_or("moe_intermediate_size", 2048)?,
        )
    };
    if fields
        .opt_count("n_shared_experts")?
        .is_some_and(|shared| shared > 0)
    {
        return Err(fields.error(
            "n_shared_experts",
            "a shared expert is not known of this model type",
        ));
    }
    let mixture = Mixture::new(full, experts, Some(fields.size("intermediate_size")?));
    let layers = fields.repeats("num_hidden_layers")?;
    let listed = |name: &str| -> Result<Option<Vec<u64>>> {
        let listed = fields.opt_counts(name)?;
        match &listed {
            Some(listed) if (listed.len() as u64) < layers => Err(fields.error(
                name,
                format!("has {} items for {layers} layers", listed.len()),
            )),
            _ => Ok(listed),
        }
    };
    let of = |list: &Option<Vec<u64>>, layer: u64| {
        let at = usize::try_from(layer).ok()?;
        list.as_ref()?.get(at).map(|&flag| flag != 0)
    };
    let freq = listed("moe_layer_freq")?;
    let sparse = sparse_layers(fields, layers, |layer| {
        of(&freq, layer).unwrap_or(layer > 0)
    })?;
    let window = sliding.reach;
    let pattern = listed("hybrid_layer_pattern")?;
    let size = match window {
        Reach::Sliding(size) => Some(size),
        Reach::Full | Reach::Chunked(_) => None,
    };
    let reaches = reaches(fields, layers, size, |layer| {
        let slides = of(&pattern, layer).unwrap_or(layer > 0 && !(layer + 1).is_multiple_of(6));
        if slides { window } else { Reach::Full }
    })?;
    let plans = reaches.into_iter().zip(sparse);
    frame.add(b, fields, place, plans, |b, &(reach, sparse)| {
        let attention = match reach {
            Reach::Full => &mixture.attention,
            Reach::Sliding(_) | Reach::Chunked(_) => &sliding,
        };
        mixture.block_with(b, fields, attention, sparse)
    })?;
    prediction::left_out(fields)
}

/// The attention of full and of sliding layers.
fn attentions(
    fields: &Fields<'_>,
    hidden: u64,
) -> Result<(Attention<'static>, Attention<'static>)> {
    let mut full = Attention::read_with(fields, hidden, Some(192), Some(4))?;
    full.bias = fields.flag_or("attention_bias", false)?;
    full.value_dim = fields.size_or("v_head_dim", 128)?;
    full.sinks_name = "attention_sink_bias";
    full.sinks = fields
        .opt_flag("add_full_attention_sink_bias")?
        .unwrap_or(false);
    let mut sliding = full.clone();
    sliding.sinks = fields
        .opt_flag("add_swa_attention_sink_bias")?
        .unwrap_or(true);
    sliding.heads = fields
        .opt_size("swa_num_attention_heads")?
        .unwrap_or(full.heads);
    sliding.kv_heads = fields.size_from(
        "swa_num_key_value_heads",
        2 * full.kv_heads,
        "not in the config: sliding layers have twice the heads of keys and values",
    )?;
    fields.divide(
        "swa_num_attention_heads",
        sliding.heads,
        "swa_num_key_value_heads",
        sliding.kv_heads,
    )?;
    sliding.head_dim = fields.opt_size("swa_head_dim")?.unwrap_or(full.head_dim);
    sliding.value_dim = fields.opt_size("swa_v_head_dim")?.unwrap_or(full.value_dim);
    // The older field counts the tokens before the current one.
    let window = match fields.opt_size("sliding_window_size")? {
        Some(before) => before + 1,
        None => fields.size_or("sliding_window", 129)?,
    };
    sliding.reach = Reach::Sliding(window);
    Ok((full, sliding))
}
