//! Constants that were fitted to published logs, as rows: what no source states and no mechanism that was read explains.

use super::vllm;

/// A number that was fitted, and to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constant {
    /// The engine.
    pub engine: &'static str,
    /// What it is, in few words.
    pub name: &'static str,
    /// The number.
    pub value: u64,
    /// What it counts: `bytes`, or another word.
    pub unit: &'static str,
    /// The rows that it was fitted to, and how well it does there.
    pub rows: &'static str,
}

/// Every fitted constant.
#[must_use]
pub const fn constants() -> &'static [Constant] {
    vllm::CONSTANTS
}

#[cfg(test)]
mod tests {
    use super::constants;
    use crate::engine::ENGINES;

    #[test]
    fn every_constant_says_what_it_was_fitted_to() {
        for (at, constant) in constants().iter().enumerate() {
            assert!(ENGINES.iter().any(|engine| engine.name == constant.engine));
            assert!(constant.rows.len() > 20, "{constant:?}");
            let before = &constants()[..at];
            assert!(before.iter().all(|other| other.name != constant.name));
        }
    }
}
