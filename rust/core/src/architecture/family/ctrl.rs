//! CTRL: computed positions, projections with biases, a head that keeps only a bias of its own.
//!
//! Source: transformers `models/ctrl`.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::classic;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::FeedForward;
use crate::architecture::place::{Place, Top, labels};
use crate::checkpoint::Role;

/// CTRL.
pub const FAMILY: Family = Family {
    name: "ctrl",
    model_types: &["ctrl"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let place = Place::whole(fields, "transformer.")?;
    if place.top != Top::SequenceClassifier {
        return classic::whole(b, fields, "transformer.", text);
    }
    let place = Place {
        top: Top::None,
        ..place
    };
    text(b, fields, &place)?;
    let hidden = fields.size("n_embd|hidden_size")?;
    b.linear("classifier", Role::Head, labels(fields)?, hidden, false);
    Ok(())
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let hidden = fields.size("n_embd|hidden_size")?;
    let heads = fields.size("n_head|num_attention_heads")?;
    let head_dim = fields.divide("n_embd", hidden, "n_head", heads)?;
    let attention = Attention {
        bias: true,
        output_bias: true,
        ..Attention::of_heads(["Wq", "Wk", "Wv", "dense"], hidden, heads, head_dim, false)
    };
    let width = fields.size_or("dff", 8192)?;
    let layers = fields.repeats("n_layer|num_hidden_layers")?;
    let frame = Frame {
        hidden,
        vocabulary: fields.size("vocab_size")?,
        embedding: "w",
        stack: "h",
        norm: Some(("layernorm", true)),
        head: "lm_head",
        head_bias: true,
        tied: true,
    };
    frame.add(b, fields, place, (0..layers).map(|_| ()), |b, ()| {
        b.scope("multi_head_attention.", |b| attention.add(b));
        b.norm("layernorm1", hidden, true);
        b.norm("layernorm2", hidden, true);
        b.scope("ffn.", |b| {
            plain(b, ["0", "2"], Role::Mlp, hidden, width, true);
        });
        b.feed_forward(FeedForward::Dense { width });
        Ok(())
    })
}
