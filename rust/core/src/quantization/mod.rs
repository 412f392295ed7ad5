//! Quantized and packed weights.
//!
//! [`config`] reads what a publisher states, [`packing`] knows how each scheme lays its weights out in tensors.

pub mod config;
pub mod packing;
