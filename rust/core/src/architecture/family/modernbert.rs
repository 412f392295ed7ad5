//! ModernBERT and its decoder: rotary positions, gated feed-forward, windows between layers that see everything.
//!
//! Source: transformers `models/modernbert` and `models/modernbert_decoder`. The first layer has no norm before its
//! attention. Published configs give `global_attn_every_n_layers` where later ones have `layer_types`. The window of
//! the encoder reaches to both sides; that of the decoder is the half of it.

use super::Family;
use crate::architecture::attention::{Attention, reach_of};
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{Seat, Task, refuse, tied};
use crate::architecture::layer::{FeedForward, Reach, Stack};
use crate::architecture::place::{Place, labels};
use crate::checkpoint::Role;

/// ModernBERT.
pub const FAMILY: Family = Family {
    name: "modernbert",
    model_types: &["modernbert", "modernbert-decoder"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    model(b, fields, &Seat::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    model(b, fields, &Seat::inside(place))
}

fn model(b: &mut Builder, fields: &Fields<'_>, seat: &Seat<'_>) -> Result<()> {
    let decoder = fields.opt_text("model_type")? == Some("modernbert-decoder");
    let hidden = fields.size("hidden_size")?;
    let heads = fields.size("num_attention_heads")?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let names = if decoder {
        ["q_proj", "k_proj", "v_proj", "Wo"]
    } else {
        ["Wqkv", "", "", "Wo"]
    };
    let attention = Attention {
        fused: !decoder,
        ..Attention::of_heads(
            names,
            hidden,
            heads,
            head_dim,
            fields.flag_or("attention_bias", false)?,
        )
    };
    let width = fields.size("intermediate_size")?;
    let mlp_bias = fields.flag_or("mlp_bias", false)?;
    let norm_bias = fields.flag_or("norm_bias", false)?;
    let layers = fields.repeats("num_hidden_layers")?;
    let vocabulary = fields.size("vocab_size")?;
    let reaches = reaches(fields, layers, decoder)?;
    let plans = reaches
        .into_iter()
        .enumerate()
        .map(|(layer, reach)| (reach, layer == 0));
    let stack = if decoder {
        Stack::Decoder
    } else {
        Stack::Encoder
    };
    b.scope(seat.model, |b| {
        b.embedding(
            "embeddings.tok_embeddings",
            Role::Embedding,
            vocabulary,
            hidden,
        );
        b.norm("embeddings.norm", hidden, norm_bias);
        for ((reach, first), numbers) in group(plans) {
            b.layers(stack, "layers", &numbers, |b| {
                if !first {
                    b.norm("attn_norm", hidden, norm_bias);
                }
                b.scope("attn.", |b| {
                    Attention {
                        reach,
                        ..attention.clone()
                    }
                    .add(b);
                });
                b.norm("mlp_norm", hidden, norm_bias);
                b.linear("mlp.Wi", Role::Mlp, 2 * width, hidden, mlp_bias);
                b.linear("mlp.Wo", Role::Mlp, hidden, width, mlp_bias);
                b.feed_forward(FeedForward::Dense { width });
            });
        }
        b.norm("final_norm", hidden, norm_bias);
    });
    let head = |b: &mut Builder, name: &str| -> Result<()> {
        let bias = fields.flag_or("classifier_bias", false)?;
        b.linear(&format!("{name}.dense"), Role::Head, hidden, hidden, bias);
        b.norm(&format!("{name}.norm"), hidden, norm_bias);
        Ok(())
    };
    b.scope(seat.top, |b| match seat.task {
        Task::Bare => Ok(()),
        Task::Words | Task::MaskedWords => {
            let name = if decoder { "lm_head" } else { "head" };
            head(b, name)?;
            if fields.flag_or("decoder_bias", true)? {
                b.tensor("decoder.bias", Role::Head, &[vocabulary]);
            }
            if !tied(fields)? {
                b.linear("decoder", Role::Head, vocabulary, hidden, false);
            }
            Ok(())
        }
        Task::Sequence | Task::Token | Task::Answer | Task::Choice => {
            head(b, "head")?;
            let outputs = if seat.task == Task::Choice {
                1
            } else {
                labels(fields)?
            };
            let bias = !decoder || fields.flag_or("classifier_bias", false)?;
            b.linear("classifier", Role::Head, outputs, hidden, bias);
            Ok(())
        }
        Task::PreTraining | Task::NextSentence => refuse(fields),
    })
}

/// How far every layer sees.
fn reaches(fields: &Fields<'_>, layers: u64, decoder: bool) -> Result<Vec<Reach>> {
    let local = fields.size_or("local_attention", 128)?;
    let window = if decoder {
        fields.size_from(
            "sliding_window",
            (local / 2).max(1),
            "not in the config: half of local_attention",
        )?
    } else {
        local
    };
    if let Some(kinds) = fields.opt_layer_texts("layer_types", layers)? {
        return kinds
            .into_iter()
            .map(|kind| reach_of(fields, kind, Some(window)))
            .collect();
    }
    let step = fields.size_or("global_attn_every_n_layers", 3)?;
    Ok((0..layers)
        .map(|layer| {
            if layer.is_multiple_of(step) {
                Reach::Full
            } else {
                Reach::Sliding(window)
            }
        })
        .collect())
}
