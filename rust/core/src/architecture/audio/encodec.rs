//! EnCodec: convolutions that shorten raw sound, an LSTM, and the same the other way round, with residual codebooks
//! between.
//!
//! Source: transformers `models/encodec`.

use super::weight_norm;
use crate::architecture::builder::Builder;
use crate::architecture::classic::all;
use crate::architecture::config::{COUNT_LIMIT, Fields, Result, SIZE_LIMIT};
use crate::checkpoint::Role;

/// How convolutions are normed.
#[derive(Clone, Copy)]
enum Norm {
    /// By the lengths of their weights, under these names.
    Weight([&'static str; 2]),
    /// By a norm behind them.
    Group,
}

struct Codec {
    norm: Norm,
    channels: u64,
    filters: u64,
    hidden: u64,
    kernel: u64,
    last_kernel: u64,
    residual_kernel: u64,
    residual_layers: u64,
    compress: u64,
    shortcut: bool,
    recurrent: u64,
    /// By how much each stage lengthens.
    ratios: Vec<u64>,
}

/// Adds a whole codec to the scope that is open.
///
/// # Errors
/// If a field is wrong.
pub fn encodec(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let codec = Codec::read(fields)?;
    let entries = fields.size_or("codebook_size", 1024)?;
    let numbers = match fields.opt_size("codebook_dim")? {
        Some(numbers) => numbers,
        None => codec.hidden,
    };
    let books = codebooks(fields, &codec, entries)?;
    b.all_as(Role::Audio, |b| {
        b.scope("encoder.", |b| codec.encoder(b));
        b.scope("decoder.", |b| codec.decoder(b));
        b.each("quantizer.layers", all(books), |b| {
            b.scope("codebook.", |b| {
                b.buffer("inited", Role::Audio, &[1]);
                b.buffer("cluster_size", Role::Audio, &[entries]);
                b.buffer("embed", Role::Audio, &[entries, numbers]);
                b.buffer("embed_avg", Role::Audio, &[entries, numbers]);
            });
        });
    });
    Ok(())
}

/// How many codebooks the largest bandwidth takes: bits a second over bits that one codebook gives a second.
fn codebooks(fields: &Fields<'_>, codec: &Codec, entries: u64) -> Result<u64> {
    let rate = fields.size_or("sampling_rate", 24_000)?;
    let hop = codec
        .ratios
        .iter()
        .try_fold(1_u64, |product, &ratio| product.checked_mul(ratio))
        .ok_or_else(|| fields.error("upsampling_ratios", "are larger than any codec's"))?;
    let bits = u64::from(entries.next_power_of_two().ilog2()).max(1);
    let per_book = rate.div_ceil(hop) * bits;
    let bandwidth = match fields.opt_list("target_bandwidths")? {
        Some(list) => list.last().and_then(serde_json::Value::as_f64),
        None => Some(24.0),
    };
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "both are far below 2^53, and only results in range are cast"
    )]
    let books = bandwidth
        .map(|kilobits| (1000.0 * kilobits / per_book as f64).floor())
        .filter(|books| (1.0..=COUNT_LIMIT as f64).contains(books))
        .map(|books| books as u64);
    books.ok_or_else(|| {
        let message = "must be a list of kilobits a second, the last for at least one codebook";
        fields.error("target_bandwidths", message)
    })
}

impl Codec {
    fn read(fields: &Fields<'_>) -> Result<Self> {
        let norm = match fields.text_or("norm_type", "weight_norm")? {
            "weight_norm" => Norm::Weight(weight_norm::names(fields)?),
            "time_group_norm" => Norm::Group,
            other => {
                let message = format!("{other:?} is neither weight_norm nor time_group_norm");
                return Err(fields.error("norm_type", message));
            }
        };
        let ratios = fields
            .opt_counts("upsampling_ratios")?
            .unwrap_or_else(|| vec![8, 5, 4, 2]);
        let filters = fields.size_or("num_filters", 32)?;
        let fits = |ratio: &u64| (1..=4096).contains(ratio);
        if ratios.is_empty()
            || ratios.len() > 8
            || !ratios.iter().all(fits)
            || filters << ratios.len() > SIZE_LIMIT
        {
            let message = "must be a list of 1 to 8 small numbers, and leave the widths sane";
            return Err(fields.error("upsampling_ratios", message));
        }
        let residual_layers = fields.count_or("num_residual_layers", 1)?;
        if residual_layers > 64 {
            return Err(fields.error("num_residual_layers", "is more than any codec's"));
        }
        let recurrent = fields.count_or("num_lstm_layers", 2)?;
        if recurrent > 64 {
            return Err(fields.error("num_lstm_layers", "is more than any codec's"));
        }
        Ok(Self {
            norm,
            channels: fields.size_or("audio_channels", 1)?,
            filters,
            hidden: fields.size_or("hidden_size", 128)?,
            kernel: fields.size_or("kernel_size", 7)?,
            last_kernel: fields.size_or("last_kernel_size", 7)?,
            residual_kernel: fields.size_or("residual_kernel_size", 3)?,
            residual_layers,
            compress: fields.size_or("compress", 2)?,
            shortcut: fields.flag_or("use_conv_shortcut", true)?,
            recurrent,
            ratios,
        })
    }

