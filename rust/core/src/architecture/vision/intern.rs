//! InternViT: a vision transformer with layer scales, in the names of its own code and in those of transformers.
//!
//! Sources: `modeling_intern_vit.py` beside the published InternVL checkpoints; transformers `models/internvl` and
//! `models/qianfan_ocr`.

use super::Patches;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// The sizes of the tower, and what is optional in it.
struct Tower {
    hidden: u64,
    width: u64,
    layers: u64,
    patches: Patches,
    attention: Attention<'static>,
    /// Whether the norms have biases: they may be of either kind.
    norm_bias: bool,
}

/// In what the forms differ.
struct Form {
    defaults: [u64; 4],
    image: u64,
    names: [&'static str; 4],
    fused: bool,
    bias: (&'static str, bool),
    norms: (&'static str, bool),
    kind: &'static str,
}

const OWN: Form = Form {
    defaults: [3200, 12_800, 48, 25],
    image: 224,
    names: ["qkv", "", "", "proj"],
    fused: true,
    bias: ("qkv_bias|attention_bias", false),
    norms: ("qk_normalization|use_qk_norm", true),
    kind: "rms_norm",
};

const QIANFAN: Form = Form {
    defaults: [1024, 4096, 24, 16],
    image: 448,
    bias: ("attention_bias", true),
    norms: ("use_qk_norm", false),
    kind: "layer_norm",
    ..OWN
};

const TRANSFORMERS: Form = Form {
    names: ["q_proj", "k_proj", "v_proj", "projection_layer"],
    fused: false,
    bias: ("attention_bias", false),
    ..QIANFAN
};

impl Tower {
    fn read(fields: &Fields<'_>, form: &Form) -> Result<Self> {
        let [hidden, width, layers, heads] = form.defaults;
        let hidden = fields.size_or("hidden_size", hidden)?;
        let heads = fields.size_or("num_attention_heads", heads)?;
        let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
        let bias = fields.flag_or(form.bias.0, form.bias.1)?;
        let norm_bias = match fields.text_or("norm_type", form.kind)? {
            "layer_norm" => true,
            "rms_norm" => false,
            other => {
                return Err(fields.error("norm_type", format!("{other:?} is not a known norm")));
            }
        };
        Ok(Self {
            hidden,
            width: fields.size_or("intermediate_size", width)?,
            layers: fields.repeats_or("num_hidden_layers", layers)?,
            patches: Patches::read(fields, form.image, 14)?,
            attention: Attention {
                fused: form.fused,
                bias,
                norm: if fields.flag_or(form.norms.0, form.norms.1)? {
                    HeadNorm::Whole
                } else {
                    HeadNorm::None
                },
                ..Attention::of_heads(form.names, hidden, heads, head_dim, true)
            },
            norm_bias,
        })
    }

    fn block(&self, b: &mut Builder, attention: &str, norms: [&str; 2], scales: [&str; 2]) {
        let Self { hidden, width, .. } = *self;
        b.scope(attention, |b| self.attention.add(b));
        b.scope("mlp.", |b| {
            plain(b, ["fc1", "fc2"], Role::Vision, hidden, width, true);
        });
        b.feed_forward(FeedForward::Dense { width });
        for norm in norms {
            b.norm(norm, hidden, self.norm_bias);
        }
        for scale in scales {
            b.tensor(scale, Role::Vision, &[hidden]);
        }
    }

    fn numbers(&self) -> Numbers {
        // `COUNT_LIMIT` bounds their number.
        Numbers::Below(u32::try_from(self.layers).unwrap_or(u32::MAX))
    }
}

/// Adds the tower in the names of its own code, as what `vision_model.` holds, and returns its width. `qianfan` says
/// whether missing fields are those of Qianfan-OCR.
///
/// # Errors
/// If a field is wrong, or heads do not divide.
pub fn own(b: &mut Builder, fields: &Fields<'_>, qianfan: bool) -> Result<u64> {
    let tower = Tower::read(fields, if qianfan { &QIANFAN } else { &OWN })?;
    let hidden = tower.hidden;
    let role = Role::Vision;
    let table = !qianfan || fields.flag_or("use_absolute_position_embeddings", true)?;
    refuse_mask(fields)?;
    b.all_as(role, |b| {
        b.scope("embeddings.", |b| {
            b.tensor("class_embedding", role, &[1, 1, hidden]);
            let patches = &tower.patches;
            patches.convolution(b, "patch_embedding", hidden, true);
            if table {
                let shape = [1, patches.count + 1, hidden];
                b.tensor("position_embedding", role, &shape);
            }
        });
        b.layers(Stack::Vision, "encoder.layers", &tower.numbers(), |b| {
            tower.block(b, "attn.", ["norm1", "norm2"], ["ls1", "ls2"]);
        });
        if qianfan && !fields.flag_or("use_mean_pooling", true)? {
            b.norm("layernorm", hidden, true);
        }
        Ok(hidden)
    })
}

fn refuse_mask(fields: &Fields<'_>) -> Result<()> {
    if fields.opt_flag("use_mask_token")? == Some(true) {
        return Err(fields.error("use_mask_token", "is true; no such tower is known"));
    }
    Ok(())
}

/// Adds the tower in the names of transformers, as what `vision_tower.` holds, and returns its width.
///
/// # Errors
/// If a field is wrong, or heads do not divide.
pub fn transformers(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let tower = Tower::read(fields, &TRANSFORMERS)?;
    let hidden = tower.hidden;
    let role = Role::Vision;
    b.all_as(role, |b| {
        b.scope("embeddings.", |b| {
            b.tensor("cls_token", role, &[1, 1, hidden]);
            if fields.flag_or("use_mask_token", false)? {
                b.tensor("mask_token", role, &[1, 1, hidden]);
            }
            let patches = &tower.patches;
            patches.convolution(b, "patch_embeddings.projection", hidden, true);
            if fields.flag_or("use_absolute_position_embeddings", true)? {
                let shape = [1, patches.count + 1, hidden];
                b.tensor("position_embeddings", role, &shape);
            }
            Ok(())
        })?;
        b.layers(Stack::Vision, "encoder.layer", &tower.numbers(), |b| {
            let norms = ["layernorm_before", "layernorm_after"];
            tower.block(b, "attention.", norms, ["lambda_1", "lambda_2"]);
        });
        if !fields.flag_or("use_mean_pooling", true)? {
            b.norm("layernorm", hidden, true);
        }
        Ok(hidden)
    })
}
