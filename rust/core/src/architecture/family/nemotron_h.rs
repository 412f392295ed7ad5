//! Nemotron-H, Nemotron Nano 2 and Nemotron 3: each layer is one thing, a state space, an attention, a feed-forward
//! network or experts, by the letters of a pattern.
//!
//! Sources: transformers `models/nemotron_h`; for the prediction layers, which it leaves out, vLLM's
//! `models/nemotron_h_mtp.py`.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::mamba::{Mamba2, state_dtype};
use crate::architecture::place::Place;
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// Nemotron-H.
pub const FAMILY: Family = Family {
    name: "nemotron-h",
    model_types: &["nemotron_h"],
    lower,
    text: Some(text),
};

/// What a layer is.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    State,
    Attention,
    Mlp,
    Experts,
}

/// A layer of the prediction part: what it is, and whether it opens or closes a step.
type Step = (Kind, bool, bool);

/// What layers are made of.
struct Blocks {
    hidden: u64,
    attention: Attention<'static>,
    mixer: Option<Mamba2>,
    width: u64,
    bias: bool,
    experts: Option<Mixture>,
}

/// Experts of two matrices, which work in a narrower space if there is one.
struct Mixture {
    experts: u64,
    chosen: u64,
    width: u64,
    shared: u64,
    latent: Option<u64>,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "backbone.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame {
        embedding: "embeddings",
        norm: Some(("norm_f", false)),
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    let kinds = kinds(
        fields,
        "layers_block_type|layer_types",
        "hybrid_override_pattern",
    )?
    .ok_or_else(|| {
        fields.error(
            "hybrid_override_pattern",
            "is missing, and layers_block_type too: what the layers are depends on them",
        )
    })?;
    if let Some(stated) = fields.opt_count("num_hidden_layers")?
        && stated != kinds.len() as u64
    {
        fields.assume(
            "num_hidden_layers",
            kinds.len(),
            format!("the pattern has so many layers, not {stated}"),
        );
    }
    let prediction = prediction(fields)?;
    let every = || {
        kinds
            .iter()
            .copied()
            .chain(prediction.iter().map(|step| step.0))
    };
    let blocks = Blocks::read(fields, hidden, every)?;
    frame.add(b, fields, place, kinds.iter().copied(), |b, &kind| {
        blocks.add(b, kind);
        Ok(())
    })?;
    b.all_as(Role::Mtp, |b| {
        for ((kind, first, last), numbers) in group(prediction.iter().copied()) {
            b.layers(Stack::Prediction, "mtp.layers", &numbers, |b| {
                if first {
                    b.norm("enorm", hidden, false);
                    b.norm("hnorm", hidden, false);
                    b.linear("eh_proj", Role::Mtp, hidden, 2 * hidden, false);
                }
                blocks.add(b, kind);
                if last {
                    b.norm("final_layernorm", hidden, false);
                }
            });
        }
    });
    Ok(())
}

/// What the layers are: a list of names, or a pattern of letters.
fn kinds(fields: &Fields<'_>, list: &str, pattern: &str) -> Result<Option<Vec<Kind>>> {
    if let Some(names) = fields.opt_texts(list)? {
        let kind = |name| match name {
            "linear_attention" | "mamba" => Ok(Kind::State),
            "full_attention" | "attention" => Ok(Kind::Attention),
            "mlp" => Ok(Kind::Mlp),
            "moe" => Ok(Kind::Experts),
            other => Err(fields.error(
                list,
                format!("{other:?} is not a kind of layer this family has"),
            )),
        };
        return names.into_iter().map(kind).collect::<Result<_>>().map(Some);
    }
    let Some(letters) = fields.opt_text(pattern)? else {
        return Ok(None);
    };
    let kind = |letter| match letter {
        'M' => Ok(Kind::State),
        '*' => Ok(Kind::Attention),
        '-' => Ok(Kind::Mlp),
        'E' => Ok(Kind::Experts),
        other => Err(fields.error(
            pattern,
            format!("{other:?} is not a kind of layer this family has"),
        )),
    };
    letters.chars().map(kind).collect::<Result<_>>().map(Some)
}

/// The layers of the prediction part: as many steps as there are tokens to predict, each with the same layers.
fn prediction(fields: &Fields<'_>) -> Result<Vec<Step>> {
    let steps = fields.repeats_or("num_nextn_predict_layers", 0)?;
    if steps == 0 {
        return Ok(Vec::new());
    }
    let pattern = "mtp_hybrid_override_pattern";
    let kinds = kinds(fields, "mtp_layers_block_type", pattern)?.unwrap_or_else(|| {
        fields.assume(
            pattern,
            "*E",
            "not in the config; the default of its model class",
        );
        vec![Kind::Attention, Kind::Experts]
    });
    let end = kinds.len().saturating_sub(1);
    Ok((0..steps)
        .flat_map(|_| {
            kinds
                .iter()
                .enumerate()
                .map(|(at, &kind)| (kind, at == 0, at == end))
        })
        .collect())
}

