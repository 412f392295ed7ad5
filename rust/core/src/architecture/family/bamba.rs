//! Hybrids of attention and Mamba 2 in the names of Llama: Bamba, Granite 4 (granitemoehybrid) and Falcon-H1, whose
//! layers have both side by side.
//!
//! Source: transformers `models/bamba`, `models/granitemoehybrid` and `models/falcon_h1`.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::dense;
use crate::architecture::hybrid::{Kind, attends_if, kinds};
use crate::architecture::layer::FeedForward;
use crate::architecture::mamba::Mamba2;
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// Bamba and its kin.
pub const FAMILY: Family = Family {
    name: "bamba",
    model_types: &["bamba", "falcon_h1", "granitemoehybrid"],
    lower,
    text: Some(text),
};

/// In what the kin of Bamba differ.
#[derive(Clone, Copy)]
enum Kin {
    Bamba,
    FalconH1,
    Granite,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let kin = match fields.opt_text("model_type")? {
        Some("falcon_h1") => Kin::FalconH1,
        Some("granitemoehybrid") => Kin::Granite,
        _ => Kin::Bamba,
    };
    let mut frame = Frame::llama(fields)?;
    let mut norms = ["input_layernorm", "post_attention_layernorm"];
    if !matches!(kin, Kin::Granite) {
        frame.norm = Some(("final_layernorm", false));
        norms = ["input_layernorm", "pre_ff_layernorm"];
    }
    let hidden = frame.hidden;
    let layers = fields.repeats("num_hidden_layers")?;
    let kinds = match kin {
        Kin::Bamba => {
            let attending = fields.opt_counts("attn_layer_indices")?.unwrap_or_default();
            (0..layers)
                .map(|layer| attends_if(attending.contains(&layer)))
                .collect()
        }
        // Its layers have both.
        Kin::FalconH1 => vec![Kind::State; usize::try_from(layers).unwrap_or(0)],
        Kin::Granite => kinds(fields, "layer_types|layers_block_type", layers, |_| {
            Kind::State
        })?,
    };
    let attention = attention(fields, hidden)?;
    // A model without state spaces need not say how large they would be.
    let mixer = if kinds.contains(&Kind::State) {
        Some(mixer(fields, hidden, kin)?)
    } else {
        None
    };
    let feed_forward = match kin {
        Kin::Granite => None,
        _ => Some((
            fields.size("intermediate_size")?,
            fields.flag_or("mlp_bias", false)?,
        )),
    };
    let granite = match kin {
        Kin::Granite => Some(Granite::read(fields, hidden)?),
        _ => None,
    };
    frame.add(b, fields, place, kinds, |b, &kind| {
        match (kind, &mixer) {
            (Kind::State, Some(mixer)) => b.scope("mamba.", |b| mixer.add(b)),
            _ => b.scope("self_attn.", |b| attention.add(b)),
        }
        if matches!(kin, Kin::FalconH1) {
            b.scope("self_attn.", |b| attention.add(b));
        }
        if let Some((width, bias)) = feed_forward {
            dense(b, "feed_forward.", hidden, width, bias);
        }
        if let Some(granite) = &granite {
            granite.add(b);
        }
        for norm in norms {
            b.norm(norm, hidden, false);
        }
        Ok(())
    })
}

fn attention(fields: &Fields<'_>, hidden: u64) -> Result<Attention<'static>> {
    let mut attention = Attention::read(fields, hidden)?;
    let bias = fields.flag_or("attention_bias", false)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    Ok(attention)
}

fn mixer(fields: &Fields<'_>, hidden: u64, kin: Kin) -> Result<Mamba2> {
    let inner = match fields.opt_size("mamba_d_ssm")? {
        Some(inner) if matches!(kin, Kin::FalconH1) => inner,
        _ => hidden * fields.size_or("mamba_expand", 2)?,
    };
    let mixer = Mamba2::read(fields, hidden, inner)?;
    Ok(match kin {
        Kin::Bamba | Kin::Granite => mixer,
        Kin::FalconH1 => Mamba2 {
            norm: fields.flag_or("mamba_rms_norm", false)?,
            bias: [
                fields.flag_or("mamba_proj_bias", false)?,
                fields.flag_or("projectors_bias", false)?,
            ],
            ..mixer
        },
    })
}

/// The feed-forward of Granite: experts, if there are any, and a network beside them that every token visits.
struct Granite {
    hidden: u64,
    experts: u64,
    chosen: u64,
    width: u64,
    shared: u64,
}

impl Granite {
    fn read(fields: &Fields<'_>, hidden: u64) -> Result<Self> {
        let experts = fields.repeats_or("num_local_experts", 8)?;
        let some = experts > 0;
        Ok(Self {
            hidden,
            experts,
            chosen: if some {
                fields.size_or("num_experts_per_tok", 2)?
            } else {
                0
            },
            width: if some {
                fields.size("intermediate_size")?
            } else {
                0
            },
            shared: fields.size_or("shared_intermediate_size", 1024)?,
        })
    }

    fn add(&self, b: &mut Builder) {
        let Self {
            hidden,
            experts,
            chosen,
            width,
            shared,
        } = *self;
        let role = if experts > 0 {
            Role::SharedExpert
        } else {
            Role::Mlp
        };
        b.scope("shared_mlp.", |b| {
            b.linear("input_linear", role, 2 * shared, hidden, false);
            b.linear("output_linear", role, hidden, shared, false);
        });
        if experts == 0 {
            b.feed_forward(FeedForward::Dense { width: shared });
            return;
        }
        b.scope("block_sparse_moe.", |b| {
            b.linear("router.layer", Role::Router, experts, hidden, false);
            b.routed(chosen, experts, |b| {
                let role = Role::Expert;
                b.tensor("input_linear.weight", role, &[experts, 2 * width, hidden]);
                b.tensor("output_linear.weight", role, &[experts, hidden, width]);
            });
        });
        b.feed_forward(FeedForward::Experts {
            experts,
            chosen,
            width,
            shared_width: shared,
        });
    }
}
