//! What is told of a model beside its tensors: widths, vocabulary, context, rotations, number formats.
//!
//! Nothing here changes a tensor, so nothing here is an error: a fact that is not stated, or stated in a form that is
//! not known, is missing. What a family took for a missing field is a fact too.

use super::config::{CLASS_DEFAULT, Fields};
use super::default_context;
use super::rope::{Rope, Turn};

const HIDDEN_SIZE: &str = "hidden_size|n_embd|n_embed|d_model|dim|hidden_dim|embed_dim|emb_dim";
const VOCAB_SIZE: &str = "vocab_size|padded_vocab_size|n_words";
const CONTEXT: &str = "max_position_embeddings|n_positions|max_sequence_length|max_seq_length|seq_length|n_ctx|\
                       max_seq_len|context_length|max_target_positions|max_decoder_position_embeddings|\
                       model_max_length";

/// Where a config of several parts has its text model, the first that is there. In a model of an encoder and a decoder
/// that is the decoder.
const TEXT: &[&str] = &[
    "text_config",
    "llm_config",
    "language_config",
    "language_model_config",
    "lm_config",
    "thinker_config",
    "vlm_config",
    "text_cfg",
    "decoder",
    "decoder_config",
    "text_encoder",
];

/// What is told of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The width of the residual stream of the text model.
    pub hidden_size: Option<u64>,
    /// Entries of the vocabulary.
    pub vocab_size: Option<u64>,
    /// Tokens of context.
    pub context: Option<u64>,
    /// How positions are turned into rotations.
    pub rope: Option<Rope>,
    /// Every way of it that layers have.
    pub turns: Vec<Turn>,
    /// The number format of the weights, as the config names it.
    pub dtype: Option<String>,
    /// The method of quantization.
    pub quantization: Option<String>,
}

impl Facts {
    /// Reads them from a whole config that a family has lowered.
    #[must_use]
    pub fn read(fields: &Fields<'_>) -> Self {
        let text = text_fields(fields);
        Self {
            hidden_size: size(&text, fields, HIDDEN_SIZE),
            // What a model writes may be of another vocabulary than what it reads.
            vocab_size: size(&text, fields, "decoder_vocab_size|tgt_vocab_size")
                .or_else(|| size(&text, fields, VOCAB_SIZE)),
            context: size(&text, fields, CONTEXT).or_else(|| default_context(&text)),
            rope: Rope::read(&text).or_else(|| Rope::read(fields)),
            turns: Some(Turn::all(&text))
                .filter(|turns| !turns.is_empty())
                .unwrap_or_else(|| Turn::all(fields)),
            dtype: [&text, fields]
                .into_iter()
                .find_map(|fields| fields.value("torch_dtype|dtype")?.as_str())
                .map(str::to_owned),
            quantization: fields
                .value("quantization_config|quantization|compression_config")
                .and_then(|stated| {
                    ["quant_method", "quant_algo", "mode"]
                        .iter()
                        .find_map(|key| stated.get(key)?.as_str())
                })
                .map(str::to_owned),
        }
    }
}

/// What the text model states or was taken to have, or else what the whole states.
fn size(text: &Fields<'_>, whole: &Fields<'_>, names: &str) -> Option<u64> {
    let stated = |fields: &Fields<'_>| fields.opt_count(names).ok().flatten();
    stated(text)
        .or_else(|| text.assumed(names)?.parse().ok())
        .or_else(|| stated(whole))
}

/// The context that the class of a text model has where its config states none.
fn default_context(text: &Fields<'_>) -> Option<u64> {
    let model_type = text.opt_text("model_type").ok().flatten()?;
    let tokens = default_context::of_class(model_type)?;
    text.assume(CONTEXT, tokens, CLASS_DEFAULT);
    Some(tokens)
}

/// The fields of the text model of a config: a nested object, or the whole.
fn text_fields<'c>(fields: &Fields<'c>) -> Fields<'c> {
    let Some(text) = TEXT.iter().find_map(|name| fields.maybe_object(name)) else {
        return *fields;
    };
    // A thinker holds its text model's config one level deeper.
    text.maybe_object("text_config").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::Facts;
    use crate::architecture::config::Config;
    use serde_json::{Value, json};

    fn facts(config: Value) -> Facts {
        Config::new(config)
            .map_or_else(|_| Facts::default(), |config| Facts::read(&config.fields()))
    }

    #[test]
    fn facts_are_those_of_the_text_model_wherever_it_lies() {
        for path in ["text_config", "decoder", "decoder_config", "llm_config"] {
            let inner =
                json!({"hidden_size": 64, "vocab_size": 100, "max_position_embeddings": 512});
            let facts = facts(json!({"hidden_size": 7, path: inner}));
            assert_eq!(facts.hidden_size, Some(64), "{path}");
            assert_eq!(facts.vocab_size, Some(100), "{path}");
            assert_eq!(facts.context, Some(512), "{path}");
        }
        let thinker = json!({"thinker_config": {"text_config": {"d_model": 64}}});
        assert_eq!(facts(thinker).hidden_size, Some(64));
    }

    #[test]
    fn odd_forms_are_no_facts_and_no_errors() {
        let odd = json!({"hidden_size": [1, 2], "vocab_size": "many", "dtype": 1, "text_config": 3, "decoder": []});
        assert_eq!(facts(odd), Facts::default());
    }
}
