//! The mind of a model: config.json lowered to blocks, their tensors, and what each layer remembers.
//!
//! ```text
//!  config.json ─ Config ─ family ─► Builder ─► templates, layers ─► Architecture ─► sums, caches, names
//! ```
//!
//! A family describes its blocks once, as templates of (name pattern, role, shape, numbers). Parameters, roles,
//! shapes and names are all read off that list. This module never runs or imports anything a config names.

pub mod builder;
pub mod cache;
pub mod config;
pub mod family;
pub mod field;
pub mod layer;
pub mod place;
pub mod rope;
pub mod shared;
pub mod template;

mod attention;
mod audio;
mod classic;
mod decoder;
mod default_context;
mod delta_net;
mod dense;
mod encoder;
mod encoder_decoder;
mod encoder_top;
mod facts;
mod feed_forward;
mod flops;
mod heads;
mod hybrid;
mod lightning;
mod listing;
mod mamba;
mod mixture;
mod mla;
mod multimodal;
mod outline;
mod prediction;
mod projector;
mod qformer;
mod sharing;
mod short_convolution;
mod sparse;
mod unread;
mod vision;
mod what_if;

use crate::checkpoint::Role;
use crate::dtype::Dtype;
use builder::Builder;
use cache::Cache;
use config::{Assumption, Config, ConfigError, FieldRead, Result};
use facts::Facts;
use layer::{Layer, Stack};
use rope::{Rope, Turn};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use template::{Routing, Template};

/// What a config determines of its model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// `model_type` of the config.
    pub model_type: String,
    /// The class the config names first, if any: `LlamaForCausalLM`.
    pub class: Option<String>,
    /// The family that read it.
    pub family: String,
    /// Every tensor, by kind.
    pub templates: Vec<Template>,
    /// Every layer, by stack and number.
    pub layers: Vec<Layer>,
    /// The width of the residual stream of the text model.
    pub hidden_size: Option<u64>,
    /// Entries of the vocabulary.
    pub vocab_size: Option<u64>,
    /// Tokens of context the config states.
    pub context: Option<u64>,
    /// How positions are turned into rotations.
    pub rope: Option<Rope>,
    /// Every way of it that layers have, in the order the config states them.
    #[serde(default)]
    pub turns: Vec<Turn>,
    /// The dtype the config states, as it names it.
    pub dtype: Option<String>,
    /// The method of quantization the config states.
    pub quantization: Option<String>,
    /// What the config does not say and was taken to hold.
    pub assumptions: Vec<Assumption>,
    /// The fields that were read, there or not.
    pub fields: Vec<FieldRead>,
}

pub use listing::CacheFacts;
pub use what_if::{Change, Class, WhatIf};
pub(crate) use what_if::{is_known, near};

/// Tensors and parameters of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// How many tensors.
    pub tensors: u64,
    /// Their elements.
    pub parameters: u64,
    /// Elements that one token goes through, tables of embeddings in full.
    pub active: u64,
}

impl Count {
    fn add(&mut self, template: &Template) {
        // `Builder::finish` has checked that everything together fits.
        self.tensors = self
            .tensors
            .saturating_add(template.count().unwrap_or(u64::MAX));
        self.parameters = self
            .parameters
            .saturating_add(template.total().unwrap_or(u64::MAX));
        self.active = self
            .active
            .saturating_add(template.active().unwrap_or(u64::MAX));
    }
}

impl Architecture {
    /// Derives the architecture that a parsed config.json determines.
    ///
    /// `assume` names a model type to take where the config's own is unknown or missing.
    ///
    /// # Errors
    /// If the model type is unknown, or a field is missing, wrong or absurd.
    pub fn from_config(value: impl Into<Arc<Value>>, assume: Option<&str>) -> Result<Self> {
        Self::read(value.into(), assume, Config::fields_read)
    }

    /// The same without the fields that were read, for those that are derived by the thousand.
    pub(crate) fn without_fields(value: Arc<Value>, assume: Option<&str>) -> Result<Self> {
        Self::read(value, assume, |_| Vec::new())
    }

    fn read(
        value: Arc<Value>,
        assume: Option<&str>,
        tell: fn(&Config) -> Vec<FieldRead>,
    ) -> Result<Self> {
        let config = Config::new(value)?;
        let fields = config.fields();
        let model_type = fields
            .opt_text("model_type")?
            .unwrap_or_default()
            .to_owned();
        let family = family::find(&fields, assume)?;
        let mut builder = Builder::default();
        (family.lower)(&mut builder, &fields)?;
        let (templates, layers) = builder.finish()?;
        unread::refuse(&config)?;
        let stated = Facts::read(&fields);
        let class = place::class(&fields)?.map(str::to_owned);
        let fields = tell(&config);
        Ok(Self {
            model_type,
            class,
            family: family.name.to_owned(),
            templates,
            layers,
            hidden_size: stated.hidden_size,
            vocab_size: stated.vocab_size,
            context: stated.context,
            rope: stated.rope,
            turns: stated.turns,
            dtype: stated.dtype,
            quantization: stated.quantization,
            assumptions: config.into_assumptions(),
            fields,
        })
    }

    /// The sum over all tensors.
    #[must_use]
    pub fn total(&self) -> Count {
        self.sum(|_| true)
    }

    /// The sum over the tensors for which `of` holds.
    pub fn sum(&self, of: impl Fn(&Template) -> bool) -> Count {
        let mut count = Count::default();
        self.templates
            .iter()
            .filter(|template| of(template))
            .for_each(|template| count.add(template));
        count
    }

