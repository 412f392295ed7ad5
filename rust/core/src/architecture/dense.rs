//! The layer of most dense decoders: attention, one network for all tokens, and norms around them; and how the sizes
//! of such a model are read, with what its class takes for those that the config does not give.
//!
//! A config of a text model inside a larger one is often written as the difference to the defaults of its class, so
//! that even `num_attention_heads` can be missing.

use super::attention::{Attention, reach_of};
use super::builder::Builder;
use super::config::{Fields, Result};
use super::decoder::Frame;
use super::feed_forward::{GATED, gated, plain};
use super::layer::{FeedForward, Reach};
use super::place::Place;
use crate::checkpoint::Role;
use serde_json::Value;

/// What a model's class takes where the config gives no size.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Entries of the vocabulary.
    pub vocabulary: u64,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Inner width of the network.
    pub width: u64,
    /// Layers.
    pub layers: u64,
    /// Query heads.
    pub heads: u64,
    /// Heads of keys and values; as many as query heads if the class has no number of its own.
    pub kv_heads: Option<u64>,
    /// Numbers per head; `hidden / heads` if the class has no number of its own.
    pub head_dim: Option<u64>,
    /// Whether the head is tied.
    pub tied: bool,
}

impl Defaults {
    /// In the order in which configs give them: vocabulary, width, inner width, layers, heads. The rest follows from
    /// these, and the head is not tied.
    #[must_use]
    pub const fn new(vocabulary: u64, hidden: u64, width: u64, layers: u64, heads: u64) -> Self {
        Self {
            vocabulary,
            hidden,
            width,
            layers,
            heads,
            kv_heads: None,
            head_dim: None,
            tied: false,
        }
    }

    /// With so many heads of keys and values.
    #[must_use]
    pub const fn kv(self, kv_heads: u64) -> Self {
        Self {
            kv_heads: Some(kv_heads),
            ..self
        }
    }

    /// With so many numbers per head.
    #[must_use]
    pub const fn dim(self, head_dim: u64) -> Self {
        Self {
            head_dim: Some(head_dim),
            ..self
        }
    }

    /// With a tied head.
    #[must_use]
    pub const fn tied(self) -> Self {
        Self { tied: true, ..self }
    }
}

/// A truth value that a class fixes, or reads from a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// Always this.
    Is(bool),
    /// This field, or this if it is missing.
    Read(&'static str, bool),
}

impl Flag {
    /// The value it has for this config.
    ///
    /// # Errors
    /// If the field is neither true nor false.
    pub fn get(self, fields: &Fields<'_>) -> Result<bool> {
        match self {
            Self::Is(value) => Ok(value),
            Self::Read(names, default) => fields.flag_or(names, default),
        }
    }
}

