//! Autoencoders after VQGAN, which turn an image into tokens of a codebook and back: those of Chameleon, Janus and
//! Emu3.
//!
//! Source: transformers `models/chameleon`, `models/janus` and `models/emu3`.

use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result, SIZE_LIMIT};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;
use std::sync::Arc;

const ROLE: Role = Role::Vision;

/// In what the autoencoders differ.
#[derive(Clone, Copy, Debug)]
pub struct Kin {
    /// Entries of the codebook and their width, channels within, and channels of the first level where the config does
    /// not say.
    pub defaults: [u64; 4],
    /// How much wider each level is where the config does not say.
    pub multipliers: &'static [u64],
    /// Which levels have attention.
    pub attends: Attends,
    /// Whether there is a decoder.
    pub decodes: bool,
    /// Whether it is for video, as that of Emu3: convolutions over time, and norms of the decoder that look at the
    /// codes.
    pub video: bool,
}

/// Which levels of an autoencoder have attention, beside its middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attends {
    /// Those whose images have one of the sides that the config lists.
    Sides,
    /// The last.
    Last,
    /// Those that the config lists, or these.
    Listed(&'static [u64]),
}

/// Chameleon's.
pub const CHAMELEON: Kin = Kin {
    defaults: [8192, 256, 256, 128],
    multipliers: &[1, 1, 2, 2, 4],
    attends: Attends::Sides,
    decodes: false,
    video: false,
};

/// Janus's.
pub const JANUS: Kin = Kin {
    defaults: [16_384, 8, 256, 128],
    multipliers: &[1, 1, 2, 2, 4],
    attends: Attends::Last,
    decodes: true,
    video: false,
};

/// Emu3's.
pub const EMU3: Kin = Kin {
    defaults: [32_768, 4, 4, 256],
    multipliers: &[1, 2, 2, 4],
    attends: Attends::Listed(&[3]),
    decodes: true,
    video: true,
};

/// What a config says of an autoencoder.
struct Autoencoder {
    levels: Vec<u64>,
    attends: Vec<bool>,
    blocks: u32,
    base: u64,
    channels: u64,
    outputs: u64,
    latent: u64,
    encoded: u64,
    codes: (u64, u64),
    /// Width of attention, where it has a width of its own.
    attention: Option<u64>,
    /// How often time is halved.
    halvings: u32,
    video: bool,
}

/// Adds the autoencoder, as what `vqmodel.` holds, and returns the entries of its codebook and their width.
///
/// # Errors
/// If a field is wrong.
pub fn vqgan(b: &mut Builder, fields: &Fields<'_>, kin: &Kin) -> Result<(u64, u64)> {
    let own = Autoencoder::read(fields, kin)?;
    let (entries, width) = own.codes;
    b.all_as(ROLE, |b| {
        b.embedding("quantize.embedding", ROLE, entries, width);
        b.scope("encoder.", |b| own.encoder(b));
        if kin.decodes {
            b.scope("decoder.", |b| own.decoder(b));
        }
        let sides: &[u64] = if kin.video { &[3, 1, 1] } else { &[1, 1] };
        let suffix = if kin.video { ".conv" } else { "" };
        // The class forgets that an encoder may give twice as many channels.
        convolution(b, &format!("quant_conv{suffix}"), width, own.latent, sides);
        let back = format!("post_quant_conv{suffix}");
        convolution(b, &back, own.latent, width, sides);
    });
    Ok(own.codes)
}

