//! The tower of wav2vec 2.0 and what followed it: strided convolutions over raw sound, a projection, a convolution for
//! positions, and layers of a transformer or a conformer.
//!
//! Sources: transformers `models/wav2vec2`, `hubert`, `wavlm`, `data2vec` (audio), `sew`, `unispeech`, `unispeech_sat`,
//! `wav2vec2_conformer`, `wav2vec2_bert`.

use super::weight_norm;
use crate::architecture::builder::{Builder, group};
use crate::architecture::classic::all;
use crate::architecture::config::{Fields, Result, SIZE_LIMIT};
use crate::architecture::heads::{Multihead, PROJECTIONS};
use crate::architecture::layer::{FeedForward, Mixer, Reach, Stack};
use crate::checkpoint::Role;

/// What the layers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Those of a transformer.
    Transformer,
    /// The same, with distances between tokens in buckets (WavLM).
    Bucketed,
    /// Those of a conformer whose convolution has a batch norm.
    Conformer,
    /// Those of a conformer whose convolution has a layer norm, over a spectrogram instead of raw sound.
    Spectral,
}

/// What tells positions before the layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positions {
    /// One wide convolution whose weight is stored as length and direction.
    Wide,
    /// Several narrow ones.
    Narrow,
    /// Nothing.
    None,
}

/// What is proper to a model type.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches in the words of the field"
)]
pub struct Tower {
    /// The layers.
    pub block: Block,
    /// What tells positions.
    pub positions: Positions,
    /// Channels of the convolutions, and how wide each is, where the config does not say.
    pub convolutions: &'static [(u64, u64)],
    /// Whether the convolutions may have a group norm in the first alone; otherwise each has a layer norm.
    pub grouped: bool,
    /// Whether tokens are squeezed together before the layers and pulled apart behind them (SEW).
    pub squeezed: bool,
    /// Whether the norm of the projection may be missing, and positions may have a batch norm (HuBERT).
    pub optional_norms: bool,
    /// Whether layers may have adapters for a language (MMS).
    pub language_adapters: bool,
    /// Whether convolutions that shorten the output may follow.
    pub adapters: bool,
    /// Width, layers, heads and inner width where the config does not say.
    pub sizes: [u64; 4],
}

const CONVOLUTIONS: &[(u64, u64)] = &[
    (512, 10),
    (512, 3),
    (512, 3),
    (512, 3),
    (512, 3),
    (512, 2),
    (512, 2),
];

const SEW_CONVOLUTIONS: &[(u64, u64)] = &[
    (64, 10),
    (128, 3),
    (128, 1),
    (128, 3),
    (128, 1),
    (256, 3),
    (256, 1),
    (256, 3),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 2),
    (512, 1),
];

/// The tower of wav2vec 2.0.
pub const WAV2VEC2: Tower = Tower {
    block: Block::Transformer,
    positions: Positions::Wide,
    convolutions: CONVOLUTIONS,
    grouped: true,
    squeezed: false,
    optional_norms: false,
    language_adapters: true,
    adapters: true,
    sizes: [768, 12, 12, 3072],
};

/// The tower of UniSpeech.
pub const UNISPEECH: Tower = Tower {
    adapters: false,
    ..WAV2VEC2
};

/// The tower of HuBERT.
pub const HUBERT: Tower = Tower {
    optional_norms: true,
    ..UNISPEECH
};

/// The tower of WavLM.
pub const WAVLM: Tower = Tower {
    block: Block::Bucketed,
    language_adapters: false,
    ..WAV2VEC2
};

/// The tower of data2vec.
pub const DATA2VEC: Tower = Tower {
    positions: Positions::Narrow,
    grouped: false,
    language_adapters: false,
    ..WAV2VEC2
};

/// The tower of SEW.
pub const SEW: Tower = Tower {
    convolutions: SEW_CONVOLUTIONS,
    squeezed: true,
    language_adapters: false,
    ..UNISPEECH
};