/// How a network for all tokens is made of matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network<'n> {
    /// Gate, up and down.
    Gated([&'n str; 3]),
    /// Gate and up as one, and down.
    FusedGated([&'n str; 2]),
    /// Up and down.
    Plain([&'n str; 2]),
}

/// Gate, up and down as Llama names them.
pub const LLAMA: Network<'_> = Network::Gated(GATED);

/// The two norms before attention and network as Llama names them.
pub const PRE_NORMS: &[&str] = &["input_layernorm", "post_attention_layernorm"];

/// What the layers of a dense decoder are made of.
#[derive(Clone, Debug)]
pub struct Dense<'n> {
    /// What lies around the layers.
    pub frame: Frame<'n>,
    /// How many layers there are.
    pub layers: u64,
    /// The attention of every layer, but for its reach.
    pub attention: Attention<'n>,
    /// Its prefix, with the dot.
    pub attention_prefix: &'n str,
    /// The network of every layer.
    pub network: Network<'n>,
    /// Its prefix, with the dot.
    pub network_prefix: &'n str,
    /// Its inner width.
    pub width: u64,
    /// Whether its matrices have biases.
    pub network_bias: bool,
    /// The norms of a layer that are as wide as the residual stream.
    pub norms: &'n [&'n str],
    /// Whether they have biases.
    pub norm_bias: bool,
}

impl<'n> Dense<'n> {
    /// Reads the usual fields, and takes the names and parts of Llama: no biases, no norms of heads, two norms before,
    /// full reach.
    ///
    /// # Errors
    /// If a field is wrong, or heads do not divide.
    pub fn read(fields: &Fields<'_>, defaults: &Defaults) -> Result<Self> {
        let frame = frame(fields, defaults)?;
        let attention = attention(fields, frame.hidden, defaults)?;
        let width = fields.size_or("intermediate_size|ff_intermediate_size", defaults.width)?;
        Ok(Self::new(
            frame,
            layers(fields, defaults)?,
            attention,
            width,
        ))
    }

    /// These parts, and otherwise the names and parts of Llama.
    #[must_use]
    pub const fn new(frame: Frame<'n>, layers: u64, attention: Attention<'n>, width: u64) -> Self {
        Self {
            frame,
            layers,
            attention,
            attention_prefix: "self_attn.",
            network: LLAMA,
            network_prefix: "mlp.",
            width,
            network_bias: false,
            norms: PRE_NORMS,
            norm_bias: false,
        }
    }

    /// Adds the network of a layer to the scope of the layer, and tells the layer of it.
    pub fn add_network(&self, b: &mut Builder) {
        let (hidden, width, bias) = (self.frame.hidden, self.width, self.network_bias);
        b.scope(self.network_prefix, |b| match self.network {
            Network::Gated(names) => gated(b, names, Role::Mlp, hidden, width, bias),
            Network::FusedGated([gate_up, down]) => {
                b.linear(gate_up, Role::Mlp, 2 * width, hidden, bias);
                b.linear(down, Role::Mlp, hidden, width, bias);
            }
            Network::Plain(names) => plain(b, names, Role::Mlp, hidden, width, bias),
        });
        b.feed_forward(FeedForward::Dense { width });
    }

    /// Adds the attention of a layer with this reach to the scope of the layer, and tells the layer of it.
    pub fn add_attention(&self, b: &mut Builder, reach: Reach) {
        let attention = Attention {
            reach,
            ..self.attention.clone()
        };
        b.scope(self.attention_prefix, |b| attention.add(b));
    }

    /// Adds the norms of a layer to the scope of the layer.
    pub fn add_norms(&self, b: &mut Builder) {
        for norm in self.norms {
            b.norm(norm, self.frame.hidden, self.norm_bias);
        }
    }

    /// Adds the whole model, given the reach of every layer.
    ///
    /// # Errors
    /// If a field is wrong.
    pub fn add(
        &self,
        b: &mut Builder,
        fields: &Fields<'_>,
        place: &Place<'_>,
        reaches: impl IntoIterator<Item = Reach>,
    ) -> Result<()> {
        self.add_with(b, fields, place, reaches, |_| {})
    }

    /// As [`Self::add`], with more tensors in each layer.
    ///
    /// # Errors
    /// If a field is wrong.
    pub fn add_with(
        &self,
        b: &mut Builder,
        fields: &Fields<'_>,
        place: &Place<'_>,
        reaches: impl IntoIterator<Item = Reach>,
        more: impl Fn(&mut Builder),
    ) -> Result<()> {
        self.frame.add(b, fields, place, reaches, |b, &reach| {
            self.add_attention(b, reach);
            self.add_network(b);
            self.add_norms(b);
            more(b);
            Ok(())
        })
    }

    /// Full reach in every layer.
    pub fn full(&self) -> impl Iterator<Item = Reach> + use<> {
        (0..self.layers).map(|_| Reach::Full)
    }
}

/// The frame of Llama with these defaults.
///
/// # Errors
/// If a field is wrong.
pub fn frame<'n>(fields: &Fields<'_>, defaults: &Defaults) -> Result<Frame<'n>> {
    Ok(Frame {
        hidden: fields.size_or("hidden_size", defaults.hidden)?,
        vocabulary: fields.size_or("vocab_size", defaults.vocabulary)?,
        embedding: "embed_tokens",
        stack: "layers",
        norm: Some(("norm", false)),
        head: "lm_head",
        head_bias: false,
        tied: defaults.tied,
    })
}

/// How many layers there are.
///
/// # Errors
/// If the field is wrong.
pub fn layers(fields: &Fields<'_>, defaults: &Defaults) -> Result<u64> {
    fields.repeats_or("num_hidden_layers|num_layers", defaults.layers)
}

/// Attention with the usual fields and these defaults: no biases, no norms, full reach.
///
/// # Errors
/// If a field is wrong, or heads do not divide.
pub fn attention<'n>(
    fields: &Fields<'_>,
    hidden: u64,
    defaults: &Defaults,
) -> Result<Attention<'n>> {
    const KV_HEADS: &str = "num_key_value_heads";
    const HEAD_DIM: &str = "head_dim|attention_head_dim";
    let heads = fields.size_or("num_attention_heads", defaults.heads)?;
    let kv_heads = match defaults.kv_heads {
        // The classes turn a null into as many as query heads.
        Some(default) if !fields.is_null(KV_HEADS) => fields.size_or(KV_HEADS, default)?,
        Some(_) | None => fields.size_from(
            KV_HEADS,
            heads,
            "not in the config: every query head has its own keys and values",
        )?,
    };
    fields.divide("num_attention_heads", heads, KV_HEADS, kv_heads)?;
    let head_dim = match (fields.opt_size(HEAD_DIM)?, defaults.head_dim) {
        (Some(head_dim), _) => head_dim,
        (None, Some(default)) if !fields.is_null("head_dim") => {
            fields.size_or(HEAD_DIM, default)?
        }
        (None, _) => per_head(fields, hidden, heads)?,
    };
    let names = ["q_proj", "k_proj", "v_proj", "o_proj"];
    Ok(Attention {
        kv_heads,
        ..Attention::of_heads(names, hidden, heads, head_dim, false)
    })
}

