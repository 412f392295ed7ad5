//! DeepSeek V1 to V3.2 and what is built like them: latent attention, experts with shared ones behind a few dense
//! layers, and from V3.2 on an indexer.
//!
//! Sources: transformers `models/deepseek_v2`, `deepseek_v3`, `deepseek_v32`, `glm_moe_dsa`, `glm4_moe_lite`,
//! `mistral4`, `axk1`, `minicpm3` and `youtu`; for V1 and the small models of DeepSeek-VL2 and DeepSeek-OCR, which
//! have plain attention, the code published with them.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, Layout, dense};
use crate::architecture::mla::{Defaults, Indexer, Latent, own_indexers};
use crate::architecture::place::{Place, Top};
use crate::architecture::prediction::{self, Copies};
use crate::architecture::sparse::{self, experts, sparse_layers};

/// DeepSeek and its kin.
pub const FAMILY: Family = Family {
    name: "deepseek",
    model_types: &[
        "axk1",
        "deepseek",
        "deepseek_v2",
        "deepseek_v3",
        "deepseek_v32",
        "glm4_moe_lite",
        "glm_moe_dsa",
        "kimi_k2",
        "minicpm3",
        "mistral4",
        "youtu",
    ],
    lower,
    text: Some(text),
};

/// In what the kin of DeepSeek differ.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one way in which models differ, not a state"
)]
struct Kin {
    /// Latent attention, unless `use_mla` turns it off; nothing for plain attention.
    latent: Option<Defaults>,
    /// Experts; nothing where every layer is dense.
    sparse: Option<sparse::Defaults>,
    /// Whether the scores of the router are corrected whatever `topk_method` says.
    correction: bool,
    /// Whether all experts of a layer are in two tensors.
    fused: bool,
    /// Whether experts have a norm behind them.
    norm_behind: bool,
    /// Heads of an indexer, and numbers per head.
    indexer: Option<[u64; 2]>,
    /// Whether layers may use what the indexer of an earlier one has picked.
    sharing: bool,
    /// What the published files hold of the prediction layers.
    prediction: Stored,
    /// A field that only configs have which transformers has written: it saves no prediction layers, but its class
    /// counts one by default.
    rewritten: Option<&'static str>,
    /// Whether the head is tied where the config does not say.
    tied: bool,
}

/// What published files hold of prediction layers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stored {
    /// Nothing.
    Nothing,
    /// The layers. GLM-5: the published total is larger by exactly the layer without copies.
    Layers,
    /// The layers, each with a copy of the embedding and of the head. DeepSeek-V3: the published total; V3.2: its
    /// header; GLM-4.7-Flash: logs of loaders that list what they leave out.
    LayersAndCopies,
}

/// DeepSeek-V3, from which the others are told apart.
const THIRD: Kin = Kin {
    latent: Some(latent(Some(1536), 512, 64, 128, Some(128))),
    sparse: Some(sparse::Defaults {
        experts: 256,
        chosen: 8,
        width: 2048,
        shared: 1,
        dense: 3,
    }),
    correction: true,
    fused: false,
    norm_behind: false,
    indexer: None,
    sharing: false,
    prediction: Stored::LayersAndCopies,
    rewritten: Some("rope_parameters"),
    tied: false,
};

const fn latent(
    query_rank: Option<u64>,
    rank: u64,
    rope_dim: u64,
    nope_dim: u64,
    value_dim: Option<u64>,
) -> Defaults {
    Defaults {
        query_rank,
        rank,
        rope_dim,
        nope_dim,
        value_dim,
    }
}

const fn moe(experts: u64, chosen: u64, width: u64, shared: u64, dense: u64) -> sparse::Defaults {
    sparse::Defaults {
        experts,
        chosen,
        width,
        shared,
        dense,
    }
}

