//! Molmo and Molmo 2: language models in the names of OLMo behind a vision transformer, whose patches attention pools.
//!
//! Sources: the index of a published Molmo-7B-D, whose total the sizes that its code fixes (`modeling_molmo.py`) give
//! exactly; transformers `models/molmo2`, and its `conversion_mapping.py` for the published names of Molmo 2.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::plain;
use crate::architecture::heads::Multihead;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::multimodal::known_class;
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// Molmo.
pub const FAMILY: Family = Family {
    name: "molmo",
    model_types: &["molmo", "molmo2"],
    lower,
    text: None,
};

const NAMES: [&str; 4] = ["wq", "wk", "wv", "wo"];

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    if fields.opt_text("model_type")? == Some("molmo2") {
        known_class(fields, &["Molmo2ForConditionalGeneration"])?;
        second(b, fields)
    } else {
        known_class(fields, &["MolmoForCausalLM"])?;
        first(b, fields)
    }
}

/// A language model of either generation.
struct Text {
    hidden: u64,
    /// Rows of the table, and of the one beside it.
    rows: [u64; 2],
    layers: u64,
    attention: Attention<'static>,
    width: u64,
    /// Whether attention and network lie in objects of their own.
    nested: bool,
}

impl Text {
    /// Adds it without its head, as what `transformer.` holds.
    fn add(&self, b: &mut Builder) {
        let Self { hidden, width, .. } = *self;
        let [rows, more] = self.rows;
        let role = Role::Embedding;
        b.looked_up(|b| {
            b.tensor("wte.embedding", role, &[rows, hidden]);
            b.tensor("wte.new_embedding", role, &[more, hidden]);
        });
        let [attention, network] = if self.nested {
            ["self_attn.", "mlp."]
        } else {
            ["", ""]
        };
        for ((), numbers) in group((0..self.layers).map(|_| ())) {
            b.layers(Stack::Decoder, "blocks", &numbers, |b| {
                b.scope(attention, |b| self.attention.add(b));
                b.scope(network, |b| {
                    b.linear("ff_proj", Role::Mlp, 2 * width, hidden, false);
                    b.linear("ff_out", Role::Mlp, hidden, width, false);
                });
                b.feed_forward(FeedForward::Dense { width });
                b.norm("attn_norm", hidden, false);
                b.norm("ff_norm", hidden, false);
            });
        }
        b.norm("ln_f", hidden, false);
    }
}

/// A tower of either generation, and what pools and projects.
struct Eyes {
    hidden: u64,
    width: u64,
    layers: u64,
    attention: Multihead<'static>,
    positions: u64,
    /// Numbers of a patch.
    patch: u64,
    /// Whether there is a token of a class, with a norm before the layers, and a patch has no bias.
    class: bool,
    pooling: Multihead<'static>,
    /// Inner width and output of the projector, and whether the inner matrices have biases.
    projector: (u64, u64, bool),
}

impl Eyes {
    /// Adds them, as what `vision_backbone.` holds.
    fn add(&self, b: &mut Builder) {
        let Self { hidden, width, .. } = *self;
        let role = Role::Vision;
        b.all_as(role, |b| {
            b.scope("image_vit.", |b| {
                if self.class {
                    b.tensor("class_embedding", role, &[hidden]);
                    b.norm("pre_ln", hidden, true);
                }
                b.tensor("positional_embedding", role, &[self.positions, hidden]);
                b.linear("patch_embedding", role, hidden, self.patch, !self.class);
                // `COUNT_LIMIT` bounds their number.
                let numbers = Numbers::Below(u32::try_from(self.layers).unwrap_or(u32::MAX));
                b.layers(Stack::Vision, "transformer.resblocks", &numbers, |b| {
                    b.scope("attention.", |b| self.attention.attend(b));
                    b.scope("feed_forward.", |b| {
                        plain(b, ["w1", "w2"], role, hidden, width, true);
                    });
                    b.feed_forward(FeedForward::Dense { width });
                    b.norm("attention_norm", hidden, true);
                    b.norm("ffn_norm", hidden, true);
                });
            });
        });
        let (inner, output, bias) = self.projector;
        let role = Role::Projector;
        b.all_as(role, |b| {
            b.scope("image_pooling_2d.", |b| {
                let Multihead {
                    heads,
                    kv_heads,
                    head_dim,
                    source,
                    hidden,
                    bias: [bias, ..],
                    ..
                } = self.pooling;
                // Queries, too, are made of patches of several layers side by side.
                b.linear("wq", role, heads * head_dim, source, bias);
                b.linear("wk", role, kv_heads * head_dim, source, bias);
                b.linear("wv", role, kv_heads * head_dim, source, bias);
                b.linear("wo", role, hidden, heads * head_dim, bias);
            });
            b.scope("image_projector.", |b| {
                let seen = self.pooling.hidden;
                b.linear("w1", role, inner, seen, bias);
                b.linear("w3", role, inner, seen, bias);
                b.linear("w2", role, output, inner, false);
            });
        });
    }
}

/// What the code of the first generation fixes: ViT-L of CLIP at 336 pixels, cut off at the deepest of the two layers
/// that are looked at.
const FIXED: [u64; 5] = [1024, 4096, 23, 16, 577];

