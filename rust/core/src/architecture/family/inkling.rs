//! Inkling: attention with learned relative positions within windows and beyond, short convolutions behind every
//! projection and block, and experts with some that every token visits.
//!
//! Source: transformers `models/inkling`, and its `conversion_mapping.py` for the names in published files, which a
//! text model that transformers saves by itself does not have.

use super::Family;
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::layer::{Convolution, FeedForward, Mixer, Reach, Stack};
use crate::architecture::mamba::convolution;
use crate::architecture::place::{Place, Top};
use crate::architecture::short_convolution;
use crate::checkpoint::Role;

/// Inkling.
pub const FAMILY: Family = Family {
    name: "inkling",
    model_types: &["inkling_text"],
    lower,
    text: Some(text),
};

/// What things are called.
struct Names {
    embedding: &'static str,
    embedding_norm: &'static str,
    /// Where the head is: beside the model or in it.
    head: &'static str,
    head_inside: bool,
    attention: &'static str,
    /// Queries, keys, values, relative positions and the output.
    projections: [&'static str; 5],
    /// What follows the name of a convolution.
    convolution: &'static str,
    norms: [&'static str; 2],
    correction: &'static str,
    experts: [&'static str; 2],
    /// Gate and up, which may be one tensor, and down.
    shared: (&'static [&'static str], &'static str),
    dense: (&'static [&'static str], &'static str),
}

/// The names of published files.
const PUBLISHED: Names = Names {
    embedding: "embed",
    embedding_norm: "embed_norm",
    head: "unembed",
    head_inside: true,
    attention: "attn.",
    projections: ["wq_du", "wk_dv", "wv_dv", "wr_du", "wo_ud"],
    convolution: "",
    norms: ["attn_norm", "mlp_norm"],
    correction: "gate.bias",
    experts: ["experts.w13_weight", "experts.w2_weight"],
    shared: (&["shared_w13_weight"], "shared_w2_weight"),
    dense: (&["w13_dn.weight"], "w2_md.weight"),
};

/// The names of transformers.
const PORTED: Names = Names {
    embedding: "embed_tokens",
    embedding_norm: "embed_tokens.embed_norm",
    head: "lm_head",
    head_inside: false,
    attention: "self_attn.",
    projections: ["q_proj", "k_proj", "v_proj", "r_proj", "o_proj"],
    convolution: ".conv1d",
    norms: ["input_layernorm", "post_attention_layernorm"],
    correction: "gate.e_score_correction_bias",
    experts: ["experts.gate_up_proj", "experts.down_proj"],
    shared: (&["gate_proj", "up_proj"], "down_proj"),
    dense: (&["gate_proj.weight", "up_proj.weight"], "down_proj.weight"),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    model(b, fields, &Place::whole(fields, "model.")?, &PORTED)
}

/// Inside a model of several modalities, the names are those of the published files.
fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    model(b, fields, place, &PUBLISHED)
}

/// What a layer is: whether it looks within a window, and whether it has experts.
#[derive(Clone, Copy, PartialEq)]
struct Plan {
    slides: bool,
    sparse: bool,
}

fn model(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>, names: &Names) -> Result<()> {
    let hidden = fields.size_or("hidden_size", 6144)?;
    let vocabulary = fields.size_or("vocab_size", 201_024)?;
    let layers = fields.repeats_or("num_hidden_layers", 66)?;
    let block = Block::read(fields, hidden, names)?;
    let plans = plans(fields, layers)?;
    let head = |b: &mut Builder| b.linear(names.head, Role::Head, vocabulary, hidden, false);
    let has_head = place.top == Top::LanguageModel;
    b.scope(place.model, |b| {
        b.embedding(names.embedding, Role::Embedding, vocabulary, hidden);
        b.norm(names.embedding_norm, hidden, false);
        for (plan, numbers) in group(plans) {
            b.layers(Stack::Decoder, "layers", &numbers, |b| block.add(b, plan));
        }
        b.norm("norm", hidden, false);
        if has_head && names.head_inside {
            head(b);
        }
    });
    if has_head && !names.head_inside {
        b.scope(place.head, head);
    }
    if !has_head && place.top != Top::None {
        return Err(fields.error(
            "architectures",
            "names a class that this family does not have",
        ));
    }
    // What predicts further tokens is stored beside the model under the names of published files only.
    if names.head_inside {
        predictions(b, fields, hidden, &block)
    } else {
        Ok(())
    }
}

/// The layers that predict further tokens, which are dense: `model.mtp`.
fn predictions(b: &mut Builder, fields: &Fields<'_>, hidden: u64, block: &Block<'_>) -> Result<()> {
    let outer = fields.outermost().opt_object("mtp_config")?;
    let (count, local) = match outer {
        Some(outer) if !fields.has("num_mtp_layers") => (
            outer.repeats_or("num_nextn_predict_layers", 0)?,
            outer.opt_counts("local_layer_ids")?,
        ),
        _ if fields.has("num_mtp_layers") => (
            fields.repeats("num_mtp_layers")?,
            fields.opt_counts("mtp_local_layer_ids")?,
        ),
        _ => return Ok(()),
    };
    let chained = match outer {
        Some(outer) => outer.opt_flag("chain_hidden_post_norm")?,
        None => None,
    };
    let chained = match chained {
        Some(chained) => chained,
        None => fields.opt_flag("chain_hidden_post_norm")?.unwrap_or(false),
    };
    if count == 0 {
        return Ok(());
    }
    let local = local.unwrap_or_default();
    let plans = (0..count).map(|layer| Plan {
        slides: local.contains(&layer),
        sparse: false,
    });
    b.all_as(Role::Mtp, |b| {
        b.scope("model.mtp.", |b| {
            for (plan, numbers) in group(plans) {
                b.layers(Stack::Prediction, "layers", &numbers, |b| {
                    b.norm("embed_norm", hidden, false);
                    b.norm("hidden_norm", hidden, false);
                    b.linear("input_proj", Role::Mtp, hidden, 2 * hidden, false);
                    b.scope("transformer_block.", |b| block.add(b, plan));
                });
            }
            if chained {
                b.norm("chain_norm", hidden, false);
            }
        });
    });
    Ok(())
}

/// What the layers are, by `layer_types` and `mlp_layer_types` or the older fields for both.
fn plans(fields: &Fields<'_>, layers: u64) -> Result<Vec<Plan>> {
    let wrong = |field: &str, kind: &str| {
        fields.error(
            field,
            format!("{kind:?} is not a kind of layer this family has"),
        )
    };
    let slides: Vec<bool> = match fields.opt_layer_texts("layer_types", layers)? {
        Some(kinds) => kinds
            .into_iter()
            .map(|kind| match kind {
                "hybrid" => Ok(false),
                "hybrid_sliding" => Ok(true),
                other => Err(wrong("layer_types", other)),
            })
            .collect::<Result<_>>()?,
        None => match fields.opt_counts("local_layer_ids")? {
            Some(local) => (0..layers).map(|layer| local.contains(&layer)).collect(),
            None => (0..layers)
                .map(|layer| !(layer + 1).is_multiple_of(6))
                .collect(),
        },
    };
    let sparse: Vec<bool> =
        if let Some(kinds) = fields.opt_layer_texts("mlp_layer_types", layers)? {
            kinds
                .into_iter()
                .map(|kind| match kind {
                    "dense" => Ok(false),
                    "sparse" => Ok(true),
                    other => Err(wrong("mlp_layer_types", other)),
                })
                .collect::<Result<_>>()?
        } else {
            let dense = fields.count_or("dense_mlp_idx", 0)?;
            (0..layers).map(|layer| layer >= dense).collect()
        };
    let both = slides.into_iter().zip(sparse);
    Ok(both
        .map(|(slides, sparse)| Plan { slides, sparse })
        .collect())
}

/// The heads of attention of one kind.
#[derive(Clone, Copy)]
pub struct Geometry {
    /// Query heads.
    pub heads: u64,
    /// Geometry of keys and values.
    pub kv_heads: u64,
    /// Numbers per head.
    pub head_dim: u64,
    /// How many relative positions it learns.
    pub extent: u64,
    /// Which tokens it sees.
    pub reach: Reach,
}

impl Geometry {
    /// The heads of the layers that see all tokens, and of those with a window.
    ///
    /// # Errors
    /// If a field is wrong, or heads do not divide.
    pub fn read(fields: &Fields<'_>, defaults: [(u64, u64); 2], window: u64) -> Result<[Self; 2]> {
        let window = fields.size_or("sliding_window_size", window)?;
        let extent = fields.size_or("rel_extent", 1024)?;
        let [full, local] = defaults;
        let kinds = [
            ("", full, extent, Reach::Full),
            ("swa_", local, window, Reach::Sliding(window)),
        ];
        let [full, local] = kinds.map(|(prefix, (heads, kv_heads), extent, reach)| {
            let names = ["num_attention_heads", "num_key_value_heads", "head_dim"];
            let [heads_name, kv_name, dim_name] = names.map(|name| format!("{prefix}{name}"));
            let heads = fields.size_or(&heads_name, heads)?;
            let kv_heads = fields.size_or(&kv_name, kv_heads)?;
            fields.divide(&heads_name, heads, &kv_name, kv_heads)?;
            let head_dim = fields.size_or(&dim_name, 128)?;
            Ok(Self {
                heads,
                kv_heads,
                head_dim,
                extent,
                reach,
            })
        });
        Ok([full?, local?])
    }

    /// What the layer is told.
    #[must_use]
    pub const fn mixer(&self) -> Mixer {
        Mixer::Attention {
            heads: self.heads,
            kv_heads: self.kv_heads,
            key_dim: self.head_dim,
            value_dim: self.head_dim,
            reach: self.reach,
            indexer_dim: 0,
            shared_with: None,
        }
    }

    /// What the layer is told of its four convolutions: of keys, values and both blocks' outputs.
    #[must_use]
    pub const fn convolutions(&self, hidden: u64, kernel: u64) -> Mixer {
        let channels = 2 * (self.kv_heads * self.head_dim + hidden);
        short_convolution::mixer(Convolution::new(channels, kernel).in_float32())
    }
}

/// What layers are made of.
struct Block<'n> {
    names: &'n Names,
    hidden: u64,
    /// With all tokens, and within the window.
    heads: [Geometry; 2],
    relative: u64,
    kernel: u64,
    dense_width: u64,
    width: u64,
    experts: u64,
    chosen: u64,
    shared: u64,
}

impl<'n> Block<'n> {
    fn read(fields: &Fields<'_>, hidden: u64, names: &'n Names) -> Result<Self> {
        let stated = fields.size_or("intermediate_size", 24_576)?;
        // Where the dense width has a field of its own, the usual one is that of the experts.
        let (dense_width, width) = match fields.opt_size("dense_intermediate_size")? {
            Some(dense) => (dense, stated),
            None => (stated, fields.size_or("moe_intermediate_size", 3072)?),
        };
        Ok(Self {
            names,
            hidden,
            heads: Geometry::read(fields, [(64, 8), (64, 16)], 512)?,
            relative: fields.size_or("d_rel", 16)?,
            kernel: fields.size_or("conv_kernel_size|sconv_kernel_size", 4)?,
            dense_width,
            width,
            experts: fields.repeats_or("n_routed_experts|num_local_experts", 256)?,
            chosen: fields.size_or("num_experts_per_tok", 6)?,
            shared: fields.repeats_or("n_shared_experts", 2)?,
        })
    }

