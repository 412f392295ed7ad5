//! The hardware that models run on: a catalogue of GPUs and what else holds weights, as data.
//!
//! ```text
//! data/gpus.toml ─ row ─► Gpu ─┐
//!                              ├─► Catalogue ─ look_up ─► Found
//! a user's file ── row ─► Gpu ─┘
//! ```
//!
//! What this module does not do: it asks no driver what is in this machine, and it recalls nothing: a figure that no
//! source states is absent.

mod catalogue;
mod gpu;
mod look_up;
mod number;
mod row;

pub use catalogue::{Catalogue, CatalogueError, SCHEMA};
pub use gpu::{Flops, Gpu, Interconnect, Memory, Usable, Vendor};
pub use look_up::{Found, UnknownGpu};
pub use number::Number;