/// The tower of wav2vec 2.0 as a conformer.
pub const CONFORMER: Tower = Tower {
    block: Block::Conformer,
    language_adapters: false,
    ..WAV2VEC2
};

/// The tower of w2v-BERT 2.0.
pub const BERT: Tower = Tower {
    block: Block::Spectral,
    positions: Positions::None,
    language_adapters: false,
    sizes: [1024, 24, 16, 4096],
    ..WAV2VEC2
};

/// The measures of a tower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measures {
    /// Width of the residual stream.
    pub hidden: u64,
    /// How many layers.
    pub layers: u64,
    /// Width of what comes out.
    pub outputs: u64,
    /// Whether convolutions shorten the output.
    pub adapted: bool,
    /// Width of what the convolutions of the stem give.
    pub extracted: u64,
    heads: u64,
    head_dim: u64,
    width: u64,
}

impl Tower {
    /// Adds the tower to the scope that is open.
    ///
    /// # Errors
    /// If a field is wrong.
    pub fn add(&self, b: &mut Builder, fields: &Fields<'_>) -> Result<Measures> {
        let [hidden, layers, heads, width] = self.sizes;
        let hidden = fields.size_or("hidden_size", hidden)?;
        let heads = fields.size_or("num_attention_heads", heads)?;
        let adapted = self.adapters && fields.opt_flag("add_adapter")?.unwrap_or(false);
        let mut measures = Measures {
            hidden,
            layers: fields.repeats_or("num_hidden_layers", layers)?,
            outputs: hidden,
            adapted,
            extracted: 0,
            heads,
            head_dim: fields.divide("hidden_size", hidden, "num_attention_heads", heads)?,
            width: fields.size_or("intermediate_size", width)?,
        };
        if adapted {
            measures.outputs = fields.size_from(
                "output_hidden_size",
                hidden,
                "not in the config: hidden_size",
            )?;
        }
        b.all_as(Role::Audio, |b| {
            measures.extracted = self.stem(b, fields, hidden)?;
            // The code adds it where training masks anything.
            if fields.ratio_or("mask_time_prob", 0.05)? > 0.0
                || fields.ratio_or("mask_feature_prob", 0.0)? > 0.0
            {
                b.tensor("masked_spec_embed", Role::Audio, &[hidden]);
            }
            b.scope("encoder.", |b| {
                self.positions(b, fields, hidden)?;
                self.layers(b, fields, &measures)?;
                if self.block != Block::Spectral {
                    b.norm("layer_norm", hidden, true);
                }
                if self.squeezed {
                    let factor = fields.size_or("squeeze_factor", 2)?;
                    let name = "upsample.projection";
                    b.linear(name, Role::Audio, factor * hidden, hidden, true);
                }
                Ok(())
            })?;
            self.adapter(b, fields, &measures)?;
            Ok(measures)
        })
    }

    /// Adds the convolutions over raw sound and what projects them, and returns the width between the two.
    fn stem(&self, b: &mut Builder, fields: &Fields<'_>, hidden: u64) -> Result<u64> {
        if self.block == Block::Spectral {
            let inputs = fields.size_or("feature_projection_input_dim", 160)?;
            b.norm("feature_projection.layer_norm", inputs, true);
            let name = "feature_projection.projection";
            b.linear(name, Role::Audio, hidden, inputs, true);
            return Ok(inputs);
        }
        let channels = listed(fields, "conv_dim", self.convolutions, |&(channels, _)| {
            channels
        })?;
        let kernels = listed(fields, "conv_kernel", self.convolutions, |&(_, kernel)| {
            kernel
        })?;
        if channels.len() != kernels.len() {
            let (channels, kernels) = (channels.len(), kernels.len());
            let message = format!("has {kernels} widths for {channels} convolutions");
            return Err(fields.error("conv_kernel", message));
        }
        let each = !self.grouped
            || match fields.text_or("feat_extract_norm", "group")? {
                "group" => false,
                "layer" => true,
                other => {
                    let message = format!("{other:?} is neither group nor layer");
                    return Err(fields.error("feat_extract_norm", message));
                }
            };
        let bias = fields.flag_or("conv_bias", false)?;
        let mut inputs = 1;
        for (number, (&outputs, &kernel)) in channels.iter().zip(&kernels).enumerate() {
            b.scope(&format!("feature_extractor.conv_layers.{number}."), |b| {
                let shape = [outputs, inputs, kernel];
                b.weight_and_bias("conv", Role::Audio, &shape, outputs, bias);
                if each || number == 0 {
                    b.norm("layer_norm", outputs, true);
                }
            });
            inputs = outputs;
        }
        if self.squeezed {
            b.norm("layer_norm", inputs, true);
            if inputs != hidden {
                b.linear("feature_projection", Role::Audio, hidden, inputs, true);
            }
            return Ok(inputs);
        }
        if !self.optional_norms || fields.flag_or("feat_proj_layer_norm", true)? {
            b.norm("feature_projection.layer_norm", inputs, true);
        }
        let name = "feature_projection.projection";
        b.linear(name, Role::Audio, hidden, inputs, true);
        Ok(inputs)
    }