impl Autoencoder {
    fn read(fields: &Fields<'_>, kin: &Kin) -> Result<Self> {
        let [entries, width, latent, base] = kin.defaults;
        let codes = (
            fields.size_or("num_embeddings|codebook_size", entries)?,
            fields.size_or("embed_dim", width)?,
        );
        let latent = fields.size_or("latent_channels", latent)?;
        let base = fields.size_or("base_channels", base)?;
        let multipliers = match fields.opt_counts("channel_multiplier")? {
            Some(listed) => listed,
            None => kin.multipliers.to_vec(),
        };
        let levels: Option<Vec<u64>> = multipliers
            .iter()
            .map(|&multiplier| {
                base.checked_mul(multiplier)
                    .filter(|level| (1..=SIZE_LIMIT).contains(level))
            })
            .collect();
        let Some(levels) = levels.filter(|levels| (1..=16).contains(&levels.len())) else {
            return Err(fields.error(
                "channel_multiplier",
                "must list from 1 to 16 factors of sensible size",
            ));
        };
        let listed = |name: &str| fields.opt_counts(name);
        let count = levels.len();
        let attends = match kin.attends {
            Attends::Last => (0..count).map(|level| level + 1 == count).collect(),
            Attends::Sides => {
                let image = fields.size_or("resolution", 512)?;
                let sides = listed("attn_resolutions")?.unwrap_or_default();
                (0..count)
                    .map(|level| sides.contains(&(image >> level)))
                    .collect()
            }
            Attends::Listed(default) => {
                let chosen = listed("attn_resolutions")?;
                let chosen = chosen.as_deref().unwrap_or(default);
                (0..count)
                    .map(|level| chosen.contains(&(level as u64)))
                    .collect()
            }
        };
        if fields
            .opt_text("attn_type")?
            .is_some_and(|kind| kind != "vanilla")
        {
            return Err(fields.error("attn_type", "is only known as vanilla"));
        }
        let blocks = fields.repeats_or("num_res_blocks", 2)?;
        let attention = if kin.video {
            Some(fields.size_or("hidden_size", 1024)?)
        } else {
            None
        };
        let halvings = if kin.video {
            fields.size_or("temporal_downsample_factor", 4)?.ilog2()
        } else {
            0
        };
        Ok(Self {
            levels,
            attends,
            blocks: u32::try_from(blocks).unwrap_or(u32::MAX),
            base,
            channels: fields.size_or("in_channels", 3)?,
            outputs: if kin.decodes {
                fields.size_or("out_channels", 3)?
            } else {
                0
            },
            latent,
            encoded: if fields.flag_or("double_latent", false)? {
                2 * latent
            } else {
                latent
            },
            codes,
            attention,
            halvings,
            video: kin.video,
        })
    }

    /// The widest level, which is the last.
    fn inner(&self) -> u64 {
        self.levels.last().copied().unwrap_or(self.base)
    }

    fn encoder(&self, b: &mut Builder) {
        let norm = Norm::Plain;
        convolution(b, "conv_in", self.base, self.channels, &[3, 3]);
        let mut inputs = self.base;
        let last = self.levels.len().saturating_sub(1);
        let prefix = if self.video {
            "down_block.down"
        } else {
            "down"
        };
        for (level, (&outputs, &attends)) in self.levels.iter().zip(&self.attends).enumerate() {
            // The first level takes what the first convolution gives, and each other what the one before does.
            b.each(prefix, one(level), |b| {
                self.level(b, inputs, outputs, self.blocks, attends, norm);
                if level != last {
                    convolution(b, "downsample.conv", outputs, outputs, &[3, 3]);
                }
            });
            inputs = outputs;
        }
        self.middle(b, norm);
        b.norm("norm_out", self.inner(), true);
        convolution(b, "conv_out", self.encoded, self.inner(), &[3, 3]);
        self.time(b, self.encoded, 4);
    }

    fn decoder(&self, b: &mut Builder) {
        let norm = if self.video {
            Norm::Spatial(self.codes.1)
        } else {
            Norm::Plain
        };
        self.time(b, self.latent, 3);
        convolution(b, "conv_in", self.inner(), self.latent, &[3, 3]);
        self.middle(b, norm);
        let mut inputs = self.inner();
        let last = self.levels.len().saturating_sub(1);
        let prefix = if self.video { "up_block.up" } else { "up" };
        let levels = self.levels.iter().zip(&self.attends).enumerate().rev();
        // Emu3 numbers the levels as the encoder does, the others in the order of decoding.
        for (step, (level, (&outputs, &attends))) in levels.enumerate() {
            let number = if self.video { level } else { step };
            b.each(prefix, one(number), |b| {
                let blocks = self.blocks.saturating_add(1);
                self.level(b, inputs, outputs, blocks, attends, norm);
                if step != last {
                    convolution(b, "upsample.conv", outputs, outputs, &[3, 3]);
                }
            });
            inputs = outputs;
        }
        norm.add(b, "norm_out", inputs);
        convolution(b, "conv_out", self.outputs, inputs, &[3, 3]);
    }