impl Blocks {
    /// Reads what the kinds of layers need that are there.
    fn read<I: Iterator<Item = Kind>>(
        fields: &Fields<'_>,
        hidden: u64,
        every: impl Fn() -> I,
    ) -> Result<Self> {
        let has = |kind| every().any(|other| other == kind);
        let bias = fields.flag_or("mlp_bias", false)?;
        if fields.opt_flag("attention_bias")? == Some(true) {
            return Err(fields.error(
                "attention_bias",
                "is true, of which published code and transformers make different tensors",
            ));
        }
        let experts = has(Kind::Experts);
        if !experts {
            // The class writes its defaults into the configs of models that have none, too.
            for name in ["n_routed_experts", "n_shared_experts"] {
                fields.pass_over(name);
            }
        }
        if experts && bias {
            return Err(fields.error(
                "mlp_bias",
                "is true, and it is not known which experts have biases then",
            ));
        }
        // The class writes these even where no layer has experts.
        for name in ["n_routed_experts", "n_shared_experts"] {
            fields.pass_over(name);
        }
        Ok(Self {
            hidden,
            attention: attention(fields, hidden)?,
            mixer: if has(Kind::State) {
                Some(mixer(fields, hidden)?)
            } else {
                None
            },
            width: if has(Kind::Mlp) {
                fields.size_or("intermediate_size", 21504)?
            } else {
                0
            },
            bias,
            experts: if experts {
                Some(Mixture::read(fields)?)
            } else {
                None
            },
        })
    }

    fn add(&self, b: &mut Builder, kind: Kind) {
        b.scope("mixer.", |b| match (kind, &self.mixer, &self.experts) {
            (Kind::State, Some(mixer), _) => mixer.add(b),
            (Kind::Experts, _, Some(experts)) => experts.add(b, self.hidden),
            (Kind::Mlp, ..) => {
                plain(
                    b,
                    ["up_proj", "down_proj"],
                    Role::Mlp,
                    self.hidden,
                    self.width,
                    self.bias,
                );
                b.feed_forward(FeedForward::Dense { width: self.width });
            }
            (Kind::Attention, ..) => self.attention.add(b),
            // What is there has been read.
            (Kind::State | Kind::Experts, ..) => {}
        });
        b.norm("norm", self.hidden, false);
    }
}

fn attention(fields: &Fields<'_>, hidden: u64) -> Result<Attention<'static>> {
    // The class has a default of its own, whatever the width.
    Attention::read_with_head_dim(fields, hidden, Some(128))
}

fn mixer(fields: &Fields<'_>, hidden: u64) -> Result<Mamba2> {
    let heads = fields.size_or("mamba_num_heads", 128)?;
    let groups = fields.size_or("mamba_n_groups|n_groups", 8)?;
    fields.divide("mamba_num_heads", heads, "n_groups", groups)?;
    let bias = fields.flag_or("use_bias", false)?;
    Ok(Mamba2 {
        hidden,
        heads,
        head_dim: fields.size_or("mamba_head_dim", 64)?,
        groups,
        state: fields.size_or("ssm_state_size", 128)?,
        kernel: fields.size_or("mamba_d_conv|conv_kernel", 4)?,
        convolution_bias: fields.flag_or("mamba_conv_bias|use_conv_bias", true)?,
        bias: [bias; 2],
        norm: true,
        dtype: state_dtype(fields)?,
    })
}

impl Mixture {
    fn read(fields: &Fields<'_>) -> Result<Self> {
        let shared = fields.count_or("n_shared_experts", 1)?;
        if shared != 1 {
            return Err(fields.error(
                "n_shared_experts",
                format!("is {shared}; only models with one shared expert are known"),
            ));
        }
        Ok(Self {
            experts: fields.repeats_or("n_routed_experts|num_local_experts", 8)?,
            chosen: fields.size_or("num_experts_per_tok", 2)?,
            width: fields.size_or("moe_intermediate_size", 7688)?,
            shared: fields.size_or("moe_shared_expert_intermediate_size", 7688)?,
            latent: fields.opt_size("moe_latent_size")?,
        })
    }

    fn add(&self, b: &mut Builder, hidden: u64) {
        let Self {
            experts,
            chosen,
            width,
            shared,
            latent,
        } = *self;
        let names = ["up_proj", "down_proj"];
        b.linear("gate", Role::Router, experts, hidden, false);
        b.buffer("gate.e_score_correction_bias", Role::Router, &[experts]);
        b.routed(chosen, experts, |b| {
            // `COUNT_LIMIT` bounds their number.
            let numbers = Numbers::Below(u32::try_from(experts).unwrap_or(u32::MAX));
            b.each("experts", numbers, |b| {
                plain(
                    b,
                    names,
                    Role::Expert,
                    latent.unwrap_or(hidden),
                    width,
                    false,
                );
            });
        });
        b.scope("shared_experts.", |b| {
            plain(b, names, Role::SharedExpert, hidden, shared, false);
        });
        if let Some(latent) = latent {
            b.linear("fc1_latent_proj", Role::Expert, latent, hidden, false);
            b.linear("fc2_latent_proj", Role::Expert, hidden, latent, false);
        }
        b.feed_forward(FeedForward::Experts {
            experts,
            chosen,
            width,
            shared_width: shared,
        });
    }
}
