//! More vision encoders that stand alone: BEiT, data2vec, ConvNeXt, DeiT, DINOv3, Swin, and ViTs that were trained to
//! fill in hidden patches.
//!
//! Sources: transformers `models/beit`, `data2vec` (vision), `convnext`, `convnextv2`, `deit`, `dinov3_convnext`,
//! `dinov3_vit`, `swin`, `swinv2`, `vit_mae`, `vit_msn`, under the published names. Swin stores the index of relative
//! positions until transformers 5.6.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::layer::Stack;
use crate::architecture::place::{class, labels, saved_before};
use crate::architecture::vision::Patches;
use crate::architecture::vision::beit::beit;
use crate::architecture::vision::convnext::{Version, convnext};
use crate::architecture::vision::dinov3::dinov3;
use crate::architecture::vision::swin::{Distances, swin};
use crate::architecture::vision::vit::{Layer, Parts, vit};
use crate::checkpoint::Role;

/// Vision encoders that stand alone.
pub const FAMILY: Family = Family {
    name: "vision-encoder",
    model_types: &[
        "beit",
        "convnext",
        "convnextv2",
        "data2vec-vision",
        "deit",
        "dinov3_convnext",
        "dinov3_vit",
        "swin",
        "swinv2",
        "vit_mae",
        "vit_msn",
    ],
    lower,
    text: None,
};

/// What a class puts on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// Nothing.
    Bare,
    /// Scores of classes.
    Classes,
    /// Scores of classes twice, once as a teacher has them (DeiT).
    Taught,
    /// What hidden patches look like.
    Masked,
    /// Which words stand for hidden patches (BEiT).
    Words,
    /// A decoder that paints hidden patches (MAE).
    Painted,
}

const MODEL: (&str, Task) = ("Model", Task::Bare);
const CLASSES: (&str, Task) = ("ForImageClassification", Task::Classes);
const MASKED: (&str, Task) = ("ForMaskedImageModeling", Task::Masked);

/// Adds the tower for a task to the scope that is open, and returns its width.
type Tower = fn(&mut Builder, &Fields<'_>, Task) -> Result<u64>;

/// What is proper to a model type.
struct Kin {
    model_type: &'static str,
    /// How the names of its classes begin.
    stem: &'static str,
    /// What stands before the names of the tower but in the bare model.
    prefix: &'static str,
    /// How the names of its classes end, and what they do.
    tasks: &'static [(&'static str, Task)],
    tower: Tower,
}

const KIN: &[Kin] = &[
    Kin {
        model_type: "beit",
        stem: "Beit",
        prefix: "beit.",
        tasks: &[MODEL, CLASSES, ("ForMaskedImageModeling", Task::Words)],
        tower: pooled_beit,
    },
    Kin {
        model_type: "convnext",
        stem: "ConvNext",
        prefix: "convnext.",
        tasks: &[MODEL, CLASSES],
        tower: |b, fields, _| convnext(b, fields, Version::First),
    },
    Kin {
        model_type: "convnextv2",
        stem: "ConvNextV2",
        prefix: "convnextv2.",
        tasks: &[MODEL, CLASSES],
        tower: |b, fields, _| convnext(b, fields, Version::Second),
    },
    Kin {
        model_type: "data2vec-vision",
        stem: "Data2VecVision",
        prefix: "data2vec_vision.",
        tasks: &[MODEL, CLASSES],
        tower: data2vec,
    },
    Kin {
        model_type: "deit",
        stem: "DeiT",
        prefix: "deit.",
        tasks: &[
            MODEL,
            CLASSES,
            MASKED,
            ("ForImageClassificationWithTeacher", Task::Taught),
        ],
        tower: |b, fields, task| {
            let parts = Parts {
                mask_token: task == Task::Masked,
                pooler: task == Task::Bare,
                distilled: true,
            };
            vit(b, fields, parts)
        },
    },
    Kin {
        model_type: "dinov3_convnext",
        stem: "DINOv3ConvNext",
        prefix: "",
        tasks: &[MODEL],
        tower: |b, fields, _| convnext(b, fields, Version::Dino),
    },
    Kin {
        model_type: "dinov3_vit",
        stem: "DINOv3ViT",
        prefix: "",
        tasks: &[MODEL],
        tower: |b, fields, _| dinov3(b, fields),
    },
    Kin {
        model_type: "swin",
        stem: "Swin",
        prefix: "swin.",
        tasks: &[MODEL, CLASSES, MASKED],
        tower: |b, fields, task| {
            let index = saved_before(fields, 5, 6)?;
            normed_swin(b, fields, Distances::Table { index }, task)
        },
    },
    Kin {
        model_type: "swinv2",
        stem: "Swinv2",
        prefix: "swinv2.",
        tasks: &[MODEL, CLASSES, MASKED],
        tower: |b, fields, task| normed_swin(b, fields, Distances::Network, task),
    },
    Kin {
        model_type: "vit_mae",
        stem: "ViTMAE",
        prefix: "vit.",
        tasks: &[MODEL, ("ForPreTraining", Task::Painted)],
        tower: |b, fields, _| vit(b, fields, Parts::default()),
    },
    Kin {
        model_type: "vit_msn",
        stem: "ViTMSN",
        prefix: "vit.",
        tasks: &[MODEL, CLASSES],
        tower: |b, fields, _| vit(b, fields, Parts::default()),
    },
];

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let model_type = fields.opt_text("model_type")?.unwrap_or_default();
    let kin = KIN
        .iter()
        .find(|kin| kin.model_type == model_type)
        .ok_or_else(|| fields.error("model_type", "is not one of this family"))?;
    let task = match class(fields)? {
        None => {
            let reason = "no class is named; the bare encoder is taken";
            fields.assume("architectures", "Model", reason);
            Task::Bare
        }
        Some(class) => class
            .strip_prefix(kin.stem)
            .and_then(|end| kin.tasks.iter().find(|(known, _)| *known == end))
            .map(|&(_, task)| task)
            .ok_or_else(|| {
                let message =
                    format!("{class:?} is no class of this family whose tensors are known");
                fields.error("architectures", message)
            })?,
    };
    let prefix = if task == Task::Bare { "" } else { kin.prefix };
    let hidden = b.scope(prefix, |b| (kin.tower)(b, fields, task))?;
    top(b, fields, task, hidden)
}

