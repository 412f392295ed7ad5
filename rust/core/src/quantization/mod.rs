//! Quantized and packed weights.
//!
//! [`config`] reads what a publisher states, [`format`] knows the size of each block, [`packing`] knows how each scheme lays its weights out in tensors.

pub mod config;
pub mod format;
pub mod packing;