    fn encoder(&self, b: &mut Builder) {
        let mut at = Count(0);
        let mut width = self.filters;
        self.convolution(b, &at.next(), [width, self.channels, self.kernel], width);
        for ratio in self.ratios.iter().rev() {
            for _ in 0..self.residual_layers {
                self.residual(b, &at.next(), width);
            }
            at.skip();
            let shape = [2 * width, width, 2 * ratio];
            self.convolution(b, &at.next(), shape, 2 * width);
            width *= 2;
        }
        self.recurrent(b, &at.next(), width);
        at.skip();
        let shape = [self.hidden, width, self.last_kernel];
        self.convolution(b, &at.next(), shape, self.hidden);
    }

    fn decoder(&self, b: &mut Builder) {
        let mut at = Count(0);
        let mut width = self.filters << self.ratios.len();
        self.convolution(b, &at.next(), [width, self.hidden, self.kernel], width);
        self.recurrent(b, &at.next(), width);
        for ratio in &self.ratios {
            at.skip();
            // A transposed convolution has its inputs first.
            let shape = [width, width / 2, 2 * ratio];
            self.convolution(b, &at.next(), shape, width / 2);
            width /= 2;
            for _ in 0..self.residual_layers {
                self.residual(b, &at.next(), width);
            }
        }
        at.skip();
        let shape = [self.channels, width, self.last_kernel];
        self.convolution(b, &at.next(), shape, self.channels);
    }

    fn convolution(&self, b: &mut Builder, prefix: &str, shape: [u64; 3], outputs: u64) {
        b.scope(prefix, |b| match self.norm {
            Norm::Weight([length, direction]) => b.scope("conv.", |b| {
                let [first, ..] = shape;
                b.tensor("bias", Role::Audio, &[outputs]);
                b.tensor(length, Role::Audio, &[first, 1, 1]);
                b.tensor(direction, Role::Audio, &shape);
            }),
            Norm::Group => {
                b.weight_and_bias("conv", Role::Audio, &shape, outputs, true);
                b.norm("norm", outputs, true);
            }
        });
    }

    fn residual(&self, b: &mut Builder, prefix: &str, width: u64) {
        let inner = width / self.compress;
        b.scope(prefix, |b| {
            let shape = [inner, width, self.residual_kernel];
            self.convolution(b, "block.1.", shape, inner);
            self.convolution(b, "block.3.", [width, inner, 1], width);
            if self.shortcut {
                self.convolution(b, "shortcut.", [width, width, 1], width);
            }
        });
    }

    fn recurrent(&self, b: &mut Builder, prefix: &str, width: u64) {
        b.scope(prefix, |b| {
            for layer in 0..self.recurrent {
                for (name, shape) in [
                    ("weight_ih", &[4 * width, width][..]),
                    ("weight_hh", &[4 * width, width]),
                    ("bias_ih", &[4 * width]),
                    ("bias_hh", &[4 * width]),
                ] {
                    b.tensor(&format!("lstm.{name}_l{layer}"), Role::Audio, shape);
                }
            }
        });
    }
}

/// Counts the places in a list of modules.
struct Count(u32);

impl Count {
    fn next(&mut self) -> String {
        let name = format!("layers.{}.", self.0);
        self.0 += 1;
        name
    }

    /// A module without tensors.
    const fn skip(&mut self) {
        self.0 += 1;
    }
}