/// `hidden_size / num_attention_heads`, noted as what `head_dim` is taken to be.
///
/// # Errors
/// If it does not divide.
pub fn per_head(fields: &Fields<'_>, hidden: u64, heads: u64) -> Result<u64> {
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    fields.assume(
        "head_dim",
        head_dim,
        "not in the config: hidden_size / num_attention_heads",
    );
    Ok(head_dim)
}

/// The window, or the class's own if the config has none. A null turns it off, and so does a 0.
///
/// # Errors
/// If it is no whole number.
pub fn window(fields: &Fields<'_>, default: Option<u64>) -> Result<Option<u64>> {
    const WINDOW: &str = "sliding_window";
    let window = match (fields.opt_count(WINDOW)?, default) {
        (Some(window), _) => Some(window),
        (None, Some(default)) if !fields.is_null(WINDOW) => Some(fields.count_or(WINDOW, default)?),
        (None, _) => None,
    };
    Ok(window.filter(|&window| window > 0))
}

/// The reach of every layer: what `layer_types` says or, without it, the window in the layers for which `slides`
/// holds, if there is a window.
///
/// # Errors
/// If `layer_types` is wrong.
pub fn reaches(
    fields: &Fields<'_>,
    layers: u64,
    window: Option<u64>,
    slides: impl Fn(u64) -> bool,
) -> Result<Vec<Reach>> {
    let Some(types) = fields.opt_layer_texts("layer_types", layers)? else {
        return Ok((0..layers)
            .map(|layer| match window {
                Some(window) if slides(layer) => Reach::Sliding(window),
                Some(_) | None => Reach::Full,
            })
            .collect());
    };
    types
        .into_iter()
        .map(|kind| reach_of(fields, kind, window))
        .collect()
}

/// Fields that ask for parts of which a plain dense decoder has none, and the largest number that asks for nothing.
const FOREIGN: &[(&str, u64)] = &[
    ("add_bias_linear", 0),
    ("attention_bias", 0),
    ("attention_out_bias", 0),
    ("attn_layer_indices", 0),
    ("bias", 0),
    ("block_configs", 0),
    ("hybrid_override_pattern", 0),
    ("intermediate_size_per_layer", 0),
    ("intermediate_sizes", 0),
    ("is_encoder_decoder", 0),
    ("kv_lora_rank", 0),
    ("layers_block_type", 0),
    ("lm_head_bias", 0),
    ("mixer_types", 0),
    ("mlp_bias", 0),
    ("moe_num_experts", 1),
    ("n_routed_experts", 1),
    ("num_attention_heads_per_layer", 0),
    ("num_experts", 1),
    ("num_key_value_heads_per_layer", 0),
    ("num_kv_shared_layers", 0),
    ("num_local_experts", 1),
    ("num_nextn_predict_layers", 0),
    ("q_lora_rank", 0),
    ("qk_layernorm", 0),
    ("qk_norm", 0),
    ("qkv_bias", 0),
    ("use_bias", 0),
    ("use_cla", 0),
    ("use_qk_norm", 0),
];

