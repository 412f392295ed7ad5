//! The longest context and the most requests.
//!
//! Both are found by halving, which is exact since more tokens and more requests never take fewer bytes: blocks of a
//! cache, its entries, activations and tables grow with both or stay, and what an engine leaves for the cache is its
//! budget less what is used. So there is one border, on whose near side all fit and beyond which none does.

use super::answer::{Answer, Limit, Memory, Nothing};
use super::bound::Bound;
use super::search::largest;
use crate::architecture::Architecture;
use crate::deployment::{Deployment, FitError, Reason};
use crate::engine::MOST;
use crate::fit::{Probe, Spread};
use crate::subject::Subject;
use std::sync::Arc;

/// The longest context that fits, for as many requests as the deployment says.
///
/// It ends where the model's own does, or where the engine refuses more; [`Limit::memory`] then says how many tokens
/// memory alone would hold.
///
/// # Errors
/// If the deployment cannot be, whatever the context.
pub fn max_context(subject: &Subject, deployment: &Deployment) -> Result<Answer, FitError> {
    let mut question = Question {
        subject,
        deployment: deployment.clone(),
        set: |deployment, tokens| deployment.context = Some(tokens),
        most: MOST,
        end: Bound::ModelContext,
    };
    // An engine that knows the model's end by itself may stretch it; else it is what the config states.
    if let Some(stated) = subject.architecture.context
        && !question.is_ended_by_engine()?
    {
        question.most = stated.clamp(1, MOST);
    }
    question.answer()
}

/// The most requests at one time that fit, each as long as the deployment's context.
///
/// It ends with the sequences that the engine runs at once; [`Limit::memory`] then says how many requests the cache
/// would hold.
///
/// # Errors
/// If the deployment cannot be, however many requests there are.
pub fn max_concurrency(subject: &Subject, deployment: &Deployment) -> Result<Answer, FitError> {
    Question {
        subject,
        deployment: deployment.clone(),
        set: |deployment, requests| deployment.concurrency = requests,
        most: MOST,
        end: Bound::Numbers,
    }
    .answer()
}

/// Which number is searched, and where it ends beside bytes.
struct Question<'a> {
    subject: &'a Subject,
    deployment: Deployment,
    set: fn(&mut Deployment, u64),
    /// The end, and what it is if it is before that of all numbers.
    most: u64,
    end: Bound,
}

impl Question<'_> {
    fn at(&self, value: u64) -> Deployment {
        let mut deployment = self.deployment.clone();
        (self.set)(&mut deployment, value);
        deployment
    }

    /// Whether the engine refuses a context that no model has.
    fn is_ended_by_engine(&self) -> Result<bool, FitError> {
        let spread = Spread::of(self.subject, &self.at(1))?;
        let longest = spread.probe(self.subject, &self.at(MOST));
        Ok(longest.is_err_and(|error| error.reason == Reason::Context))
    }

    fn answer(&self) -> Result<Answer, FitError> {
        let usable = self.deployment.gpu.usable_bytes;
        let first = self.at(1);
        let spread = Spread::of(self.subject, &first)?;
        let least = spread.probe(self.subject, &first)?;
        if !least.fits() {
            return Ok(Answer::Nothing(Box::new(Nothing {
                fit: spread.fit(self.subject, &first)?,
                binds: Bound::of_shortage(&least, usable),
            })));
        }
        let probe = |value| spread.probe_at_once(self.subject, &self.at(value));
        let value = largest(1, self.most, |value| {
            probe(value).is_ok_and(|probe| probe.fits() && runs_at_once(&probe))
        });
        let binds = if value == MOST {
            Bound::Numbers
        } else if value == self.most {
            self.end.clone()
        } else {
            match probe(value.saturating_add(1)) {
                Err(error) if error.reason == Reason::Context => self.end.clone(),
                Err(error) => Bound::Refused(error),
                Ok(next) if !next.fits() => Bound::of_growth(&probe(value)?, &next, usable),
                Ok(_) => Bound::Sequences,
            }
        };
        let memory = if binds.is_bytes() {
            Memory::Holds(value)
        } else {
            self.memory(&spread, value)
        };
        Ok(Answer::Found(Box::new(Limit {
            value,
            fit: spread.fit(self.subject, &self.at(value))?,
            binds,
            memory,
        })))
    }

    /// What memory alone would hold, of a number that is bound by something else.
    fn memory(&self, spread: &Spread, value: u64) -> Memory {
        let free = Subject {
            architecture: Arc::new(Architecture {
                context: None,
                ..(*self.subject.architecture).clone()
            }),
            ..self.subject.clone()
        };
        let probe = |value| spread.probe_at_once(&free, &self.at(value));
        let value = largest(value, MOST, |value| probe(value).is_ok_and(|p| p.fits()));
        if value == MOST {
            return Memory::Endless;
        }
        match probe(value.saturating_add(1)) {
            Ok(_) => Memory::Holds(value),
            Err(_) => Memory::Unknown,
        }
    }
}

fn runs_at_once(probe: &Probe) -> bool {
    probe.settings.concurrency <= probe.settings.sequences
}
