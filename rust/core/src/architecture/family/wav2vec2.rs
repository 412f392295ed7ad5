//! Encoders of raw sound: wav2vec 2.0 and what followed it, and what their classes put on top.
//!
//! Sources: transformers `models/wav2vec2`, `hubert`, `wavlm`, `data2vec` (audio), `sew`, `unispeech`, `unispeech_sat`,
//! `wav2vec2_conformer`, `wav2vec2_bert`.

use super::Family;
use crate::architecture::audio::wav2vec2::{
    BERT, CONFORMER, DATA2VEC, HUBERT, Measures, SEW, Tower, UNISPEECH, WAV2VEC2, WAVLM,
};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result, SIZE_LIMIT};
use crate::architecture::place::{class, labels};
use crate::checkpoint::Role;

/// wav2vec 2.0 and what followed it.
pub const FAMILY: Family = Family {
    name: "wav2vec2",
    model_types: &[
        "data2vec-audio",
        "hubert",
        "sew",
        "unispeech",
        "unispeech-sat",
        "wav2vec2",
        "wav2vec2-bert",
        "wav2vec2-conformer",
        "wavlm",
    ],
    lower,
    text: None,
};

/// What the class for pretraining compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PreTraining {
    /// What the layers give with what the stem gives, quantized.
    Stem,
    /// The same, and letters (UniSpeech).
    Letters,
    /// What layers give with what other layers give, and speakers (UniSpeech-SAT).
    Speakers,
}

/// Model type, what stands before the names of the tower, how the names of its classes begin, the tower, and the class
/// for pretraining, if its tensors are known.
type Kin = (
    &'static str,
    &'static str,
    &'static str,
    Tower,
    Option<PreTraining>,
);

static KIN: [Kin; 9] = [
    (
        "data2vec-audio",
        "data2vec_audio.",
        "Data2VecAudio",
        DATA2VEC,
        None,
    ),
    ("hubert", "hubert.", "Hubert", HUBERT, None),
    ("sew", "sew.", "SEW", SEW, None),
    (
        "unispeech",
        "unispeech.",
        "UniSpeech",
        UNISPEECH,
        Some(PreTraining::Letters),
    ),
    (
        "unispeech-sat",
        "unispeech_sat.",
        "UniSpeechSat",
        UNISPEECH,
        Some(PreTraining::Speakers),
    ),
    (
        "wav2vec2",
        "wav2vec2.",
        "Wav2Vec2",
        WAV2VEC2,
        Some(PreTraining::Stem),
    ),
    (
        "wav2vec2-bert",
        "wav2vec2_bert.",
        "Wav2Vec2Bert",
        BERT,
        None,
    ),
    (
        "wav2vec2-conformer",
        "wav2vec2_conformer.",
        "Wav2Vec2Conformer",
        CONFORMER,
        Some(PreTraining::Stem),
    ),
    ("wavlm", "wavlm.", "WavLM", WAVLM, None),
];

/// What a class puts on top.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Bare,
    Transcription,
    PreTraining,
    Sequence,
    Frames,
    Speaker,
}

const TASKS: [(&str, Task); 6] = [
    ("Model", Task::Bare),
    ("ForCTC", Task::Transcription),
    ("ForPreTraining", Task::PreTraining),
    ("ForSequenceClassification", Task::Sequence),
    ("ForAudioFrameClassification", Task::Frames),
    ("ForXVector", Task::Speaker),
];

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let model_type = fields.opt_text("model_type")?.unwrap_or_default();
    let &(_, prefix, stem, tower, pretraining) = KIN
        .iter()
        .find(|(known, ..)| *known == model_type)
        .ok_or_else(|| fields.error("model_type", "is not one of this family"))?;
    let task = match class(fields)? {
        None => {
            let reason = "no class is named; the bare encoder is taken";
            fields.assume("architectures", "Model", reason);
            Task::Bare
        }
        Some(class) => class
            .strip_prefix(stem)
            .and_then(|end| TASKS.iter().find(|(known, _)| *known == end))
            .map(|&(_, task)| task)
            .filter(|&task| task != Task::PreTraining || pretraining.is_some())
            .ok_or_else(|| {
                let message =
                    format!("{class:?} is no class of this family whose tensors are known");
                fields.error("architectures", message)
            })?,
    };
    let prefix = if task == Task::Bare { "" } else { prefix };
    let measures = b.scope(prefix, |b| tower.add(b, fields))?;
    match pretraining {
        Some(kind) if task == Task::PreTraining => quantizer(b, fields, kind, &measures),
        Some(_) | None => top(b, fields, task, &measures),
    }
}

/// The tower of a model type, if it is one of this family.
pub fn tower(model_type: &str) -> Option<&'static Tower> {
    KIN.iter()
        .find(|(known, ..)| *known == model_type)
        .map(|(_, _, _, tower, _)| tower)
}

/// Adds the bare encoder of this model type to the scope that is open, as a part of a larger model, and returns its
/// width.
///
/// # Errors
/// If the model type is not one of this family, or a field is wrong.
pub fn encoder(b: &mut Builder, fields: &Fields<'_>, model_type: &str) -> Result<u64> {
    let tower =
        tower(model_type).ok_or_else(|| fields.error("model_type", "is not one of this family"))?;
    Ok(tower.add(b, fields)?.hidden)
}

