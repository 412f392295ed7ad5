//! `MobileNetV5`, the tower of Gemma 3n: convolutions in inverted bottlenecks, and attention with one key and value for
//! all heads between the later ones. It has one size, so all of it is in this table.
//!
//! Source: timm `models/mobilenetv5.py`, `mobilenetv5_300m_enc`.

use crate::architecture::builder::Builder;
use crate::architecture::layer::{FeedForward, Mixer, Reach, Stack};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;
use std::sync::Arc;

const ROLE: Role = Role::Vision;

/// Channels that the tower gives.
pub const WIDTH: u64 = 2048;

/// Channels of the stem and of the four stages.
const CHANNELS: [u64; 5] = [64, 128, 256, 640, 1280];

/// One block.
#[derive(Clone, Copy)]
enum Block {
    /// A full convolution that widens, and one that narrows.
    Edge {
        inputs: u64,
        width: u64,
        outputs: u64,
    },
    /// Widening and narrowing between convolutions of single channels: the first and the middle one of so many sides,
    /// 0 for none.
    Inverted {
        inputs: u64,
        width: u64,
        outputs: u64,
        sides: [u64; 2],
    },
    /// Attention, whose keys and values may be made at half the resolution.
    Attention {
        channels: u64,
        heads: u64,
        head_dim: u64,
        down: bool,
    },
}

/// Adds the tower, as what `timm_model.` holds.
pub fn mobilenet(b: &mut Builder) {
    let [stem, first, second, third, fourth] = CHANNELS;
    b.all_as(ROLE, |b| {
        b.weight_and_bias("conv_stem.conv", ROLE, &[stem, 3, 3, 3], stem, true);
        b.norm("conv_stem.bn", stem, false);
        let edge = |inputs| Block::Edge {
            inputs,
            width: 4 * inputs,
            outputs: first,
        };
        let inverted = |inputs, width, outputs, sides| Block::Inverted {
            inputs,
            width,
            outputs,
            sides,
        };
        let narrow = |channels, width| inverted(channels, width, channels, [0, 0]);
        let looks = |channels, head_dim, down| Block::Attention {
            channels,
            heads: if down { 12 } else { 16 },
            head_dim,
            down,
        };
        stage(b, 0, &[(edge(stem), &[0]), (edge(first), &[1, 2])]);
        let wide = |side| inverted(second, 4 * second, second, [side, 0]);
        stage(
            b,
            1,
            &[
                (inverted(first, 6 * first, second, [3, 5]), &[0]),
                (wide(5), &[1, 3]),
                (wide(3), &[2, 4]),
            ],
        );
        let odd: Vec<u32> = (9..37).step_by(2).collect();
        let even: Vec<u32> = (10..37).step_by(2).collect();
        stage(
            b,
            2,
            &[
                (inverted(second, 6 * second, third, [5, 5]), &[0]),
                (
                    inverted(third, 4 * third, third, [5, 0]),
                    &[1, 2, 3, 4, 5, 6, 7],
                ),
                (narrow(third, third), &[8]),
                (looks(third, 64, true), &odd),
                (narrow(third, 2 * third), &even),
            ],
        );
        let odd: Vec<u32> = (1..39).step_by(2).collect();
        let even: Vec<u32> = (2..39).step_by(2).collect();
        stage(
            b,
            3,
            &[
                (inverted(third, 6 * third, fourth, [5, 5]), &[0]),
                (looks(fourth, 96, false), &odd),
                (narrow(fourth, 2 * fourth), &even),
            ],
        );
        // What the last two stages give is joined.
        let joined = third + fourth;
        b.scope("msfa.", |b| {
            widen(b, "ffn.", joined, 2 * joined, WIDTH);
            b.norm("norm", WIDTH, false);
        });
    });
}

/// Adds the blocks of a stage. The layer that is told is the stage.
fn stage(b: &mut Builder, number: u32, blocks: &[(Block, &[u32])]) {
    let numbers = Numbers::Listed(Arc::from([number]));
    b.layers(Stack::Vision, "blocks", &numbers, |b| {
        for (block, numbers) in blocks {
            b.each("", Numbers::Listed(Arc::from(*numbers)), |b| block.add(b));
            for _ in *numbers {
                block.tell(b);
            }
        }
    });
}

impl Block {
    fn add(self, b: &mut Builder) {
        match self {
            Self::Edge {
                inputs,
                width,
                outputs,
            } => {
                b.tensor("conv_exp.weight", ROLE, &[width, inputs, 3, 3]);
                b.norm("bn1", width, false);
                b.tensor("conv_pwl.weight", ROLE, &[outputs, width, 1, 1]);
                b.norm("bn2", outputs, false);
            }
            Self::Inverted {
                inputs,
                width,
                outputs,
                sides: [start, middle],
            } => {
                for (name, channels, side) in
                    [("dw_start", inputs, start), ("dw_mid", width, middle)]
                {
                    if side > 0 {
                        let shape = [channels, 1, side, side];
                        b.tensor(&format!("{name}.conv.weight"), ROLE, &shape);
                        b.norm(&format!("{name}.bn"), channels, false);
                    }
                }
                widen(b, "", inputs, width, outputs);
                b.tensor("layer_scale.gamma", ROLE, &[outputs]);
            }
            Self::Attention {
                channels,
                heads,
                head_dim,
                down,
            } => {
                let queries = heads * head_dim;
                b.norm("norm", channels, false);
                b.scope("attn.", |b| {
                    for (name, outputs, inputs) in [
                        ("query", queries, channels),
                        ("key", head_dim, channels),
                        ("value", head_dim, channels),
                        ("output", channels, queries),
                    ] {
                        let shape = [outputs, inputs, 1, 1];
                        b.tensor(&format!("{name}.proj.weight"), ROLE, &shape);
                    }
                    for name in ["key", "value"].into_iter().filter(|_| down) {
                        let shape = [channels, 1, 3, 3];
                        b.tensor(&format!("{name}.down_conv.weight"), ROLE, &shape);
                        b.norm(&format!("{name}.norm"), channels, false);
                    }
                });
                b.tensor("layer_scale.gamma", ROLE, &[channels]);
            }
        }
    }

    fn tell(self, b: &mut Builder) {
        match self {
            Self::Edge { width, .. } | Self::Inverted { width, .. } => {
                b.mixer(Mixer::Stateless);
                b.feed_forward(FeedForward::Dense { width });
            }
            Self::Attention {
                heads, head_dim, ..
            } => b.mixer(Mixer::Attention {
                heads,
                kv_heads: 1,
                key_dim: head_dim,
                value_dim: head_dim,
                reach: Reach::Full,
                indexer_dim: 0,
                shared_with: None,
            }),
        }
    }
}

/// Adds the two convolutions of single pixels that widen and narrow.
fn widen(b: &mut Builder, prefix: &str, inputs: u64, width: u64, outputs: u64) {
    b.scope(prefix, |b| {
        b.tensor("pw_exp.conv.weight", ROLE, &[width, inputs, 1, 1]);
        b.norm("pw_exp.bn", width, false);
        b.tensor("pw_proj.conv.weight", ROLE, &[outputs, width, 1, 1]);
        b.norm("pw_proj.bn", outputs, false);
    });
}