    fn positions(&self, b: &mut Builder, fields: &Fields<'_>, hidden: u64) -> Result<()> {
        let (count, kernel) = match self.positions {
            Positions::None => return Ok(()),
            Positions::Wide => (1, fields.size_or("num_conv_pos_embeddings", 128)?),
            Positions::Narrow => (
                fields.repeats_or("num_conv_pos_embeddings", 5)?,
                fields.size_or("conv_pos_kernel_size", 19)?,
            ),
        };
        let groups = fields.size_or("num_conv_pos_embedding_groups", 16)?;
        let name = "num_conv_pos_embedding_groups";
        let shape = [
            hidden,
            fields.divide("hidden_size", hidden, name, groups)?,
            kernel,
        ];
        b.scope("pos_conv_embed.", |b| {
            if self.positions == Positions::Narrow {
                b.each("layers", all(count), |b| {
                    b.weight_and_bias("conv", Role::Audio, &shape, hidden, true);
                });
            } else if self.optional_norms && fields.flag_or("conv_pos_batch_norm", false)? {
                b.weight_and_bias("conv", Role::Audio, &shape, hidden, true);
                batch_norm(b, hidden);
            } else {
                let [length, direction] = weight_norm::names(fields)?;
                b.scope("conv.", |b| {
                    b.tensor("bias", Role::Audio, &[hidden]);
                    b.tensor(length, Role::Audio, &[1, 1, kernel]);
                    b.tensor(direction, Role::Audio, &shape);
                });
            }
            Ok(())
        })
    }

    fn layers(&self, b: &mut Builder, fields: &Fields<'_>, measures: &Measures) -> Result<()> {
        match self.block {
            Block::Transformer | Block::Bucketed => self.transformer(b, fields, measures),
            Block::Conformer | Block::Spectral => self.conformer(b, fields, measures),
        }
    }

    fn transformer(&self, b: &mut Builder, fields: &Fields<'_>, measures: &Measures) -> Result<()> {
        let Measures {
            hidden,
            layers,
            heads,
            head_dim,
            ..
        } = *measures;
        let attention = Multihead::new(PROJECTIONS, hidden, heads, head_dim, true);
        // The class whose norms come first alone has them.
        let adapter = if self.language_adapters {
            let width = fields.opt_size("adapter_attn_dim")?;
            let stable = fields.flag_or("do_stable_layer_norm", false)?;
            width.filter(|_| stable)
        } else {
            None
        };
        let buckets = match self.block {
            Block::Bucketed => Some(fields.size_or("num_buckets", 320)?),
            Block::Transformer | Block::Conformer | Block::Spectral => None,
        };
        // The first layer has the table of distances that all use.
        let plans = (0..layers).map(|number| buckets.filter(|_| number == 0));
        for (table, numbers) in group(plans) {
            b.layers(Stack::Audio, "layers", &numbers, |b| {
                b.scope("attention.", |b| {
                    attention.attend(b);
                    if buckets.is_some() {
                        b.tensor("gru_rel_pos_const", Role::Audio, &[1, heads, 1, 1]);
                        b.linear("gru_rel_pos_linear", Role::Audio, 8, head_dim, true);
                    }
                    if let Some(buckets) = table {
                        b.embedding("rel_attn_embed", Role::Audio, buckets, heads);
                    }
                });
                network(b, "feed_forward", measures);
                b.norm("layer_norm", hidden, true);
                b.norm("final_layer_norm", hidden, true);
                if let Some(width) = adapter {
                    b.scope("adapter_layer.", |b| {
                        b.norm("norm", hidden, true);
                        b.linear("linear_1", Role::Audio, width, hidden, true);
                        b.linear("linear_2", Role::Audio, hidden, width, true);
                    });
                }
            });
        }
        Ok(())
    }

