//! How each number of an estimate comes about, in plain text.

use super::{Component, Fit};
use crate::size::format_bytes;
use crate::wording::grouped;
use std::fmt::Write;

impl Fit {
    /// Each component's parts, with the numbers put in, how sure they are, and where the formulas are from.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let stage = self.on_fullest();
        writeln!(
            text,
            "{} ({}) on {} x {}, {}",
            self.name,
            self.label,
            self.gpus,
            self.deployment.gpu.name,
            self.engine()
        )?;
        if self.stages.len() > 1 {
            writeln!(
                text,
                "stage {} of {} has the least to spare",
                self.fullest + 1,
                self.stages.len()
            )?;
        }
        for warning in &self.warnings {
            writeln!(text, "warning: {warning}")?;
        }
        for component in Component::ALL {
            let bytes = stage.bytes(component);
            let band = match self.band(component) {
                Some((low, high)) if low == high => "exact".to_owned(),
                Some((low, high)) => format!(
                    "measured between {} and {}",
                    format_bytes(low),
                    format_bytes(high)
                ),
                None => "no measured band".to_owned(),
            };
            writeln!(text)?;
            writeln!(text, "{}: {}, {band}", component.name(), sized(bytes))?;
            writeln!(text, "  {}", component.meaning())?;
            for part in stage.parts(component) {
                writeln!(text, "  - {}: {}", part.name, sized(part.bytes))?;
                writeln!(text, "    = {}", part.formula)?;
                writeln!(text, "    {}: {}", part.origin.name(), part.source)?;
            }
        }
        writeln!(text)?;
        writeln!(text, "total: {}", sized(stage.total()))?;
        writeln!(text, "usable: {}", sized(self.usable))?;
        writeln!(
            text,
            "held once the engine has laid out its cache: {}",
            sized(stage.held)
        )?;
        writeln!(
            text,
            "the engine gives its cache: {}, {} tokens",
            sized(self.cache_pool),
            grouped(self.pool.tokens)
        )?;
        let (word, sign) = if self.fits() {
            ("fits", "")
        } else {
            ("does not fit", "-")
        };
        let by = u64::try_from(self.headroom.unsigned_abs()).unwrap_or(u64::MAX);
        writeln!(text, "headroom: {sign}{}: it {word}", sized(by))?;
        if let Some(bound) = self.binds() {
            writeln!(text, "limit: {bound}")?;
        }
        if !self.assumptions.is_empty() {
            writeln!(text)?;
            writeln!(text, "assumed:")?;
            for one in &self.assumptions {
                writeln!(text, "  {} = {} ({})", one.field, one.value, one.reason)?;
            }
        }
        Ok(())
    }
}

fn sized(bytes: u64) -> String {
    format!("{} ({} bytes)", format_bytes(bytes), grouped(bytes))
}
