//! A scan of files that lie elsewhere, in steps: what is wanted, what was brought, and at last the very answer that a
//! scan of the same files on this machine gives.
//!
//! ```text
//! list of files ─► wanted ─► (someone fetches) ─► give ─┐
//!                    ▲                                  │
//!                    └──────────────────────────────────┘   until nothing is wanted: checkpoint, tree, model
//! ```
//!
//! There is no second way of finding out what belongs together: each step runs the search of a local scan over what is
//! there, and what it could not read is wanted. Most repositories need one step after the list of files, since the
//! names of the files alone tell which of them are one model.

use crate::checkpoint::{
    Candidate, Checkpoint, NameHasher, ScanError, Tree, choose, find, is_pipeline_file, scan_in,
    scan_tree_in,
};
use crate::json_file;
use crate::model::{CONFIGS, Model, ModelError};
use crate::parallel::Control;
use crate::source::{Listed, ListedError, Source, Want};
use std::path::{Path, PathBuf};

/// A scan of files that lie elsewhere.
#[derive(Debug)]
pub struct Remote {
    listed: Listed,
    path: PathBuf,
    tree: bool,
}

impl Remote {
    /// A scan of listed files, at a path below their root; of all models there if `tree`, of one otherwise.
    ///
    /// # Errors
    /// If the list cannot be one of files below a root, or the path leads out of it.
    pub fn new(
        root: &str,
        files: impl IntoIterator<Item = (String, u64)>,
        path: &str,
        tree: bool,
    ) -> Result<Self, ListedError> {
        let listed = Listed::new(PathBuf::from(root), files)?;
        let path = if path.is_empty() {
            listed.root().to_owned()
        } else {
            listed.below(path)?
        };
        Ok(Self { listed, path, tree })
    }

    /// The path that is scanned, below the root.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What must be brought before there is an answer; nothing if all is there. Ranges begin where those that were
    /// brought end. Each call says it afresh.
    ///
    /// # Errors
    /// If the search was stopped. What else is wrong is said by the answer.
    pub fn wanted(&self, threads: usize, control: &Control) -> Result<Vec<Want>, ScanError> {
        // What an earlier answer lacked is found again, if it is needed.
        self.listed.take_wanted();
        let hasher = NameHasher::default();
        match find(self.source(), &self.path, &hasher, threads, control) {
            Ok(found) => {
                // As long as the file is not there that tells the parts of a pipeline, they look like models.
                let all = self.tree || self.listed.wants(|path| self.is_own_pipeline(path));
                if all {
                    self.prefetch(&found.candidates);
                } else if let Ok(only) = choose(&self.path, found) {
                    self.prefetch(&[only]);
                }
            }
            Err(ScanError::Cancelled) => return Err(ScanError::Cancelled),
            Err(_) => {}
        }
        self.prefetch_configs(&self.path);
        Ok(self.listed.take_wanted())
    }

    /// Whether this is the file that tells the parts of the pipeline which the path may be.
    fn is_own_pipeline(&self, file: &Path) -> bool {
        let name = file.file_name().and_then(|name| name.to_str());
        file.parent() == Some(&self.path) && name.is_some_and(is_pipeline_file)
    }

    fn prefetch(&self, candidates: &[Candidate]) {
        for candidate in candidates {
            for component in &candidate.components {
                if let Some(index) = &component.index {
                    self.listed.prefetch(index, u64::MAX);
                }
                for file in &component.files {
                    self.listed.prefetch_header(file);
                }
                for config in component.wanted_configs() {
                    self.listed.prefetch(&config, json_file::LIMIT);
                }
            }
            self.prefetch_configs(&candidate.path);
        }
    }

    /// Wants the configurations that a model has, of the folder at or around a path.
    fn prefetch_configs(&self, path: &Path) {
        for name in CONFIGS {
            let config = self.source().folder(path).join(name);
            self.listed.prefetch(&config, json_file::LIMIT);
        }
    }

    /// Enters bytes of a file, from where those that were brought end.
    ///
    /// # Errors
    /// If the file was not listed, or the bytes are not in their place.
    pub fn give(&mut self, file: &str, start: u64, bytes: &[u8]) -> Result<(), ListedError> {
        self.listed.give(file, start, bytes)
    }

    /// Notes that a file cannot be had, and why: as on this machine, it counts as unreadable.
    ///
    /// # Errors
    /// If the file was not listed.
    pub fn refuse(&mut self, file: &str, why: String) -> Result<(), ListedError> {
        self.listed.refuse(file, why)
    }

    /// What is there of a file: of a weight file the length field and the header, of others everything.
    #[must_use]
    pub fn held(&self, file: &str) -> Option<&[u8]> {
        self.listed.held(file)
    }

    /// What the answers since the last call lacked; they are worth nothing if this is not empty.
    pub fn lacking(&self) -> Vec<Want> {
        self.listed.take_wanted()
    }

    /// The checkpoint, as [`scan`](crate::checkpoint::scan) gives it.
    ///
    /// # Errors
    /// As for a scan. [`Remote::lacking`] says whether bytes were missing.
    pub fn checkpoint(&self, threads: usize, control: &Control) -> Result<Checkpoint, ScanError> {
        scan_in(self.source(), &self.path, threads, control)
    }

    /// All checkpoints, as [`scan_tree`](crate::checkpoint::scan_tree) gives them.
    ///
    /// # Errors
    /// As for a scan.
    pub fn tree(&self, threads: usize, control: &Control) -> Result<Tree, ScanError> {
        scan_tree_in(self.source(), &self.path, threads, control)
    }

    /// The model, as [`Model::open`] gives it.
    ///
    /// # Errors
    /// As for a model on this machine.
    pub fn model(
        &self,
        assume: Option<&str>,
        threads: usize,
        control: &Control,
    ) -> Result<Model, ModelError> {
        Model::open_in(self.source(), &self.path, assume, threads, control)
    }

    const fn source(&self) -> Source<'_> {
        Source::Listed(&self.listed)
    }
}
