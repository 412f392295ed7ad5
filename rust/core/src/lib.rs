//! Pondera: how heavy is this model, what is it made of, and where does it fit?
//!
//! The pure core, without Python. [`checkpoint::scan`] weighs the body of a model: every tensor of its safetensors
//! files, tallied by role, dtype and layer.
//!
//! What this crate does not do: it never looks at tensor data, never runs what a configuration names, and never
//! reaches for the network.

#![forbid(unsafe_code)]

pub mod architecture;
pub mod checkpoint;
pub mod compare;
pub mod deployment;
pub mod dtype;
pub mod engine;
pub mod explain;
pub mod fit;
pub mod hardware;
mod json_file;
pub mod map;
mod members;
pub mod memory;
pub mod model;
mod os_path;
pub mod parallel;
pub mod quantization;
mod regular_file;
pub mod remote;
pub mod request;
pub mod residual;
pub mod roofline;
pub mod size;
pub mod solve;
pub mod source;
pub mod subject;
pub mod sweep;
pub mod table;
mod wording;