    /// The layers that write tokens, in order.
    pub fn decoder(&self) -> impl Iterator<Item = &Layer> {
        self.layers
            .iter()
            .filter(|layer| layer.stack == Stack::Decoder)
    }

    /// Sums by role, in the order of display.
    #[must_use]
    pub fn roles(&self) -> BTreeMap<Role, Count> {
        let mut roles: BTreeMap<Role, Count> = BTreeMap::new();
        for template in &self.templates {
            roles.entry(template.role).or_default().add(template);
        }
        roles
    }

    /// Elements outside of embeddings that are looked up.
    #[must_use]
    pub fn non_embedding_parameters(&self) -> u64 {
        self.sum(|template| template.routing != Routing::Lookup)
            .parameters
    }

    /// Bytes that requests need after `tokens` tokens each, in so many sequences.
    ///
    /// `encoder_tokens` stands for the length of an encoder's output where the model does not fix it.
    ///
    /// # Errors
    /// If the sum does not fit 64 bits.
    pub fn cache_bytes(
        &self,
        tokens: u64,
        encoder_tokens: u64,
        sequences: u64,
        dtype: Dtype,
    ) -> Result<u64> {
        self.layers
            .iter()
            .try_fold(0_u64, |sum, layer| {
                sum.checked_add(layer.cache_bytes(tokens, encoder_tokens, dtype)?)
            })
            .and_then(|one| one.checked_mul(sequences))
            .ok_or_else(|| ConfigError::new("", "the cache has more bytes than 64 bits count"))
    }

    /// Bytes that one more token costs after `tokens` tokens, in one sequence.
    ///
    /// Where one entry of a cache stands for several tokens, this is the mean over the entries that close together.
    ///
    /// # Errors
    /// If the sum does not fit 64 bits.
    pub fn bytes_per_token(&self, tokens: u64, dtype: Dtype) -> Result<u64> {
        let step = self
            .decoder()
            .flat_map(Layer::caches)
            .map(|cache| cache.facts().ratio)
            .max()
            .unwrap_or(1)
            .max(1);
        let begin = tokens / step * step;
        let end = begin
            .checked_add(step)
            .ok_or_else(|| ConfigError::new("", "more tokens than 64 bits count"))?;
        let before = self.cache_bytes(begin, 0, 1, dtype)?;
        Ok((self.cache_bytes(end, 0, 1, dtype)? - before) / step)
    }

    /// Bytes of the recurrent states of one sequence.
    ///
    /// # Errors
    /// If the sum does not fit 64 bits.
    pub fn state_bytes(&self, dtype: Dtype) -> Result<u64> {
        self.bytes_of(dtype, 0, |cache| matches!(cache, Cache::State { .. }))
    }

    /// Bytes of the keys and values of an encoder's output in one sequence. `encoder_tokens` stands for its length where
    /// the model does not fix it.
    ///
    /// # Errors
    /// If the sum does not fit 64 bits.
    pub fn cross_bytes(&self, encoder_tokens: u64, dtype: Dtype) -> Result<u64> {
        self.bytes_of(dtype, encoder_tokens, |cache| {
            matches!(cache, Cache::Cross { .. })
        })
    }

    fn bytes_of(
        &self,
        dtype: Dtype,
        encoder_tokens: u64,
        of: impl Fn(&Cache) -> bool,
    ) -> Result<u64> {
        self.decoder()
            .flat_map(Layer::caches)
            .filter(of)
            .try_fold(0_u64, |sum, cache| {
                sum.checked_add(cache.bytes(0, encoder_tokens, dtype)?)
            })
            .ok_or_else(|| ConfigError::new("", "the cache has more bytes than 64 bits count"))
    }

    /// The numbers of tokens from which on some layer keeps no more, ascending.
    #[must_use]
    pub fn saturations(&self) -> Vec<u64> {
        let mut windows: Vec<u64> = self
            .decoder()
            .flat_map(Layer::caches)
            .filter_map(|cache| cache.facts().window)
            .collect();
        windows.sort_unstable();
        windows.dedup();
        windows
    }

    /// How many tokens came before the last one of the context, or before one for which every window is full. A window
    /// longer than the context never is.
    #[must_use]
    pub(crate) fn late(&self) -> u64 {
        match self.context.and_then(|longest| longest.checked_sub(1)) {
            Some(last) => last,
            None => self.saturations().last().copied().unwrap_or(0),
        }
    }

    /// Sums by layer, as `model.layers.3`, in the order of stacks and numbers; what lies outside all layers comes
    /// first, as `outside`.
    #[must_use]
    pub fn by_layer(&self) -> Vec<(String, Count)> {
        let mut sums: BTreeMap<(&str, u32), Count> = BTreeMap::new();
        let mut outside = Count::default();
        for template in &self.templates {
            let (Some(stack), Some((layers, inner))) =
                (template.stack(), template.numbers.split_first())
            else {
                outside.add(template);
                continue;
            };
            let one = Template {
                numbers: inner.to_vec(),
                in_layer: false,
                ..template.clone()
            };
            for layer in layers.iter() {
                sums.entry((stack, layer)).or_default().add(&one);
            }
        }
        let layers = sums
            .into_iter()
            .map(|((stack, layer), count)| (format!("{stack}.{layer}"), count));
        std::iter::once(("outside".to_owned(), outside))
            .chain(layers)
            .collect()
    }
}