fn top(b: &mut Builder, fields: &Fields<'_>, task: Task, hidden: u64) -> Result<()> {
    match task {
        Task::Bare => {}
        Task::Classes => {
            b.linear("classifier", Role::Head, labels(fields)?, hidden, true);
        }
        Task::Taught => {
            let labels = labels(fields)?;
            for name in ["cls_classifier", "distillation_classifier"] {
                b.linear(name, Role::Head, labels, hidden, true);
            }
        }
        Task::Masked => {
            let default = if fields.has("embed_dim") { 32 } else { 16 };
            let stride = fields.size_or("encoder_stride", default)?;
            let outputs = pixels(fields, "encoder_stride", stride)?;
            let shape = [outputs, hidden, 1, 1];
            b.weight_and_bias("decoder.0", Role::Head, &shape, outputs, true);
        }
        Task::Words => {
            b.norm("layernorm", hidden, true);
            let words = fields.size_or("vocab_size", 8192)?;
            b.linear("lm_head", Role::Head, words, hidden, true);
        }
        Task::Painted => return painter(b, fields, hidden),
    }
    Ok(())
}

/// Numbers in a square of this side, over all channels.
fn pixels(fields: &Fields<'_>, name: &str, side: u64) -> Result<u64> {
    let channels = fields.size_or("num_channels", 3)?;
    side.checked_mul(side)
        .and_then(|square| square.checked_mul(channels))
        .ok_or_else(|| fields.error(name, "is too large"))
}

/// Only the bare model and the classifier of BEiT have a pooler, which is a norm over the mean, if they take that.
fn pooled_beit(b: &mut Builder, fields: &Fields<'_>, task: Task) -> Result<u64> {
    let hidden = beit(b, fields)?;
    if task != Task::Words {
        pool(b, fields, hidden)?;
    }
    Ok(hidden)
}

/// The bare model of data2vec has no pooler.
fn data2vec(b: &mut Builder, fields: &Fields<'_>, task: Task) -> Result<u64> {
    let hidden = beit(b, fields)?;
    if task == Task::Classes {
        pool(b, fields, hidden)?;
    }
    Ok(hidden)
}

fn pool(b: &mut Builder, fields: &Fields<'_>, hidden: u64) -> Result<()> {
    if fields.flag_or("use_mean_pooling", true)? {
        b.all_as(Role::Vision, |b| b.norm("pooler.layernorm", hidden, true));
    }
    Ok(())
}

fn normed_swin(
    b: &mut Builder,
    fields: &Fields<'_>,
    distances: Distances,
    task: Task,
) -> Result<u64> {
    let hidden = swin(b, fields, distances, task == Task::Masked)?;
    b.all_as(Role::Vision, |b| b.norm("layernorm", hidden, true));
    Ok(hidden)
}

/// The decoder of MAE, which training alone uses.
fn painter(b: &mut Builder, fields: &Fields<'_>, seen: u64) -> Result<()> {
    let hidden = fields.size_or("decoder_hidden_size", 512)?;
    let heads = fields.size_or("decoder_num_attention_heads", 16)?;
    let name = "decoder_num_attention_heads";
    let layer = Layer {
        hidden,
        width: fields.size_or("decoder_intermediate_size", 2048)?,
        heads,
        head_dim: fields.divide("decoder_hidden_size", hidden, name, heads)?,
        bias: fields.flag_or("qkv_bias", true)?,
    };
    let layers = fields.repeats_or("decoder_num_hidden_layers", 8)?;
    let patches = Patches::read(fields, 224, 16)?;
    let side = fields.size_or("patch_size", 16)?;
    let outputs = pixels(fields, "patch_size", side)?;
    b.all_as(Role::Vision, |b| {
        b.scope("decoder.", |b| {
            b.tensor("mask_token", Role::Vision, &[1, 1, hidden]);
            let shape = [1, patches.count + 1, hidden];
            b.tensor("decoder_pos_embed", Role::Vision, &shape);
            b.linear("decoder_embed", Role::Vision, hidden, seen, true);
            layer.add(b, Stack::Other, "decoder_encoder.layer", layers);
            b.norm("decoder_norm", hidden, true);
            b.linear("decoder_pred", Role::Vision, outputs, hidden, true);
        });
    });
    Ok(())
}
