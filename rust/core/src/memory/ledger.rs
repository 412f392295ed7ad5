//! Sums that can be explained: the same code that adds bytes up gives the reasons, if anyone asks.

use serde::Serialize;

/// Where the number of a part comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Counted: shapes, dtypes, and the rules of the engine's source.
    Exact,
    /// The mechanism is known and counted, but what the allocator or the compiler makes of it is not.
    Mechanism,
    /// Taken from a measurement.
    Measured,
    /// Fitted to measurements.
    Fitted,
}

/// A named number of bytes, with how it comes about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// How much.
    pub bytes: u64,
    /// How it is computed, with the numbers put in.
    pub formula: String,
    /// Where the formula comes from.
    pub source: &'static str,
    /// How sure it is.
    pub origin: Origin,
}

/// Where an engine notes what it adds up. The formula is written only where it is asked for.
pub trait Ledger {
    /// Adds a part.
    fn add(
        &mut self,
        name: &'static str,
        bytes: u64,
        origin: Origin,
        source: &'static str,
        formula: &dyn Fn() -> String,
    );
}

/// The sum alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(pub u64);

impl Ledger for Sum {
    fn add(
        &mut self,
        _name: &'static str,
        bytes: u64,
        _origin: Origin,
        _source: &'static str,
        _formula: &dyn Fn() -> String,
    ) {
        // Sums beyond 64 bits stay at the end, and so fit no GPU.
        self.0 = self.0.saturating_add(bytes);
    }
}

/// Every part with its reason. Parts of no bytes are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account(pub Vec<Part>);

impl Ledger for Account {
    fn add(
        &mut self,
        name: &'static str,
        bytes: u64,
        origin: Origin,
        source: &'static str,
        formula: &dyn Fn() -> String,
    ) {
        if bytes > 0 {
            self.0.push(Part {
                name,
                bytes,
                formula: formula(),
                source,
                origin,
            });
        }
    }
}

impl Account {
    /// The sum over the parts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum: u64, part| sum.saturating_add(part.bytes))
    }
}
