//! The cheapest GPUs on which a deployment fits, by a price file.
//!
//! ```toml
//! # Price of one GPU for one hour, in whatever currency, with at most six decimals.
//! H100-SXM-80GB = 2.99
//! "L40S" = "0.86"
//! ```

use super::answer::Answer;
use super::layouts::min_gpus;
use crate::deployment::{Deployment, FitError};
use crate::hardware::{Catalogue, Found, Gpu};
use crate::regular_file;
use crate::subject::Subject;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use toml::{Spanned, Value};

/// Name and version of the JSON of offers.
pub const OFFERS_SCHEMA: &str = "pondera.offers/1";

/// Longer files are refused; a price takes some thirty bytes.
const LIMIT: u64 = 1 << 20;

/// Decimals of a price.
const DECIMALS: usize = 6;

/// Prices of GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices(Vec<Priced>);

/// A GPU with its price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// The GPU.
    pub gpu: Arc<Gpu>,
    /// The price of one.
    pub each: Price,
    /// What was taken for granted, in a sentence, where the name in the file left something open.
    pub assumed: Option<String>,
}

/// Money per hour, in millionths of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Price(pub u64);

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let digits = format!("{rest:06}");
        let cents = digits.trim_end_matches('0');
        write!(f, "{whole}.{cents:0<2}")
    }
}

/// What is wrong with a price file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceError(pub String);

impl fmt::Display for PriceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PriceError {}

impl Prices {
    /// Reads a price file. Names are looked up in the catalogue as everywhere.
    ///
    /// # Errors
    /// If it cannot be read, is no TOML of names and prices, or names a GPU that is not known or is named twice.
    pub fn read(path: &Path, catalogue: &Catalogue) -> Result<Self, PriceError> {
        let wrong = |reason: String| PriceError(format!("{}: {reason}", path.display()));
        let text = regular_file::read(path, LIMIT).map_err(|error| wrong(error.to_string()))?;
        let text = String::from_utf8(text)
            .map_err(|_| wrong("the file is not UTF-8; save it as UTF-8".to_owned()))?;
        Self::parse(&text, catalogue).map_err(|error| wrong(error.0))
    }

    /// Reads prices from the text of a price file.
    ///
    /// # Errors
    /// As for [`Prices::read`].
    pub fn parse(text: &str, catalogue: &Catalogue) -> Result<Self, PriceError> {
        let rows: BTreeMap<String, Spanned<Value>> = toml::from_str(text).map_err(|error| {
            PriceError(format!(
                "{}; write lines such as H100-SXM-80GB = 2.99",
                error.message()
            ))
        })?;
        let mut prices: Vec<Priced> = Vec::with_capacity(rows.len());
        for (name, value) in rows {
            let Found { gpu, assumed } = catalogue
                .find(&name)
                .map_err(|error| PriceError(error.to_string()))?;
            if prices.iter().any(|known| known.gpu.name == gpu.name) {
                return Err(PriceError(format!(
                    "'{name}' gives {} a second price; leave one of them out",
                    gpu.name
                )));
            }
            // As it is written, so that no decimal goes through a float.
            let written = match value.get_ref() {
                Value::String(text) => text.as_str(),
                Value::Integer(_) | Value::Float(_) => text.get(value.span()).unwrap_or_default(),
                _ => "",
            };
            let each = price(written).ok_or_else(|| {
                PriceError(format!(
                    "the price of '{name}' is not a number above 0 with at most {DECIMALS} decimals; write one such as 2.99"
                ))
            })?;
            prices.push(Priced {
                gpu: Arc::new(gpu),
                each,
                assumed,
            });
        }
        if prices.is_empty() {
            return Err(PriceError(
                "there are no prices; write lines such as H100-SXM-80GB = 2.99".to_owned(),
            ));
        }
        Ok(Self(prices))
    }

    /// GPUs and prices, sorted by the names in the file.
    pub fn iter(&self) -> impl Iterator<Item = &Priced> {
        self.0.iter()
    }
}

/// Millionths from a plain decimal.
fn price(text: &str) -> Option<Price> {
    let (whole, decimals) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || decimals.len() > DECIMALS || !digits(whole) || !digits(decimals) {
        return None;
    }
    let millionths: u64 = format!("{decimals:0<DECIMALS$}").parse().ok()?;
    let price = whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1_000_000)?
        .checked_add(millionths)?;
    (price > 0).then_some(Price(price))
}

/// What a deployment takes of one GPU that has a price.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The GPU.
    pub gpu: Arc<Gpu>,
    /// The price of one.
    pub each: Price,
    /// What was taken for granted of the GPU, where the price file's name for it left something open.
    pub assumed: Option<String>,
    /// The fewest of them on which it fits, why it fits on none, or why it cannot be.
    pub answer: Result<Answer, FitError>,
}

impl Offer {
    /// The price of all of them; nothing if it fits on none, or if 64 bits do not count it.
    #[must_use]
    pub fn total(&self) -> Option<Price> {
        let limit = self.answer.as_ref().ok()?.limit()?;
        self.each.0.checked_mul(limit.value).map(Price)
    }
}

/// Every GPU that has a price, with the fewest of them on which the deployment fits, at most `most`: the cheapest first,
/// of equals the one with fewer GPUs, and last those that it fits on none of.
///
/// The fewest of one kind are also the cheapest of that kind, since each costs the same.
#[must_use]
pub fn cheapest_gpu(
    subject: &Subject,
    deployment: &Deployment,
    prices: &Prices,
    most: u64,
) -> Vec<Offer> {
    let mut offers: Vec<Offer> = prices
        .iter()
        .map(|Priced { gpu, each, assumed }| {
            let on = Deployment {
                gpu: Arc::clone(gpu),
                ..deployment.clone()
            };
            Offer {
                gpu: Arc::clone(gpu),
                each: *each,
                assumed: assumed.clone(),
                answer: min_gpus(subject, &on, most),
            }
        })
        .collect();
    offers.sort_by_cached_key(|offer| {
        let total = offer.total();
        let gpus = offer.answer.as_ref().ok().and_then(Answer::limit);
        (
            total.is_none(),
            total,
            gpus.map(|limit| limit.value),
            offer.gpu.name.clone(),
        )
    });
    offers
}