fn first(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    for (name, known) in [
        ("weight_tying", false),
        ("attention_layer_norm", false),
        ("norm_after", false),
    ] {
        if fields.opt_flag(name)?.is_some_and(|stated| stated != known) {
            return Err(fields.error(name, "is true; no such model is known"));
        }
    }
    let hidden = fields.size("hidden_size")?;
    let inner = fields.size("intermediate_size")?;
    let width = fields.divide("intermediate_size", inner, "intermediate_size", 2)?;
    let vocabulary = fields.size("vocab_size")?;
    let embedded = fields.size_from(
        "embedding_size",
        vocabulary,
        "not in the config: vocab_size",
    )?;
    let bias = fields.flag_or("qkv_bias", false)?;
    let attention = Attention {
        names: ["att_proj", "", "", "attn_out"],
        fused: true,
        bias,
        ..Attention::read(fields, hidden)?
    };
    let text = Text {
        hidden,
        rows: [embedded, 128],
        layers: fields.repeats("num_hidden_layers")?,
        attention,
        width,
        nested: false,
    };
    let [seen, seen_width, layers, heads, positions] = FIXED;
    let each = Multihead::new(NAMES, seen, heads, seen / heads, true);
    let eyes = Eyes {
        hidden: seen,
        width: seen_width,
        layers,
        attention: each,
        positions,
        patch: 3 * 14 * 14,
        class: true,
        pooling: Multihead {
            source: 2 * seen,
            ..each
        },
        projector: (width, hidden, false),
    };
    b.scope("model.", |b| {
        b.scope("transformer.", |b| {
            text.add(b);
            b.linear("ff_out", Role::Head, embedded, hidden, false);
        });
        b.scope("vision_backbone.", |b| {
            eyes.add(b);
            // A vector for either kind of padding.
            b.tensor("pad_embed", Role::Vision, &[2, 2 * seen]);
        });
    });
    Ok(())
}

fn second(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let text_config = fields.object("text_config")?;
    let hidden = text_config.size_or("hidden_size", 4096)?;
    let heads = text_config.size_or("num_attention_heads", 32)?;
    let kv_heads = text_config.size_or("num_key_value_heads", 8)?;
    text_config.divide(
        "num_attention_heads",
        heads,
        "num_key_value_heads",
        kv_heads,
    )?;
    let head_dim = text_config.size_or("head_dim", 128)?;
    let bias = text_config.flag_or("attention_bias", false)?;
    let names = ["att_proj", "", "", "attn_out"];
    let attention = Attention {
        kv_heads,
        fused: true,
        output_bias: false,
        norm: match text_config.text_or("qk_norm_type", "qwen3")? {
            "qwen3" => HeadNorm::PerHead,
            "olmo" => HeadNorm::Whole,
            other => {
                return Err(
                    text_config.error("qk_norm_type", format!("{other:?} is not a known norm"))
                );
            }
        },
        ..Attention::of_heads(names, hidden, heads, head_dim, bias)
    };
    let vocabulary = text_config.size_or("vocab_size", 151_936)?;
    let text = Text {
        hidden,
        rows: [
            vocabulary,
            text_config.size_or("additional_vocab_size", 128)?,
        ],
        layers: text_config.repeats_or("num_hidden_layers", 36)?,
        attention,
        width: text_config.size_or("intermediate_size", 12_288)?,
        nested: true,
    };
    let eyes = eyes(fields)?;
    if fields.flag_or("tie_word_embeddings", false)? {
        return Err(fields.error(
            "tie_word_embeddings",
            "is true; the head has fewer rows than the table",
        ));
    }
    b.scope("model.", |b| {
        b.scope("transformer.", |b| text.add(b));
        b.scope("vision_backbone.", |b| eyes.add(b));
    });
    b.linear("lm_head", Role::Head, vocabulary, hidden, false);
    Ok(())
}

fn eyes(fields: &Fields<'_>) -> Result<Eyes> {
    const LAYERS: &str = "vision_feature_layer|vit_layers";
    let vision = fields.object("vision_config")?;
    let adapter = fields.object("adapter_config")?;
    let heads = |fields: &Fields<'_>, hidden: u64, source: u64| -> Result<Multihead<'static>> {
        let heads = fields.size_or("num_attention_heads", 16)?;
        let kv_heads = fields.size_or("num_key_value_heads", 16)?;
        fields.divide(
            "num_attention_heads",
            heads,
            "num_key_value_heads",
            kv_heads,
        )?;
        let head_dim = fields.size_or("head_dim", 72)?;
        let bias = fields.flag_or("attention_bias", true)?;
        Ok(Multihead {
            source,
            kv_heads,
            ..Multihead::new(NAMES, hidden, heads, head_dim, bias)
        })
    };
    let hidden = vision.size_or("hidden_size", 1152)?;
    let patch = vision.size_or("image_patch_size|patch_size", 14)?;
    let channels = vision.size_or("num_channels", 3)?;
    let side = match vision
        .opt_counts("image_default_input_size|image_size")?
        .as_deref()
    {
        None => (378, 378),
        Some(&[height, across]) => (height, across),
        Some(_) => return Err(vision.error("image_size", "must be a list of two sizes")),
    };
    let positions = vision.size_from(
        "image_num_pos|num_position_embeddings",
        (side.0 / patch).saturating_mul(side.1 / patch),
        "not in the config: as many patches as an image has",
    )?;
    let looked_at = if let Some(layers) = adapter.opt_list(LAYERS)? {
        layers.len() as u64
    } else {
        let reason = "not in the config; the default of its model class";
        adapter.assume(LAYERS, "two layers", reason);
        2
    };
    let pooled = adapter.size_or("hidden_size", 1152)?;
    Ok(Eyes {
        hidden,
        width: vision.size_or("intermediate_size", 4304)?,
        layers: vision.repeats_or("num_hidden_layers", 25)?,
        attention: heads(&vision, hidden, hidden)?,
        positions,
        patch: channels * patch * patch,
        class: false,
        pooling: heads(&adapter, pooled, hidden * looked_at)?,
        projector: (
            adapter.size_or("intermediate_size", 18_944)?,
            adapter.size_or("text_hidden_size", 3584)?,
            adapter.flag_or("mlp_bias", false)?,
        ),
    })
}