/// Refuses a config that asks for a part which the family does not have: experts, biases, norms of heads. `own` are
/// the fields that the family reads, or that it may well ignore.
///
/// # Errors
/// If there is such a field.
pub fn refuse_foreign(fields: &Fields<'_>, own: &[&str]) -> Result<()> {
    for name in fields.names() {
        let Some(&(_, harmless)) = FOREIGN.iter().find(|(foreign, _)| *foreign == name) else {
            continue;
        };
        if own
            .iter()
            .any(|names| names.split('|').any(|own| own == name))
        {
            // It is known, and need not be read again.
            fields.pass_over(name);
            continue;
        }
        let asks = match fields.value(name) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => *flag,
            Some(Value::Number(number)) => number.as_u64().is_none_or(|number| number > harmless),
            Some(Value::Array(list)) => !list.is_empty(),
            Some(Value::Object(object)) => !object.is_empty(),
            Some(Value::String(text)) => !text.is_empty(),
        };
        if asks {
            return Err(fields.error(
                name,
                "asks for a part that models of this type are not known to have",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::architecture::Architecture;
    use crate::architecture::cache::Cache;
    use crate::architecture::config::Result;
    use crate::architecture::layer::Reach;
    use serde_json::{Value, json};

    fn derive(changes: &Value) -> Result<Architecture> {
        let mut config = json!({
            "architectures": ["MistralForCausalLM"],
            "model_type": "mistral",
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_attention_heads": 8,
            "num_hidden_layers": 2,
            "vocab_size": 100,
        });
        for (name, value) in changes.as_object().into_iter().flatten() {
            config[name] = value.clone();
        }
        Architecture::from_config(config, None)
    }

    fn cache(changes: &Value) -> Vec<Cache> {
        derive(changes).map_or_else(|_| Vec::new(), |mistral| mistral.layers[0].caches())
    }

    #[test]
    fn a_null_turns_off_what_a_missing_field_takes_from_its_class() {
        let sliding = Reach::Sliding(4096);
        // Sixteen heads of four numbers: the class has 8 heads of keys and values, a null has as many as queries.
        let heads = json!({"num_attention_heads": 16});
        let own = Cache::KeyValue {
            width: 2 * 8 * 4,
            reach: sliding,
        };
        assert_eq!(cache(&heads), [own]);
        let none =
            json!({"num_attention_heads": 16, "sliding_window": null, "num_key_value_heads": null});
        let full = Cache::KeyValue {
            width: 2 * 16 * 4,
            reach: Reach::Full,
        };
        assert_eq!(cache(&none), [full]);
    }

    #[test]
    fn what_a_class_took_is_told() {
        let mistral = derive(&json!({})).unwrap();
        let told = |field: &str, value: &str| {
            mistral
                .assumptions
                .iter()
                .any(|told| told.field == field && told.value == value)
        };
        assert!(told("num_key_value_heads", "8"));
        assert!(told("sliding_window", "4096"));
    }

    #[test]
    fn parts_that_a_family_lacks_are_refused() {
        for (name, value) in [
            ("num_experts", json!(8)),
            ("use_qk_norm", json!(true)),
            ("block_configs", json!([{}])),
            ("attention_bias", json!(true)),
        ] {
            let error = derive(&json!({name: value})).unwrap_err();
            assert_eq!(error.field, name);
        }
        for (name, value) in [
            ("num_experts", json!(1)),
            ("use_qk_norm", json!(false)),
            ("block_configs", json!(null)),
        ] {
            assert!(derive(&json!({name: value})).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_class_of_another_make_is_refused() {
        for class in ["LlamaForCausalLM", "MistralForCausalLMEagle3"] {
            let error = derive(&json!({"architectures": [class]})).unwrap_err();
            assert_eq!(error.field, "architectures");
        }
    }

    #[test]
    fn an_assumed_type_is_what_the_family_reads() {
        let config = json!({"model_type": "novel", "hidden_size": 64, "num_attention_heads": 4,
            "num_key_value_heads": 4, "num_hidden_layers": 1});
        let novel = Architecture::from_config(config, Some("qwen2")).unwrap();
        let bias = |template: &crate::architecture::template::Template| {
            template.pattern.ends_with("q_proj.bias")
        };
        assert!(novel.templates.iter().any(bias));
        assert_eq!(novel.model_type, "novel");
    }
}
