//! Evolla: a Llama with layers that attend to what an encoder of proteins read, gathered by a resampler.
//!
//! Source: transformers `models/evolla`. The encoder is `SaProt`, an ESM with rotary positions.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{self, Defaults};
use crate::architecture::feed_forward;
use crate::architecture::heads::Multihead;
use crate::architecture::layer::{FeedForward, Mixer, Stack};
use crate::architecture::multimodal::known_class;
use crate::architecture::place::{Place, Top};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// Evolla.
pub const FAMILY: Family = Family {
    name: "evolla",
    model_types: &["evolla"],
    lower,
    text: None,
};

const DEFAULTS: Defaults = Defaults::new(128_256, 4096, 14_336, 32, 32).kv(8);

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["EvollaForProteinText2Text"])?;
    let frame = dense::frame(fields, &DEFAULTS)?;
    let hidden = frame.hidden;
    let mut attention = dense::attention(fields, hidden, &DEFAULTS)?;
    let bias = fields.flag_or("attention_bias", false)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    let mlp_bias = fields.flag_or("mlp_bias", false)?;
    let width = fields.size_or("intermediate_size", DEFAULTS.width)?;
    let layers = dense::layers(fields, &DEFAULTS)?;
    let added = fields.size_or("aligner_num_add_layers", 8)?;
    let period = (layers / added).max(1);
    let aligner = Aligner {
        hidden,
        heads: attention.heads,
        head_dim: fields.divide(
            "hidden_size",
            hidden,
            "num_attention_heads",
            attention.heads,
        )?,
        width: hidden * factor(fields, "aligner_ffn_mult")?,
        bias: fields.flag_or("aligner_enable_bias", true)?,
        latents: fields.size_or("resampler_num_latents", 64)?,
    };
    let place = Place {
        model: "model.",
        head: "",
        top: Top::LanguageModel,
        // The class ties nothing, whatever the config says.
        tied: Some(false),
    };
    let plans = (1..=layers).map(|number| number.is_multiple_of(period));
    frame.add(b, fields, &place, plans, |b, &aligned| {
        b.scope("self_attn.", |b| attention.add(b));
        feed_forward::dense(b, "mlp.", hidden, width, mlp_bias);
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        if aligned {
            b.scope("adapter.", |b| aligner.add(b));
        }
        Ok(())
    })?;
    let protein = fields.object("protein_encoder_config")?;
    b.scope("model.protein_encoder.", |b| {
        let seen = b.scope("model.", |b| encoder(b, &protein))?;
        b.scope("sequence_compressor_resampler.", |b| {
            b.all_as(Role::Projector, |b| {
                resampler(b, fields, seen, hidden, aligner.latents)
            })
        })
    })
}

/// A small whole number by which a width is multiplied.
fn factor(fields: &Fields<'_>, name: &str) -> Result<u64> {
    let factor = fields.size_or(name, 4)?;
    if factor > 1 << 10 {
        return Err(fields.error(name, format!("{factor} is larger than any model's")));
    }
    Ok(factor)
}

/// Attention of a layer to the protein, and a network behind it.
struct Aligner {
    hidden: u64,
    heads: u64,
    head_dim: u64,
    width: u64,
    bias: bool,
    latents: u64,
}

impl Aligner {
    fn add(&self, b: &mut Builder) {
        let Self {
            hidden,
            heads,
            head_dim,
            width,
            ..
        } = *self;
        let role = Role::Attention;
        for name in ["query", "key_protein", "value_protein"] {
            b.linear(name, role, hidden, hidden, true);
        }
        b.linear("out_proj", role, hidden, hidden, self.bias);
        b.norm("attention_norm", hidden, false);
        b.norm("ff.norm", hidden, true);
        b.linear("ff.fc1", role, width, hidden, false);
        b.linear("ff.fc2", role, hidden, width, false);
        b.tensor("gate_attention", role, &[1]);
        b.tensor("gate_ffw", role, &[1]);
        b.mixer(Mixer::Cross {
            heads,
            kv_heads: heads,
            head_dim,
            tokens: Some(self.latents),
        });
        b.feed_forward(FeedForward::Dense { width });
    }
}

/// Adds the encoder of proteins and returns its width.
fn encoder(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 1280)?;
    let width = fields.size_or("intermediate_size", 5120)?;
    let layers = fields.repeats_or("num_hidden_layers", 33)?;
    let heads = fields.size_or("num_attention_heads", 20)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let vocabulary = fields.size_or("vocab_size", 446)?;
    let before = fields.flag_or("emb_layer_norm_before", false)?;
    if fields.text_or("position_embedding_type", "rotary")? != "rotary" {
        return Err(fields.error("position_embedding_type", "is only known as rotary"));
    }
    for name in ["is_decoder", "add_cross_attention"] {
        if fields.opt_flag(name)?.unwrap_or(false) {
            return Err(fields.error(name, "is not known for the encoder of proteins"));
        }
    }
    b.embedding(
        "embeddings.word_embeddings",
        Role::Embedding,
        vocabulary,
        hidden,
    );
    if before {
        b.norm("embeddings.layer_norm", hidden, true);
    }
    let frequencies = [head_dim / 2];
    b.buffer("rotary_embeddings.inv_freq", Role::Position, &frequencies);
    let names = ["self.query", "self.key", "self.value", "output.dense"];
    // `COUNT_LIMIT` bounds the layers.
    let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
    b.layers(Stack::Encoder, "encoder.layer", &numbers, |b| {
        b.scope("attention.", |b| {
            Multihead::new(names, hidden, heads, head_dim, true).attend(b);
            b.norm("LayerNorm", hidden, true);
        });
        b.linear("intermediate.dense", Role::Mlp, width, hidden, true);
        b.linear("output.dense", Role::Mlp, hidden, width, true);
        b.feed_forward(FeedForward::Dense { width });
        b.norm("LayerNorm", hidden, true);
    });
    b.norm("encoder.emb_layer_norm_after", hidden, true);
    Ok(hidden)
}

/// Adds the resampler: learned queries that attend to what the encoder gave and to themselves.
fn resampler(
    b: &mut Builder,
    fields: &Fields<'_>,
    seen: u64,
    hidden: u64,
    latents: u64,
) -> Result<()> {
    let depth = fields.repeats_or("resampler_depth", 6)?;
    let head_dim = fields.size_or("resampler_dim_head", 64)?;
    let heads = fields.size_or("resampler_heads", 8)?;
    let width = seen * factor(fields, "resampler_ff_mult")?;
    let role = Role::Projector;
    let inner = heads * head_dim;
    b.tensor("latents", role, &[latents, seen]);
    // `COUNT_LIMIT` bounds the layers.
    let numbers = Numbers::Below(u32::try_from(depth).unwrap_or(u32::MAX));
    b.layers(Stack::Other, "layers", &numbers, |b| {
        b.scope("0.", |b| {
            b.norm("norm_media", seen, true);
            b.norm("norm_latents", seen, true);
            b.linear("to_q", role, inner, seen, false);
            b.linear("to_kv", role, 2 * inner, seen, false);
            b.linear("to_out", role, seen, inner, false);
            b.mixer(Attention::of_heads([""; 4], seen, heads, head_dim, false).mixer());
        });
        b.scope("1.", |b| {
            b.norm("norm", seen, true);
            b.linear("fc1", role, width, seen, false);
            b.linear("fc2", role, seen, width, false);
            b.feed_forward(FeedForward::Dense { width });
        });
    });
    b.norm("norm", hidden, true);
    b.linear("protein_projector", role, hidden, seen, true);
    Ok(())
}
