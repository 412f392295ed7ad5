//! The tokenizers of VibeVoice: causal convolutions that shorten raw sound stage by stage, with one-dimensional
//! ConvNeXt blocks between, and the same the other way round.
//!
//! Source: transformers `models/vibevoice_acoustic_tokenizer`.

use crate::architecture::builder::Builder;
use crate::architecture::classic::all;
use crate::architecture::config::{Fields, Result, SIZE_LIMIT};
use crate::architecture::layer::{Mixer, Stack};
use crate::architecture::template::Numbers;
use crate::architecture::vision::swin::depths;
use crate::checkpoint::Role;
use std::sync::Arc;

/// A tokenizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokenizer {
    /// Numbers of a token.
    pub hidden: u64,
    channels: u64,
    filters: u64,
    kernel: u64,
    expansion: u64,
    depths: Vec<u64>,
    /// By how much each stage but the first shortens.
    ratios: Vec<u64>,
}

impl Tokenizer {
    /// Reads its fields; a token has so many numbers where the config does not say.
    ///
    /// # Errors
    /// If one of them is wrong.
    pub fn read(fields: &Fields<'_>, hidden: u64) -> Result<Self> {
        let depths = depths(fields, &[3, 3, 3, 3, 3, 3, 8])?;
        let ratios = fields
            .opt_counts("downsampling_ratios")?
            .unwrap_or_else(|| vec![2, 2, 4, 5, 5, 8]);
        let fits = |ratio: &u64| (1..=4096).contains(ratio);
        if ratios.len() + 1 != depths.len() || !ratios.iter().all(fits) {
            let message = format!("must be {} ratios, one less than depths", depths.len() - 1);
            return Err(fields.error("downsampling_ratios", message));
        }
        let filters = fields.size_or("num_filters", 32)?;
        if filters << ratios.len() > SIZE_LIMIT {
            return Err(fields.error("num_filters", "makes the last stage absurdly wide"));
        }
        Ok(Self {
            hidden: fields.size_or("hidden_size", hidden)?,
            channels: fields.size_or("channels", 1)?,
            filters,
            kernel: fields.size_or("kernel_size", 7)?,
            expansion: fields.size_or("ffn_expansion", 4)?,
            depths,
            ratios,
        })
    }

    /// Adds what hears to the scope that is open.
    pub fn encoder(&self, b: &mut Builder) {
        b.all_as(Role::Audio, |b| {
            b.scope("stem.", |b| {
                let shape = [self.filters, self.channels, self.kernel];
                b.weight_and_bias("conv.conv", Role::Audio, &shape, self.filters, true);
                self.blocks(b, self.filters, self.depths.first().copied());
            });
            let mut inputs = self.filters;
            let stages = self.ratios.iter().zip(self.depths.iter().skip(1));
            for (number, (&ratio, &depth)) in (0_u32..).zip(stages) {
                let width = 2 * inputs;
                stage(b, number, |b| {
                    let shape = [width, inputs, 2 * ratio];
                    b.weight_and_bias("conv.conv", Role::Audio, &shape, width, true);
                    self.blocks(b, width, Some(depth));
                });
                inputs = width;
            }
            let shape = [self.hidden, inputs, self.kernel];
            b.weight_and_bias("head.conv", Role::Audio, &shape, self.hidden, true);
        });
    }

    /// Adds what speaks to the scope that is open: the same stages, last to first.
    pub fn decoder(&self, b: &mut Builder) {
        let mut inputs = self.filters << self.ratios.len();
        b.all_as(Role::Audio, |b| {
            b.scope("stem.", |b| {
                let shape = [inputs, self.hidden, self.kernel];
                b.weight_and_bias("conv.conv", Role::Audio, &shape, inputs, true);
                self.blocks(b, inputs, self.depths.last().copied());
            });
            let stages = self
                .ratios
                .iter()
                .rev()
                .zip(self.depths.iter().rev().skip(1));
            for (number, (&ratio, &depth)) in (0_u32..).zip(stages) {
                let width = inputs / 2;
                stage(b, number, |b| {
                    // A transposed convolution has its inputs first.
                    let shape = [inputs, width, 2 * ratio];
                    b.weight_and_bias("convtr.convtr", Role::Audio, &shape, width, true);
                    self.blocks(b, width, Some(depth));
                });
                inputs = width;
            }
            let shape = [self.channels, inputs, self.kernel];
            b.weight_and_bias("head.conv", Role::Audio, &shape, self.channels, true);
        });
    }

    /// Adds so many blocks of this width..
    fn blocks(&self, b: &mut Builder, width: u64, depth: Option<u64>) {
        let depth = depth.unwrap_or_default();
        let inner = self.expansion * width;
        b.each("stage", all(depth), |b| {
            b.norm("norm", width, false);
            b.norm("ffn_norm", width, false);
            b.tensor("gamma", Role::Audio, &[width]);
            b.tensor("ffn_gamma", Role::Audio, &[width]);
            let shape = [width, 1, self.kernel];
            b.weight_and_bias("mixer.conv", Role::Audio, &shape, width, true);
            b.linear("ffn.linear1", Role::Audio, inner, width, true);
            b.linear("ffn.linear2", Role::Audio, width, inner, true);
        });
    }
}

/// Adds a stage, which counts as one layer.
fn stage(b: &mut Builder, number: u32, inside: impl FnOnce(&mut Builder)) {
    let numbers = Numbers::Listed(Arc::from([number]));
    b.layers(Stack::Audio, "conv_layers", &numbers, |b| {
        inside(b);
        b.mixer(Mixer::Stateless);
    });
}
