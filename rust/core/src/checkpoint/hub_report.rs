//! The cache of a user as JSON, schema `pondera.cache/1`. Whole numbers only: bytes are bytes.

use super::hub_cache::{CachedRepo, CachedRevision, HubCache};
use super::report::{Detail, Listed, One, listed, text};
use super::tally::Tally;
use crate::members::Members;
use serde::Serialize;

/// The name and version of the schema.
pub const SCHEMA: &str = "pondera.cache/1";

#[derive(Serialize)]
struct Cache<'a> {
    schema: &'static str,
    path: String,
    repos: Vec<Repo<'a>>,
    totals: Totals,
    problems: Vec<Listed<'a>>,
}

#[derive(Serialize)]
struct Repo<'a> {
    name: &'a str,
    path: String,
    disk_bytes: u128,
    revisions: Vec<Revision<'a>>,
    incomplete: Vec<Part>,
}

#[derive(Serialize)]
struct Revision<'a> {
    commit: &'a str,
    refs: &'a [String],
    tensors: u64,
    parameters: u128,
    stored_bytes: u128,
    disk_bytes: u128,
    own_bytes: u128,
    roles: Members<&'static str, Tally>,
    checkpoints: Vec<One<'a>>,
}

#[derive(Serialize)]
struct Part {
    path: String,
    bytes: u64,
}

#[derive(Serialize)]
struct Totals {
    repos: usize,
    revisions: usize,
    checkpoints: usize,
    incomplete: usize,
    disk_bytes: u128,
}

fn revision(revision: &CachedRevision) -> Revision<'_> {
    let total = revision.total();
    Revision {
        commit: &revision.commit,
        refs: &revision.refs,
        tensors: total.tensors,
        parameters: total.parameters,
        stored_bytes: total.bytes,
        disk_bytes: revision.disk_bytes,
        own_bytes: revision.own_bytes,
        roles: Members(
            revision
                .by_role()
                .into_iter()
                .map(|(role, tally)| (role.name(), tally))
                .collect(),
        ),
        checkpoints: revision
            .checkpoints
            .iter()
            .map(|checkpoint| checkpoint.report(Detail::default()))
            .collect(),
    }
}

fn repo(repo: &CachedRepo) -> Repo<'_> {
    Repo {
        name: &repo.name,
        path: repo.path.to_string_lossy().into_owned(),
        disk_bytes: repo.disk_bytes,
        revisions: repo.revisions.iter().map(revision).collect(),
        incomplete: repo
            .incomplete
            .iter()
            .map(|part| Part {
                path: part.path.to_string_lossy().into_owned(),
                bytes: part.bytes,
            })
            .collect(),
    }
}

impl HubCache {
    /// The whole cache as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        text(&Cache {
            schema: SCHEMA,
            path: self.path.to_string_lossy().into_owned(),
            repos: self.repos.iter().map(repo).collect(),
            totals: Totals {
                repos: self.repos.len(),
                revisions: self.repos.iter().map(|repo| repo.revisions.len()).sum(),
                checkpoints: self.checkpoints().count(),
                incomplete: self.repos.iter().map(|repo| repo.incomplete.len()).sum(),
                disk_bytes: self.disk_bytes(),
            },
            problems: listed(&self.problems),
        })
    }
}
