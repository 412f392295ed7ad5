//! Llama 3.2 Vision: a Llama some of whose layers attend to what the tower sees instead of to the text.
//!
//! Source: transformers `models/mllama`.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{self, Defaults};
use crate::architecture::feed_forward::dense as network;
use crate::architecture::layer::Mixer;
use crate::architecture::multimodal::known_class;
use crate::architecture::place::{Head, Place, Top, class};
use crate::architecture::vision::llama::mllama;
use crate::checkpoint::Role;

/// Llama 3.2 Vision.
pub const FAMILY: Family = Family {
    name: "mllama",
    model_types: &["mllama", "mllama_text_model"],
    lower,
    text: Some(text),
};

const DEFAULTS: Defaults = Defaults::new(128_256, 4096, 14_336, 40, 32).kv(8);

/// The layers that attend to images where the config does not say which.
const CROSS: [u64; 8] = [3, 8, 13, 18, 23, 28, 33, 38];

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let inner = fields.opt_object("text_config")?;
    let inner = inner.as_ref();
    let causal = class(fields)? == Some("MllamaForCausalLM");
    if causal || fields.opt_text("model_type")? == Some("mllama_text_model") {
        known_class(fields, &["MllamaForCausalLM"])?;
        // The class takes its text model out of a whole config.
        fields.pass_over("vision_config");
        let place = Place {
            model: "model.",
            head: "",
            top: Top::LanguageModel,
            tied: None,
        };
        return text(b, inner.unwrap_or(fields), &place);
    }
    known_class(fields, &["MllamaForConditionalGeneration"])?;
    let inner = fields.object("text_config")?;
    let vision = fields.object("vision_config")?;
    let place = Place {
        model: "language_model.model.",
        head: "language_model.",
        top: Top::LanguageModel,
        tied: None,
    };
    text(b, &inner, &place)?;
    let hidden = inner.size_or("hidden_size", DEFAULTS.hidden)?;
    let seen = b.scope("vision_model.", |b| mllama(b, &vision))?;
    b.linear("multi_modal_projector", Role::Projector, hidden, seen, true);
    Ok(())
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let mut frame = dense::frame(fields, &DEFAULTS)?;
    let hidden = frame.hidden;
    let vocabulary = frame.vocabulary;
    let attention = dense::attention(fields, hidden, &DEFAULTS)?;
    // The class ignores a stated `head_dim`.
    let head_dim = fields.divide(
        "hidden_size",
        hidden,
        "num_attention_heads",
        attention.heads,
    )?;
    let attention = Attention {
        head_dim,
        value_dim: head_dim,
        ..attention
    };
    let width = fields.size_or("intermediate_size", DEFAULTS.width)?;
    let layers = dense::layers(fields, &DEFAULTS)?;
    let listed = fields.opt_counts("cross_attention_layers")?;
    let listed = listed.as_deref().unwrap_or(&CROSS);
    // Tokens that stand for images have entries in the embedding but no logits.
    frame.vocabulary = vocabulary + 8;
    let head = Head {
        name: frame.head,
        vocabulary,
        hidden,
        bias: false,
        tied: frame.is_tied(fields, place)?,
    };
    if head.tied {
        return Err(fields.error(
            "tie_word_embeddings",
            "cannot be true: the embedding has eight more rows than the head",
        ));
    }
    let bare = Place {
        top: Top::None,
        ..*place
    };
    let plans = (0..layers).map(|layer| listed.contains(&layer));
    frame.add(b, fields, &bare, plans, |b, &cross| {
        if cross {
            b.scope("cross_attn.", |b| across(b, &attention));
            b.tensor("cross_attn_attn_gate", Role::Attention, &[1]);
            b.tensor("cross_attn_mlp_gate", Role::Mlp, &[1]);
        } else {
            b.scope("self_attn.", |b| attention.add(b));
        }
        network(b, "mlp.", hidden, width, false);
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        Ok(())
    })?;
    place.top(b, fields, &head)
}

/// Adds attention to what the tower sees. How much that is depends on the image.
fn across(b: &mut Builder, attention: &Attention<'_>) {
    let Attention {
        heads,
        kv_heads,
        head_dim,
        ..
    } = *attention;
    Attention {
        norm: HeadNorm::PerHead,
        ..attention.clone()
    }
    .tensors(b);
    b.mixer(Mixer::Cross {
        heads,
        kv_heads,
        head_dim,
        tokens: None,
    });
}
