//! Quantized and packed weights.
//!
//! [`config`] reads what a publisher states, [`mod@format`] knows the size of each block, [`packing`] knows how each scheme
//! lays its weights out in tensors, and `count` how many there are.

pub mod cache_format;
pub mod config;
mod count;
pub mod format;
pub mod loading;
pub mod packing;
pub mod scheme;