    fn conformer(&self, b: &mut Builder, fields: &Fields<'_>, measures: &Measures) -> Result<()> {
        let Measures {
            hidden,
            layers,
            heads,
            head_dim,
            ..
        } = *measures;
        let spectral = self.block == Block::Spectral;
        let relation = Relation::read(fields, spectral)?;
        let kernel = fields.size_or("conv_depthwise_kernel_size", 31)?;
        if relation == Relation::Rotary && !spectral {
            let name = "embed_positions.inv_freq";
            b.buffer(name, Role::Position, &[head_dim / 2]);
        }
        b.layers(Stack::Audio, "layers", &all(layers), |b| {
            for name in ["ffn1", "ffn2"] {
                network(b, name, measures);
                b.norm(&format!("{name}_layer_norm"), hidden, true);
            }
            b.scope("self_attn.", |b| {
                linears(b, hidden);
                match relation {
                    Relation::Rotary | Relation::None => {}
                    Relation::Added => {
                        b.linear("linear_pos", Role::Audio, hidden, hidden, false);
                        b.tensor("pos_bias_u", Role::Audio, &[heads, head_dim]);
                        b.tensor("pos_bias_v", Role::Audio, &[heads, head_dim]);
                    }
                    Relation::Distances(rows) => {
                        b.embedding("distance_embedding", Role::Position, rows, head_dim);
                    }
                }
            });
            b.mixer(attention(heads, head_dim));
            b.norm("self_attn_layer_norm", hidden, true);
            b.scope("conv_module.", |b| {
                b.norm("layer_norm", hidden, true);
                let shape = [2 * hidden, hidden, 1];
                b.tensor("pointwise_conv1.weight", Role::Audio, &shape);
                let shape = [hidden, 1, kernel];
                b.tensor("depthwise_conv.weight", Role::Audio, &shape);
                if spectral {
                    b.norm("depthwise_layer_norm", hidden, true);
                } else {
                    batch_norm(b, hidden);
                }
                let shape = [hidden, hidden, 1];
                b.tensor("pointwise_conv2.weight", Role::Audio, &shape);
            });
            b.norm("final_layer_norm", hidden, true);
        });
        Ok(())
    }

