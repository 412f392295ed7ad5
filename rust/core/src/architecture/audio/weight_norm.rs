//! Weights stored as length and direction, as speech models have them.
//!
//! PyTorch 2.1 renamed the two, and transformers writes the new names from 4.34 on; the files that were published before
//! keep the old ones (transformers pull request 26494 and issue 26796).

use crate::architecture::config::{Fields, Result};
use crate::architecture::place::saved_before;

/// The names of length and direction of a weight.
///
/// # Errors
/// If `transformers_version` is not a text.
pub fn names(fields: &Fields<'_>) -> Result<[&'static str; 2]> {
    Ok(if saved_before(fields, 4, 34)? {
        fields.assume(
            "transformers_version",
            "before 4.34",
            "weights of convolutions are stored under their older names weight_g and weight_v",
        );
        ["weight_g", "weight_v"]
    } else {
        [
            "parametrizations.weight.original0",
            "parametrizations.weight.original1",
        ]
    })
}
