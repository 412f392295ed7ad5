//! Solved, not searched by hand: the longest context, the most users, the fewest GPUs, the least loss of precision and
//! the cheapest GPU that fit, and what stops the next one.
//!
//! ```text
//!  Subject + Deployment ─ Spread ─► probes ─ search ─► value, Fit there, Bound of the next
//! ```
//!
//! There are no formulas of its own here: every step of a search asks [`crate::fit`] again.

mod answer;
mod bound;
mod layouts;
mod limits;
mod nearest;
mod precision;
mod price;
mod search;

pub use answer::{Answer, Limit, Memory, Nothing};
pub use bound::Bound;
pub use layouts::{MOST_GPUS, best_layout, min_gpus};
pub use limits::{max_concurrency, max_context};
pub use nearest::{Alternative, Change, nearest};
pub use precision::{Precision, best_quantization};
pub use price::{OFFERS_SCHEMA, Offer, PriceError, Priced, Prices, cheapest_gpu};

#[cfg(test)]
mod engine_tests;
#[cfg(test)]
pub(crate) mod plain_engine;
#[cfg(test)]
mod tests;