/// The values are the defaults of the config classes. The published models of the first two generations choose 6
/// experts; the classes have no default for it.
fn kin(model_type: &str) -> Kin {
    match model_type {
        "deepseek" => Kin {
            latent: None,
            sparse: Some(moe(64, 6, 1407, 2, 0)),
            correction: false,
            prediction: Stored::Nothing,
            ..THIRD
        },
        "deepseek_v2" => Kin {
            sparse: Some(moe(64, 6, 1407, 2, 0)),
            correction: false,
            prediction: Stored::Nothing,
            ..THIRD
        },
        "deepseek_v32" => Kin {
            indexer: Some([64, 128]),
            ..THIRD
        },
        "glm_moe_dsa" => Kin {
            latent: Some(latent(Some(2048), 512, 64, 192, Some(256))),
            indexer: Some([32, 128]),
            sharing: true,
            prediction: Stored::Layers,
            // Published with configs that transformers 5 has written.
            rewritten: None,
            ..THIRD
        },
        "glm4_moe_lite" => Kin {
            latent: Some(latent(Some(768), 512, 64, 192, Some(256))),
            sparse: Some(moe(64, 4, 1536, 1, 1)),
            rewritten: None,
            ..THIRD
        },
        "mistral4" => Kin {
            latent: Some(latent(Some(1024), 256, 64, 64, Some(128))),
            sparse: Some(moe(128, 4, 2048, 1, 0)),
            correction: false,
            fused: true,
            prediction: Stored::Nothing,
            ..THIRD
        },
        "axk1" => Kin {
            sparse: Some(moe(192, 8, 2048, 1, 1)),
            norm_behind: true,
            prediction: Stored::Nothing,
            ..THIRD
        },
        "minicpm3" => Kin {
            latent: Some(latent(Some(768), 256, 32, 64, None)),
            sparse: None,
            prediction: Stored::Nothing,
            tied: true,
            ..THIRD
        },
        "youtu" => Kin {
            sparse: None,
            prediction: Stored::Nothing,
            tied: true,
            ..THIRD
        },
        _ => THIRD,
    }
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

/// What one layer has: experts, and an indexer of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Plan {
    sparse: bool,
    indexer: bool,
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    // The text models of DeepSeek-OCR do not name theirs.
    let kin = kin(fields.opt_text("model_type")?.unwrap_or("deepseek_v2"));
    let frame = Frame {
        tied: kin.tied,
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    let mixer = match kin.latent {
        Some(defaults) if fields.opt_flag("use_mla")? != Some(false) => {
            Attend::Latent(Latent::read(fields, hidden, &defaults)?)
        }
        _ => Attend::Plain(plain(fields, hidden)?),
    };
    let indexer = match (&mixer, kin.indexer) {
        (Attend::Latent(latent), Some([heads, dim])) => {
            let inputs = latent.query_rank.ok_or_else(|| {
                fields.error(
                    "q_lora_rank",
                    "is null, and the indexer reads compressed queries",
                )
            })?;
            Some(Indexer::read(fields, heads, dim, inputs)?)
        }
        _ => None,
    };
    let width = fields.size("intermediate_size")?;
    let bias = fields.opt_flag("mlp_bias")?.unwrap_or(false);
    let layers = fields.repeats("num_hidden_layers")?;
    let moe = match kin.sparse {
        None => None,
        Some(defaults) => Some(Experts {
            shared_bias: bias,
            ..moe_of(fields, hidden, &kin, &defaults)?
        }),
    };
    let sparse = match kin.sparse {
        Some(defaults) => sparse_layers(fields, layers, defaults.dense)?,
        None => vec![false; usize::try_from(layers).unwrap_or_default()],
    };
    let own = if kin.sharing {
        own_indexers(fields, layers)?
    } else {
        vec![true; sparse.len()]
    };
    let plans = sparse.into_iter().zip(own).map(|(sparse, own)| Plan {
        sparse,
        indexer: own && indexer.is_some(),
    });
    let block = |b: &mut Builder, plan: &Plan| {
        b.scope("self_attn.", |b| match &mixer {
            Attend::Plain(attention) => attention.add(b),
            Attend::Latent(latent) => Latent {
                indexer: indexer.filter(|_| plan.indexer),
                ..latent.clone()
            }
            .add(b),
        });
        match &moe {
            Some(moe) if plan.sparse => {
                b.scope("mlp.", |b| moe.add(b));
                if kin.norm_behind {
                    b.norm("post_mlp_layernorm", hidden, false);
                }
            }
            _ => dense(b, "mlp.", hidden, width, bias),
        }
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        Ok(())
    };
    frame.add(b, fields, place, plans, block)?;
    let copies = match kin.prediction {
        Stored::Nothing => return Ok(()),
        Stored::Layers => Copies::Omitted,
        Stored::LayersAndCopies => Copies::Stored,
    };
    if place.top != Top::LanguageModel {
        return Ok(());
    }
    if kin.rewritten.is_some_and(|field| fields.has(field)) {
        if prediction::count(fields)? > 0 {
            let reason =
                "transformers has written this config, and it saves no layers that predict ahead";
            fields.assume("num_nextn_predict_layers", 0, reason);
        }
        return Ok(());
    }
    let plan = Plan {
        sparse: true,
        indexer: indexer.is_some(),
    };
    prediction::add_with(b, fields, place, &frame, layers, copies, |b| {
        block(b, &plan)
    })
}

/// The two kinds of attention.
enum Attend {
    Latent(Latent<'static>),
    Plain(Attention<'static>),
}

fn plain(fields: &Fields<'_>, hidden: u64) -> Result<Attention<'static>> {
    let bias = fields.flag_or("attention_bias", false)?;
    Ok(Attention {
        bias,
        output_bias: bias,
        ..Attention::read(fields, hidden)?
    })
}

fn moe_of<'n>(
    fields: &Fields<'_>,
    hidden: u64,
    kin: &Kin,
    defaults: &sparse::Defaults,
) -> Result<Experts<'n>> {
    let mut moe = experts(fields, hidden, defaults)?;
    if kin.correction || fields.opt_text("topk_method")? == Some("noaux_tc") {
        moe.correction = Some("gate.e_score_correction_bias");
    }
    if kin.fused {
        moe.layout = Layout::Fused(["gate_up_proj", "down_proj"]);
    }
    Ok(moe)
}