    fn level(
        &self,
        b: &mut Builder,
        inputs: u64,
        outputs: u64,
        blocks: u32,
        attends: bool,
        norm: Norm,
    ) {
        if blocks > 0 {
            b.each("block", one(0), |b| block(b, inputs, outputs, norm));
        }
        let rest: Vec<u32> = (1..blocks).collect();
        b.each("block", Numbers::Listed(Arc::from(rest)), |b| {
            block(b, outputs, outputs, norm);
        });
        if attends {
            b.each("attn", Numbers::Below(blocks), |b| {
                self.attention(b, outputs);
            });
            if self.video {
                b.each("attn_norms", Numbers::Below(blocks), |b| {
                    norm.add_here(b, outputs);
                });
            }
        }
    }

    fn middle(&self, b: &mut Builder, norm: Norm) {
        let inner = self.inner();
        b.scope(if self.video { "middle_block." } else { "mid." }, |b| {
            b.scope("block_1.", |b| block(b, inner, inner, norm));
            b.scope("attn_1.", |b| self.attention(b, inner));
            if self.video {
                norm.add(b, "attn_norm", inner);
            }
            b.scope("block_2.", |b| block(b, inner, inner, norm));
        });
    }

    fn attention(&self, b: &mut Builder, channels: u64) {
        if let Some(width) = self.attention {
            for name in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                b.linear(name, ROLE, width, width, true);
            }
            return;
        }
        b.norm("norm", channels, true);
        for name in ["q", "k", "v", "proj_out"] {
            convolution(b, name, channels, channels, &[1, 1]);
        }
    }

    /// Adds what works over time, whose first convolutions span so many frames.
    fn time(&self, b: &mut Builder, channels: u64, frames: u64) {
        if !self.video {
            return;
        }
        b.each("time_conv", Numbers::Below(self.halvings), |b| {
            convolution(b, "conv.conv", channels, channels, &[frames, 3, 3]);
        });
        b.each("time_res_stack", Numbers::Below(self.blocks), |b| {
            for number in [1, 2] {
                let conv = format!("conv{number}.conv");
                convolution(b, &conv, channels, channels, &[3, 3, 3]);
                let norm = format!("norm{number}");
                b.norm(&norm, channels, true);
                b.buffer(&format!("{norm}.running_mean"), ROLE, &[channels]);
                b.buffer(&format!("{norm}.running_var"), ROLE, &[channels]);
                b.buffer(&format!("{norm}.num_batches_tracked"), ROLE, &[]);
            }
        });
    }
}

/// How a norm is made.
#[derive(Clone, Copy)]
enum Norm {
    /// Of groups of channels.
    Plain,
    /// The same, scaled and shifted by the codes, which have so many channels.
    Spatial(u64),
}

impl Norm {
    fn add(self, b: &mut Builder, name: &str, channels: u64) {
        match self {
            Self::Plain => b.norm(name, channels, true),
            Self::Spatial(_) => b.scope(&format!("{name}."), |b| self.add_here(b, channels)),
        }
    }

    /// Adds it to the scope that is open and ends in a dot.
    fn add_here(self, b: &mut Builder, channels: u64) {
        match self {
            Self::Plain => {
                b.tensor("weight", ROLE, &[channels]);
                b.tensor("bias", ROLE, &[channels]);
            }
            Self::Spatial(codes) => {
                b.norm("norm_layer", channels, true);
                convolution(b, "conv_y", channels, codes, &[1, 1]);
                convolution(b, "conv_b", channels, codes, &[1, 1]);
            }
        }
    }
}

/// Adds two convolutions, and a shortcut where the number of channels changes.
fn block(b: &mut Builder, inputs: u64, outputs: u64, norm: Norm) {
    norm.add(b, "norm1", inputs);
    convolution(b, "conv1", outputs, inputs, &[3, 3]);
    norm.add(b, "norm2", outputs);
    convolution(b, "conv2", outputs, outputs, &[3, 3]);
    if inputs != outputs {
        convolution(b, "nin_shortcut", outputs, inputs, &[1, 1]);
    }
}

fn convolution(b: &mut Builder, name: &str, outputs: u64, inputs: u64, sides: &[u64]) {
    let mut shape = vec![outputs, inputs];
    shape.extend(sides);
    b.weight_and_bias(name, ROLE, &shape, outputs, true);
}

fn one(number: usize) -> Numbers {
    Numbers::Listed(Arc::from([u32::try_from(number).unwrap_or(u32::MAX)]))
}