    fn add(&self, b: &mut Builder, plan: Plan) {
        let Self {
            names,
            hidden,
            kernel,
            ..
        } = *self;
        let [full, local] = &self.heads;
        let heads = if plan.slides { local } else { full };
        b.scope(names.attention, |b| self.attention(b, heads));
        for name in ["attn_sconv", "mlp_sconv"] {
            self.convolution(b, name, hidden);
        }
        for norm in names.norms {
            b.norm(norm, hidden, false);
        }
        b.scope("mlp.", |b| {
            if plan.sparse {
                self.sparse(b);
            } else {
                self.dense(b);
            }
        });
        b.mixer(heads.mixer());
        b.mixer(heads.convolutions(hidden, kernel));
    }

    fn convolution(&self, b: &mut Builder, name: &str, channels: u64) {
        let name = format!("{name}{}", self.names.convolution);
        convolution(b, &name, channels, self.kernel, false);
    }

    fn attention(&self, b: &mut Builder, of: &Geometry) {
        let role = Role::Attention;
        let hidden = self.hidden;
        let [query, key, value, relative, output] = self.names.projections;
        let queries = of.heads * of.head_dim;
        let keys = of.kv_heads * of.head_dim;
        b.linear(query, role, queries, hidden, false);
        b.linear(key, role, keys, hidden, false);
        b.linear(value, role, keys, hidden, false);
        b.linear(relative, role, of.heads * self.relative, hidden, false);
        b.linear(output, role, hidden, queries, false);
        b.tensor("rel_logits_proj.proj", role, &[self.relative, of.extent]);
        b.norm("q_norm", of.head_dim, false);
        b.norm("k_norm", of.head_dim, false);
        self.convolution(b, "k_sconv", keys);
        self.convolution(b, "v_sconv", keys);
    }

