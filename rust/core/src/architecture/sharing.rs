//! Layers at the end that use the keys and values of earlier ones (Gemma 3n and 4), and the inputs of their own that
//! the layers of these models take from a second table of embeddings.

use super::builder::Builder;
use super::config::{Fields, Result};
use super::layer::Reach;
use crate::checkpoint::Role;

/// For each layer, the one whose keys and values it uses instead of its own: for the last `num_kv_shared_layers`
/// (or `default`), the last of the others with the same reach.
///
/// # Errors
/// If the field is wrong, or no layer is left whose keys and values could be used.
pub fn sources(fields: &Fields<'_>, reaches: &[Reach], default: u64) -> Result<Vec<Option<u32>>> {
    const NAME: &str = "num_kv_shared_layers";
    let shared = fields.count_or(NAME, default)?;
    let layers = reaches.len() as u64;
    if shared == 0 {
        return Ok(vec![None; reaches.len()]);
    }
    let Some(own) = layers
        .checked_sub(shared)
        .and_then(|own| usize::try_from(own).ok())
    else {
        return Err(fields.error(NAME, format!("{shared} is more than all {layers} layers")));
    };
    fields.assume(
        NAME,
        format_args!("no keys and values of their own in the last {shared} layers"),
        "the layers that share have none in transformers; some published files store ones that nothing reads",
    );
    reaches
        .iter()
        .enumerate()
        .map(|(layer, reach)| {
            if layer < own {
                return Ok(None);
            }
            reaches
                .iter()
                .take(own)
                .rposition(|other| other == reach)
                .and_then(|source| u32::try_from(source).ok())
                .map(Some)
                .ok_or_else(|| {
                    fields.error(
                        NAME,
                        format!("layer {layer} has no earlier layer of its kind to share with"),
                    )
                })
        })
        .collect()
}

/// The table of which every layer takes an input of its own for each token, and what brings it to the layers.
#[derive(Clone, Copy, Debug)]
pub struct LayerInputs {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Width of the input of one layer.
    pub width: u64,
    /// Entries of the table.
    pub vocabulary: u64,
    /// Layers.
    pub layers: u64,
}

impl LayerInputs {
    /// Adds what the model has once, to the scope of the model.
    pub fn add(&self, b: &mut Builder) {
        let all = self.layers * self.width;
        b.embedding(
            "embed_tokens_per_layer",
            Role::Embedding,
            self.vocabulary,
            all,
        );
        b.linear(
            "per_layer_model_projection",
            Role::Embedding,
            all,
            self.hidden,
            false,
        );
        b.norm("per_layer_projection_norm", self.width, false);
    }

    /// Adds what each layer has, to the scope of the layer.
    pub fn add_to_layer(&self, b: &mut Builder) {
        b.linear(
            "per_layer_input_gate",
            Role::Embedding,
            self.width,
            self.hidden,
            false,
        );
        b.linear(
            "per_layer_projection",
            Role::Embedding,
            self.hidden,
            self.width,
            false,
        );
        b.norm("post_per_layer_input_norm", self.hidden, false);
    }
}