    fn adapter(&self, b: &mut Builder, fields: &Fields<'_>, measures: &Measures) -> Result<()> {
        let spectral = self.block == Block::Spectral;
        if spectral && fields.opt_flag("use_intermediate_ffn_before_adapter")? == Some(true) {
            network(b, "intermediate_ffn", measures);
        }
        if !measures.adapted {
            return Ok(());
        }
        let Measures {
            hidden,
            outputs,
            heads,
            width,
            ..
        } = *measures;
        let layers = fields.repeats_or("num_adapter_layers", if spectral { 1 } else { 3 })?;
        let kernel = fields.size_or("adapter_kernel_size", 3)?;
        b.scope("adapter.", |b| {
            if outputs != hidden {
                b.linear("proj", Role::Audio, outputs, hidden, true);
                b.norm("proj_layer_norm", outputs, true);
            }
            let convolution = |b: &mut Builder, name: &str| {
                let shape = [2 * outputs, outputs, kernel];
                b.weight_and_bias(name, Role::Audio, &shape, 2 * outputs, true);
            };
            if !spectral {
                b.each("layers", all(layers), |b| convolution(b, "conv"));
                return Ok(());
            }
            let name = "num_attention_heads";
            let head_dim = fields.divide("output_hidden_size", outputs, name, heads)?;
            b.layers(Stack::Other, "layers", &all(layers), |b| {
                b.norm("residual_layer_norm", outputs, true);
                convolution(b, "residual_conv");
                b.norm("self_attn_layer_norm", outputs, true);
                convolution(b, "self_attn_conv");
                b.scope("self_attn.", |b| linears(b, outputs));
                b.mixer(attention(heads, head_dim));
                b.norm("ffn_layer_norm", outputs, true);
                b.linear("ffn.intermediate_dense", Role::Audio, width, outputs, true);
                b.linear("ffn.output_dense", Role::Audio, outputs, width, true);
                b.feed_forward(FeedForward::Dense { width });
            });
            Ok(())
        })
    }
}

/// How a conformer relates tokens by their positions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    None,
    Rotary,
    /// What is added to queries, and a projection of positions.
    Added,
    /// A table of so many distances.
    Distances(u64),
}

impl Relation {
    fn read(fields: &Fields<'_>, spectral: bool) -> Result<Self> {
        const NAME: &str = "position_embeddings_type";
        if fields.is_null(NAME) {
            return Ok(Self::None);
        }
        let default = if spectral { "relative_key" } else { "relative" };
        match fields.text_or(NAME, default)? {
            "rotary" => Ok(Self::Rotary),
            "relative" => Ok(Self::Added),
            "relative_key" if spectral => Ok(Self::Distances(
                fields.size_or("left_max_position_embeddings", 64)?
                    + fields.size_or("right_max_position_embeddings", 8)?
                    + 1,
            )),
            other => {
                let message = format!("{other:?} is not known for this model type");
                Err(fields.error(NAME, message))
            }
        }
    }
}

/// A list of sizes, or what the class has.
fn listed<T>(
    fields: &Fields<'_>,
    name: &str,
    default: &[T],
    size: impl Fn(&T) -> u64,
) -> Result<Vec<u64>> {
    let Some(sizes) = fields.opt_counts(name)? else {
        let sizes: Vec<u64> = default.iter().map(size).collect();
        let reason = "not in the config; the default of its model class";
        fields.assume(name, format!("{sizes:?}"), reason);
        return Ok(sizes);
    };
    let fits = |size: &u64| (1..=SIZE_LIMIT).contains(size);
    if sizes.is_empty() || sizes.len() > 64 || !sizes.iter().all(fits) {
        return Err(fields.error(name, "must be a list of sizes, one for each convolution"));
    }
    Ok(sizes)
}

fn batch_norm(b: &mut Builder, size: u64) {
    b.norm("batch_norm", size, true);
    b.scope("batch_norm.", |b| {
        b.buffer("running_mean", Role::Norm, &[size]);
        b.buffer("running_var", Role::Norm, &[size]);
        b.buffer("num_batches_tracked", Role::Norm, &[]);
    });
}

fn network(b: &mut Builder, name: &str, measures: &Measures) {
    let Measures { hidden, width, .. } = *measures;
    b.scope(name, |b| {
        b.linear(".intermediate_dense", Role::Mlp, width, hidden, true);
        b.linear(".output_dense", Role::Mlp, hidden, width, true);
    });
    b.feed_forward(FeedForward::Dense { width });
}

fn linears(b: &mut Builder, hidden: u64) {
    for name in ["linear_q", "linear_k", "linear_v", "linear_out"] {
        b.linear(name, Role::Attention, hidden, hidden, true);
    }
}

const fn attention(heads: u64, head_dim: u64) -> Mixer {
    Mixer::Attention {
        heads,
        kv_heads: heads,
        key_dim: head_dim,
        value_dim: head_dim,
        reach: Reach::Full,
        indexer_dim: 0,
        shared_with: None,
    }
}
