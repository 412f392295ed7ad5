//! What a model takes on each GPU, component by component. Nothing here knows a model's name or a field of its config.
//!
//! ```text
//!  templates ─ body, tensors ─ stored ─► pieces ─ split, stage ─► weights of a rank
//!  layers ─ store ─► caches of a rank                 (engine/* adds what an engine reserves)
//!  layers ─ forward ─► widths of what passes through  (engine/* adds what lives at one time)
//! ```

pub mod allocation;
pub mod body;
pub mod forward;
pub mod fused;
pub mod layout;
pub mod ledger;
pub mod needed;
pub mod split;
pub mod stage;
pub mod store;
pub mod stored;
pub mod torch;
pub mod weights;
