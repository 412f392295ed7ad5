//! Inkling 2: attention with clipped lengths, gates and sinks, convolutions that change with the token in the layers
//! that see everything, and residuals that attend to earlier blocks.
//!
//! Source: transformers `models/inkling2`, and its `conversion_mapping.py` for the names, which are those of the
//! published files.

use super::Family;
use super::inkling::Geometry;
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::mamba::convolution;
use crate::architecture::place::{Place, Top};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// Inkling 2.
pub const FAMILY: Family = Family {
    name: "inkling2",
    model_types: &["inkling2_text"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.llm.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let hidden = fields.size_or("hidden_size", 4608)?;
    let vocabulary = fields.size_or("vocab_size", 201_024)?;
    let layers = fields.repeats_or("num_hidden_layers", 48)?;
    let block = Block::read(fields, hidden)?;
    let slides = slides(fields, layers)?;
    match place.top {
        Top::LanguageModel | Top::None => {}
        _ => {
            return Err(fields.error(
                "architectures",
                "names a class that this family does not have",
            ));
        }
    }
    b.scope(place.model, |b| {
        b.embedding("embed", Role::Embedding, vocabulary, hidden);
        b.norm("embed_norm", hidden, false);
        // The queries of a layer's input are stored under the number before its own; the first layer has none.
        b.scope("attn_res.", |b| {
            let role = Role::Attention;
            for (slides, numbers) in group(slides.iter().skip(1).copied()) {
                let shape: &[u64] = if slides { &[hidden] } else { &[3, hidden] };
                b.numbered("attn_queries", numbers, role, shape);
            }
            // `COUNT_LIMIT` bounds their number.
            let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
            b.numbered("mlp_queries", numbers, role, &[hidden]);
            b.tensor("output_query", role, &[hidden]);
        });
        for (slides, numbers) in group(slides) {
            b.layers(Stack::Decoder, "layers", &numbers, |b| block.add(b, slides));
        }
        b.norm("norm", hidden, false);
        if place.top == Top::LanguageModel {
            b.linear("unembed", Role::Head, vocabulary, hidden, false);
        }
    });
    Ok(())
}

/// Which layers look within a window.
fn slides(fields: &Fields<'_>, layers: u64) -> Result<Vec<bool>> {
    let Some(kinds) = fields.opt_layer_texts("layer_types", layers)? else {
        return Ok((0..layers)
            .map(|layer| !(layer + 1).is_multiple_of(6))
            .collect());
    };
    let slides = |kind| match kind {
        "hybrid" => Ok(false),
        "hybrid_sliding" => Ok(true),
        other => Err(fields.error(
            "layer_types",
            format!("{other:?} is not a kind of layer this family has"),
        )),
    };
    kinds.into_iter().map(slides).collect()
}

/// What layers are made of.
struct Block {
    hidden: u64,
    /// With all tokens, and within the window.
    heads: [Geometry; 2],
    relative: u64,
    kernel: u64,
    width: u64,
    experts: u64,
    chosen: u64,
}

impl Block {
    fn read(fields: &Fields<'_>, hidden: u64) -> Result<Self> {
        Ok(Self {
            hidden,
            heads: Geometry::read(fields, [(48, 8), (48, 8)], 1024)?,
            relative: fields.size_or("d_rel", 16)?,
            kernel: fields.size_or("conv_kernel_size|sconv_kernel_size", 4)?,
            width: fields.size_or("moe_intermediate_size|intermediate_size", 2304)?,
            experts: fields.repeats_or("n_routed_experts|num_local_experts", 384)?,
            chosen: fields.size_or("num_experts_per_tok", 8)?,
        })
    }

    fn add(&self, b: &mut Builder, slides: bool) {
        let Self {
            hidden,
            kernel,
            width,
            experts,
            chosen,
            ..
        } = *self;
        let [full, local] = &self.heads;
        let heads = if slides { local } else { full };
        b.scope("attn.", |b| self.attention(b, heads, slides));
        for name in ["attn_sconv", "mlp_sconv"] {
            convolution(b, name, hidden, kernel, false);
        }
        let norms: &[&str] = if slides {
            &["attn_norm", "mlp_norm"]
        } else {
            &["q_input_norm", "k_input_norm", "v_input_norm", "mlp_norm"]
        };
        for norm in norms {
            b.norm(norm, hidden, false);
        }
        b.scope("mlp.", |b| {
            b.linear("gate", Role::Router, experts, hidden, false);
            b.buffer("gate.bias", Role::Router, &[experts]);
            b.routed(chosen, experts, |b| {
                b.tensor(
                    "experts.w13_weight",
                    Role::Expert,
                    &[experts, 2 * width, hidden],
                );
                b.tensor("experts.w2_weight", Role::Expert, &[experts, hidden, width]);
            });
        });
        b.feed_forward(FeedForward::Experts {
            experts,
            chosen,
            width,
            shared_width: 0,
        });
        b.mixer(heads.mixer());
        b.mixer(heads.convolutions(hidden, kernel));
    }

    fn attention(&self, b: &mut Builder, of: &Geometry, slides: bool) {
        let role = Role::Attention;
        let Self {
            hidden,
            kernel,
            relative,
            ..
        } = *self;
        let queries = of.heads * of.head_dim;
        let keys = of.kv_heads * of.head_dim;
        b.linear("wq_du", role, queries, hidden, false);
        b.linear("wk_dv", role, keys, hidden, false);
        b.linear("wv_dv", role, keys, hidden, false);
        b.linear("wr_du", role, of.heads * relative, hidden, false);
        b.linear("wo_ud", role, hidden, queries, false);
        b.linear("gate_attn", role, queries, hidden, false);
        b.linear("attn_sink_proj", role, of.heads, hidden, false);
        b.tensor("rel_logits_proj.proj", role, &[relative, of.extent]);
        b.tensor("q_l2_clip.scale", role, &[of.heads, of.head_dim]);
        b.tensor("rel_l2_clip.scale", role, &[of.heads, relative]);
        for name in ["k_sconv", "v_sconv"] {
            if slides {
                convolution(b, name, keys, kernel, false);
            } else {
                b.tensor(&format!("{name}.static_w"), Role::State, &[kernel, keys]);
                let projected = of.kv_heads * kernel;
                b.tensor(
                    &format!("{name}.weight_proj"),
                    Role::State,
                    &[projected, hidden],
                );
            }
        }
    }
}
