//! The audio spectrogram transformer: DeiT over overlapping patches of a spectrogram.
//!
//! Source: transformers `models/audio_spectrogram_transformer`, under the published names.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::layer::Stack;
use crate::architecture::multimodal::known_class;
use crate::architecture::place::{class, labels};
use crate::architecture::vision::vit::Layer;
use crate::checkpoint::Role;

/// The audio spectrogram transformer.
pub const FAMILY: Family = Family {
    name: "audio-spectrogram-transformer",
    model_types: &["audio-spectrogram-transformer"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["ASTModel", "ASTForAudioClassification"])?;
    let classifier = class(fields)? == Some("ASTForAudioClassification");
    let prefix = if classifier {
        "audio_spectrogram_transformer."
    } else {
        ""
    };
    let hidden = b.scope(prefix, |b| b.all_as(Role::Audio, |b| tower(b, fields)))?;
    if classifier {
        b.norm("classifier.layernorm", hidden, true);
        b.linear(
            "classifier.dense",
            Role::Head,
            labels(fields)?,
            hidden,
            true,
        );
    }
    Ok(())
}

fn tower(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 768)?;
    let heads = fields.size_or("num_attention_heads", 12)?;
    let layer = Layer {
        hidden,
        width: fields.size_or("intermediate_size", 3072)?,
        heads,
        head_dim: fields.divide("hidden_size", hidden, "num_attention_heads", heads)?,
        bias: fields.flag_or("qkv_bias", true)?,
    };
    let layers = fields.repeats_or("num_hidden_layers", 12)?;
    let patch = fields.size_or("patch_size", 16)?;
    let steps = |side: &str, default, stride: &str| -> Result<u64> {
        let length = fields.size_or(side, default)?;
        let stride = fields.size_or(stride, 10)?;
        let rest = length.checked_sub(patch).ok_or_else(|| {
            let message = format!("{patch} is more than {side} {length}");
            fields.error("patch_size", message)
        })?;
        Ok(rest / stride + 1)
    };
    let patches =
        steps("num_mel_bins", 128, "frequency_stride")? * steps("max_length", 1024, "time_stride")?;
    b.scope("embeddings.", |b| {
        b.tensor("cls_token", Role::Audio, &[1, 1, hidden]);
        b.tensor("distillation_token", Role::Audio, &[1, 1, hidden]);
        let shape = [1, patches + 2, hidden];
        b.tensor("position_embeddings", Role::Audio, &shape);
        let shape = [hidden, 1, patch, patch];
        let name = "patch_embeddings.projection";
        b.weight_and_bias(name, Role::Audio, &shape, hidden, true);
    });
    layer.add(b, Stack::Audio, "encoder.layer", layers);
    b.norm("layernorm", hidden, true);
    Ok(hidden)
}