    fn dense(&self, b: &mut Builder) {
        let (into, down) = self.names.dense;
        let width = self.dense_width;
        for name in into {
            b.tensor(
                name,
                Role::Mlp,
                &[2 * width / into.len() as u64, self.hidden],
            );
        }
        b.tensor(down, Role::Mlp, &[self.hidden, width]);
        b.tensor("global_scale", Role::Mlp, &[1]);
        b.feed_forward(FeedForward::Dense { width });
    }

    fn sparse(&self, b: &mut Builder) {
        let Self {
            names,
            hidden,
            width,
            experts,
            chosen,
            shared,
            ..
        } = *self;
        b.linear("gate", Role::Router, experts + shared, hidden, false);
        b.tensor("gate.global_scale", Role::Router, &[1]);
        b.buffer(names.correction, Role::Router, &[experts]);
        let [gate_up, down] = names.experts;
        b.routed(chosen, experts, |b| {
            b.tensor(gate_up, Role::Expert, &[experts, 2 * width, hidden]);
            b.tensor(down, Role::Expert, &[experts, hidden, width]);
        });
        let (into, down) = names.shared;
        b.scope("shared_experts.", |b| {
            let role = Role::SharedExpert;
            for name in into {
                b.tensor(name, role, &[shared, 2 * width / into.len() as u64, hidden]);
            }
            b.tensor(down, role, &[shared, hidden, width]);
        });
        b.feed_forward(FeedForward::Experts {
            experts,
            chosen,
            width,
            shared_width: shared * width,
        });
    }
}
