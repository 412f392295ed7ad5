//! The scheme of quantization that loses least and fits.

use super::answer::Nothing;
use super::bound::Bound;
use crate::deployment::{Deployment, FitError};
use crate::fit::{Fit, Spread};
use crate::quantization::loading::does_load;
use crate::quantization::scheme::{Scheme, by_precision};
use crate::subject::Subject;
use std::sync::Arc;

/// The scheme that loses least and fits.
#[derive(Clone, Debug)]
pub enum Precision {
    /// This one.
    Found {
        /// The scheme; nothing for the weights as they are stored.
        scheme: Option<Arc<Scheme>>,
        /// The estimate with it.
        fit: Box<Fit>,
        /// What stops the next more precise one.
        binds: Bound,
    },
    /// None fits.
    Nothing(Box<Nothing>),
}

/// The scheme of the least loss with which the deployment fits: the weights as they are stored, or else the most precise
/// scheme that makes them smaller and that the engine loads and runs on this GPU.
///
/// Schemes are taken in the order of [`by_precision`]. What the deployment says of weights is not looked at.
///
/// # Errors
/// If the deployment cannot be, whatever the scheme.
pub fn best_quantization(
    subject: &Subject,
    deployment: &Deployment,
) -> Result<Precision, FitError> {
    let usable = deployment.gpu.usable_bytes;
    let with = |scheme: Option<&Arc<Scheme>>| Deployment {
        weights: scheme.map(Arc::clone),
        ..deployment.clone()
    };
    let bytes = |scheme: Option<&Scheme>| {
        subject
            .pieces(scheme)
            .iter()
            .fold(0_u64, |sum, piece| sum.saturating_add(piece.total()))
    };
    let stored = bytes(None);
    let smaller = by_precision()
        .into_iter()
        .filter(|row| does_load(&*deployment.engine, &deployment.gpu, row.name))
        .map(|row| Arc::new(row.scheme()))
        .filter(|scheme| bytes(Some(scheme)) < stored)
        .map(Some);
    let mut binds = Bound::Least;
    let mut closest: Option<(i128, Deployment)> = None;
    for scheme in std::iter::once(None).chain(smaller) {
        let candidate = with(scheme.as_ref());
        let tried = Spread::of(subject, &candidate)
            .and_then(|spread| Ok((spread.probe(subject, &candidate)?, spread)));
        let (probe, spread) = match tried {
            Ok(tried) => tried,
            // What the engine cannot load is no candidate, but what cannot be laid out at all is an error.
            Err(error) if scheme.is_none() => return Err(error),
            Err(error) => {
                binds = Bound::Refused(error);
                continue;
            }
        };
        if probe.fits() {
            let fit = Box::new(spread.fit(subject, &candidate)?);
            return Ok(Precision::Found { scheme, fit, binds });
        }
        binds = Bound::of_shortage(&probe, usable);
        if closest
            .as_ref()
            .is_none_or(|(known, _)| probe.headroom > *known)
        {
            closest = Some((probe.headroom, candidate));
        }
    }
    let nearest = closest.map_or_else(|| with(None), |(_, nearest)| nearest);
    let spread = Spread::of(subject, &nearest)?;
    let probe = spread.probe(subject, &nearest)?;
    Ok(Precision::Nothing(Box::new(Nothing {
        fit: spread.fit(subject, &nearest)?,
        binds: Bound::of_shortage(&probe, usable),
    })))
}