fn top(b: &mut Builder, fields: &Fields<'_>, task: Task, measures: &Measures) -> Result<()> {
    let hidden = measures.hidden;
    match task {
        Task::Bare | Task::PreTraining => return Ok(()),
        Task::Transcription => {
            let vocabulary = fields.size_or("vocab_size", 32)?;
            b.linear("lm_head", Role::Head, vocabulary, measures.outputs, true);
            return Ok(());
        }
        Task::Sequence | Task::Frames | Task::Speaker => {}
    }
    if measures.adapted && task != Task::Speaker {
        return Err(fields.error("add_adapter", "does not go with this class"));
    }
    if fields.flag_or("use_weighted_layer_sum", false)? {
        b.tensor("layer_weights", Role::Other, &[measures.layers + 1]);
    }
    match task {
        Task::Bare | Task::Transcription | Task::PreTraining => {}
        Task::Sequence => {
            let bert = fields.opt_text("model_type")? == Some("wav2vec2-bert");
            let width = fields.size_or("classifier_proj_size", if bert { 768 } else { 256 })?;
            b.linear("projector", Role::Projector, width, hidden, true);
            b.linear("classifier", Role::Head, labels(fields)?, width, true);
        }
        Task::Frames => b.linear("classifier", Role::Head, labels(fields)?, hidden, true),
        Task::Speaker => speaker(b, fields, hidden)?,
    }
    Ok(())
}

/// Adds the quantizer, and the projections of what is compared.
fn quantizer(
    b: &mut Builder,
    fields: &Fields<'_>,
    kind: PreTraining,
    measures: &Measures,
) -> Result<()> {
    let hidden = measures.hidden;
    let groups = fields.size_or("num_codevector_groups", 2)?;
    let vectors = fields.size_or("num_codevectors_per_group", 320)?;
    let numbers = fields.size_or("codevector_dim", 256)?;
    let each = fields.divide("codevector_dim", numbers, "num_codevector_groups", groups)?;
    let shared = fields.size_or("proj_codevector_dim", 256)?;
    b.all_as(Role::Audio, |b| -> Result<()> {
        let entries = groups * vectors;
        let quantized = match kind {
            PreTraining::Stem | PreTraining::Letters => measures.extracted,
            PreTraining::Speakers => hidden,
        };
        b.tensor("quantizer.codevectors", Role::Audio, &[1, entries, each]);
        let name = "quantizer.weight_proj";
        b.linear(name, Role::Audio, entries, quantized, true);
        b.linear("project_q", Role::Audio, shared, numbers, true);
        match kind {
            PreTraining::Stem => b.linear("project_hid", Role::Audio, shared, hidden, true),
            PreTraining::Letters => {
                // This one leads the other way.
                b.linear("project_hid", Role::Audio, hidden, shared, true);
                let letters = fields.size_or("num_ctc_classes", 80)?;
                b.linear("ctc_proj", Role::Audio, letters, hidden, true);
            }
            PreTraining::Speakers => {
                b.linear("project_hid", Role::Audio, shared, hidden, true);
                b.linear("speaker_proj", Role::Audio, numbers, hidden, true);
                let clusters = fields.size_or("num_clusters", 504)?;
                let shape = [clusters, numbers];
                b.tensor("label_embeddings_concat", Role::Audio, &shape);
                b.norm("layer_norm_for_extract", hidden, true);
            }
        }
        Ok(())
    })
}

/// Adds the layers that tell speakers apart (x-vectors).
fn speaker(b: &mut Builder, fields: &Fields<'_>, hidden: u64) -> Result<()> {
    let widths = sizes(fields, "tdnn_dim", [512, 512, 512, 512, 1500])?;
    let kernels = sizes(fields, "tdnn_kernel", [5, 3, 3, 1, 1])?;
    let (Some(&first), Some(&last)) = (widths.first(), widths.last()) else {
        return Err(fields.error("tdnn_dim", "must be a list of widths"));
    };
    if widths.len() != kernels.len() {
        let message = format!("has {} widths for {} layers", kernels.len(), widths.len());
        return Err(fields.error("tdnn_kernel", message));
    }
    b.linear("projector", Role::Projector, first, hidden, true);
    let mut inputs = first;
    for (number, (&outputs, &kernel)) in widths.iter().zip(&kernels).enumerate() {
        let name = format!("tdnn.{number}.kernel");
        b.linear(&name, Role::Head, outputs, inputs * kernel, true);
        inputs = outputs;
    }
    let vector = fields.size_or("xvector_output_dim", 512)?;
    b.linear("feature_extractor", Role::Head, vector, 2 * last, true);
    b.linear("classifier", Role::Head, vector, vector, true);
    b.tensor("objective.weight", Role::Head, &[vector, labels(fields)?]);
    Ok(())
}

fn sizes(fields: &Fields<'_>, name: &str, default: [u64; 5]) -> Result<Vec<u64>> {
    let sizes = fields.opt_counts(name)?.unwrap_or_else(|| default.to_vec());
    let fits = |size: &u64| (1..=SIZE_LIMIT).contains(size);
    if sizes.is_empty() || sizes.len() > 64 || !sizes.iter().all(fits) {
        return Err(fields.error(name, "must be a list of sizes"));
    }
    Ok(sizes)
}
