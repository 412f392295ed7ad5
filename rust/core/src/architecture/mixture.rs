//! The layer of most mixtures of experts: attention, then experts or, in some layers, one network for all tokens.

use super::attention::Attention;
use super::builder::Builder;
use super::config::{Fields, Result};
use super::decoder::Frame;
use super::feed_forward::{Experts, dense};
use super::layer::Reach;
use super::place::Place;

/// What the layers of a mixture of experts are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mixture<'n> {
    /// The attention of every layer, but for its reach.
    pub attention: Attention<'n>,
    /// Its prefix, with the dot.
    pub attention_prefix: &'n str,
    /// The experts of the sparse layers.
    pub experts: Experts<'n>,
    /// Their prefix, with the dot.
    pub experts_prefix: &'n str,
    /// Inner width of the network that the other layers have, if the config gives one.
    pub dense: Option<u64>,
    /// Its prefix, with the dot.
    pub dense_prefix: &'n str,
    /// Whether it has biases.
    pub dense_bias: bool,
    /// The norms of a layer.
    pub norms: &'n [&'n str],
    /// Whether they have biases.
    pub norm_bias: bool,
}

impl<'n> Mixture<'n> {
    /// The names that most have: `self_attn`, `mlp` and the two norms of Llama.
    #[must_use]
    pub const fn new(attention: Attention<'n>, experts: Experts<'n>, dense: Option<u64>) -> Self {
        Self {
            attention,
            attention_prefix: "self_attn.",
            experts,
            experts_prefix: "mlp.",
            dense,
            dense_prefix: "mlp.",
            dense_bias: false,
            norms: &["input_layernorm", "post_attention_layernorm"],
            norm_bias: false,
        }
    }

    /// Adds one layer with this reach to the scope of the layer.
    ///
    /// # Errors
    /// If the layer is dense and the config gives no width.
    pub fn block(
        &self,
        b: &mut Builder,
        fields: &Fields<'_>,
        reach: Reach,
        sparse: bool,
    ) -> Result<()> {
        let attention = Attention {
            reach,
            ..self.attention.clone()
        };
        self.block_with(b, fields, &attention, sparse)
    }

    /// Adds one layer with this attention to the scope of the layer.
    ///
    /// # Errors
    /// If the layer is dense and the config gives no width.
    pub fn block_with(
        &self,
        b: &mut Builder,
        fields: &Fields<'_>,
        attention: &Attention<'_>,
        sparse: bool,
    ) -> Result<()> {
        let hidden = attention.hidden;
        b.scope(self.attention_prefix, |b| attention.add(b));
        if sparse {
            b.scope(self.experts_prefix, |b| self.experts.add(b));
        } else {
            let width = self.dense.ok_or_else(|| {
                fields.error(
                    "intermediate_size",
                    "is missing, and there are layers without experts",
                )
            })?;
            dense(b, self.dense_prefix, hidden, width, self.dense_bias);
        }
        for norm in self.norms {
            b.norm(norm, hidden, self.norm_bias);
        }
        Ok(())
    }

    /// Adds the whole model, given for each layer its reach and whether it has experts.
    ///
    /// # Errors
    /// If a field is wrong, or a layer is dense and the config gives no width.
    pub fn add(
        &self,
        b: &mut Builder,
        fields: &Fields<'_>,
        place: &Place<'_>,
        frame: &Frame<'_>,
        plans: impl IntoIterator<Item = (Reach, bool)>,
    ) -> Result<()> {
        frame.add(b, fields, place, plans, |b, &(reach, sparse)| {
            self.block(b, fields, reach, sparse)
        })
    }
}

/// Which layers have experts: `mlp_layer_types` or, without it, `otherwise`, which is given the layer's number.
///
/// # Errors
/// If `mlp_layer_types` is wrong or names another kind.
pub fn sparse_layers(
    fields: &Fields<'_>,
    layers: u64,
    otherwise: impl Fn(u64) -> bool,
) -> Result<Vec<bool>> {
    let Some(types) = fields.opt_layer_texts("mlp_layer_types", layers)? else {
        return Ok((0..layers).map(otherwise).collect());
    };
    types
        .into_iter()
        .map(|kind| match kind {
            "sparse" => Ok(true),
            "dense" => Ok(false),
            other => Err(fields.error(
                "mlp_layer_types",
                format!("{other:?} is neither \"sparse\" nor \"dense\""),
            )),
        })
        .collect()
}
