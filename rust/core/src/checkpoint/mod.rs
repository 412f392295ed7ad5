//! The body of a model: from files to a [`Checkpoint`].
//!
//! ```text
//! folder, discover ─► shard ─ header ─ (template) ─► form ─► assemble ─► Checkpoint
//!                     index ─────────────────────────────┘     role, parameters
//! ```
//!
//! Only headers are parsed; tensor data is never looked at.

mod assemble;
mod beside;
mod body;
mod discover;
mod file_name;
mod folder;
mod form;
mod header;
mod hub_cache;
mod hub_report;
mod index;
mod json;
mod listing;
mod name;
mod parameters;
mod problem;
mod report;
mod role;
mod scan;
mod sets;
mod shard;
mod tally;
mod template;

pub use body::{Beside, Checkpoint, Group, Layer, ShardFile};
pub use discover::{Candidate, Component, Found, Kind, is_pipeline_file};
pub(crate) use file_name::FileKind;
pub use form::{Form, Tensor};
pub use header::{Header, HeaderReader, Metadata};
pub use hub_cache::{CachedRepo, CachedRevision, HubCache, Incomplete};
pub use hub_report::SCHEMA as CACHE_SCHEMA;
pub use name::{NameHasher, Pattern};
pub use problem::{Code, Problem, Problems, Severity};
pub use report::{Detail, SCHEMA};
pub use role::{Role, assign, classify, is_buffer};
pub use scan::{
    ScanError, Tree, choose, disk_bytes, distinct, find, scan, scan_in, scan_tree, scan_tree_in,
};
pub(crate) use shard::LENGTH_FIELD;
pub use shard::{FileId, HEADER_LIMIT, Shard, ShardReader};
pub use tally::Tally;
