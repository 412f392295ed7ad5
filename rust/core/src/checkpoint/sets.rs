//! The sets of weight files of one folder: by their names, and by what index files say.
//!
//! Folders with many thousands of files and indexes exist, so no index may cost a look at all files: files know their
//! set, and sets are found by their name.

use super::discover::{Set, shard_unlisted};
use super::file_name::WeightName;
use super::folder::Folder;
use super::index::{Index, IndexReader};
use super::name::NameHasher;
use super::problem::{Code, Problems};
use crate::parallel::Control;
use crate::source::Source;
use crate::wording::counted;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// What looking at folders takes.
pub struct Looking<'c> {
    /// Where the folders are.
    pub source: Source<'c>,
    indexes: IndexReader,
    control: &'c Control,
}

impl<'c> Looking<'c> {
    /// Reads indexes with this hasher, until it is asked to stop.
    #[must_use]
    pub fn new(source: Source<'c>, hasher: &NameHasher, control: &'c Control) -> Self {
        Self {
            source,
            indexes: IndexReader::new(hasher.clone()),
            control,
        }
    }
}

/// The sets of one folder. What an index leaves over is reported.
pub fn sets(
    path: &Path,
    folder: &Folder,
    looking: &mut Looking<'_>,
    notes: &mut Problems,
) -> Vec<Set> {
    let mut claims = Claims::by_names(folder);
    for (index, name) in &folder.indexes {
        if looking.control.is_cancelled() {
            break;
        }
        let matching = claims.of_name(name);
        let mut known = None;
        if let &[only] = &matching[..]
            && claims.sets[only].name.part.is_some()
            && !claims.has_foreign(&matching)
            && let Ok(glance) = looking.indexes.glance(looking.source, &path.join(index))
        {
            known = glance.index;
            if claims.names_one_of(glance.begin, only) {
                // The usual case: the index must mean these files. The scan will hold them against it.
                claims.sets[only].index = Some(index.clone());
                claims.sets[only].known_index = known;
                continue;
            }
        }
        let known =
            known.unwrap_or_else(|| looking.indexes.open(looking.source, &path.join(index)));
        claims.claim((index, name), known, notes);
    }
    claims.finish()
}

/// A set while indexes are still read.
struct OpenSet {
    name: WeightName,
    index: Option<OsString>,
    known_index: Option<Result<Index, String>>,
    /// The files it began with, by their places in the folder's list; some may have another owner by now.
    members: Vec<usize>,
    /// How many files it has.
    files: usize,
}

impl OpenSet {
    /// Whether it is there: it has files, or it is an index whose shards are all missing.
    const fn is_there(&self) -> bool {
        self.files > 0 || self.members.is_empty()
    }

    /// Whether no library loads it as the folder's model.
    fn is_odd(&self) -> bool {
        !self.name.is_consolidated() && !self.name.is_standard()
    }
}

/// Which set has which file.
struct Claims<'f> {
    folder: &'f Folder,
    /// For each of the folder's weight files its set, if it is not dropped.
    owners: Vec<Option<usize>>,
    sets: Vec<OpenSet>,
    /// The sets by stem and variant.
    by_name: HashMap<(String, Option<String>), Vec<usize>>,
    /// How many sets there are that no library loads as the folder's model.
    odd: usize,
    /// How many sets there are that are no adapters.
    models: usize,
}

fn key(name: &WeightName) -> (String, Option<String>) {
    // `model.safetensors-00001-of-00002.safetensors` is how some publishers name the shards of `model`.
    let stem = name.stem.strip_suffix(".safetensors");
    (stem.unwrap_or(&name.stem).to_owned(), name.variant.clone())
}

impl<'f> Claims<'f> {
    fn by_names(folder: &'f Folder) -> Self {
        let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (place, (_, name)) in folder.weights.iter().enumerate() {
            let part_of = name.part.map(|(_, total)| total);
            groups
                .entry((name.series(), &name.variant, part_of))
                .or_default()
                .push(place);
        }
        let mut claims = Self {
            folder,
            owners: vec![None; folder.weights.len()],
            sets: Vec::new(),
            by_name: HashMap::new(),
            odd: 0,
            models: 0,
        };
        for members in groups.into_values() {
            claims.enter(folder.weights[members[0]].1.clone(), members);
        }
        claims
    }

    /// Enters a set with these files, which leave the sets they were in.
    fn enter(&mut self, name: WeightName, members: Vec<usize>) -> &mut OpenSet {
        let set = self.sets.len();
        for &file in &members {
            self.release(file);
            self.owners[file] = Some(set);
        }
        self.by_name.entry(key(&name)).or_default().push(set);
        let new = OpenSet {
            name,
            index: None,
            known_index: None,
            files: members.len(),
            members,
        };
        self.odd += usize::from(new.is_odd());
        self.models += usize::from(!new.name.is_adapter());
        self.sets.push(new);
        &mut self.sets[set]
    }

    /// Takes a file out of its set.
    fn release(&mut self, file: usize) {
        if let Some(set) = self.owners[file].take() {
            let set = &mut self.sets[set];
            set.files -= 1;
            if set.files == 0 {
                self.odd -= usize::from(set.is_odd());
                self.models -= usize::from(!set.name.is_adapter());
            }
        }
    }

    /// The place of a file in the folder's list.
    fn place(&self, file: &OsStr) -> Option<usize> {
        self.folder
            .weights
            .binary_search_by(|(other, _)| other.as_os_str().cmp(file))
            .ok()
    }

    /// The sets of an index's name.
    fn of_name(&self, name: &WeightName) -> Vec<usize> {
        let all = self.by_name.get(&key(name)).into_iter().flatten().copied();
        all.filter(|&set| self.sets[set].is_there()).collect()
    }

    /// Whether there are sets of other names, of which an index may mean some.
    fn has_foreign(&self, own: &[usize]) -> bool {
        let odd = own.iter().filter(|&&set| self.sets[set].is_odd()).count();
        self.odd > odd
    }

    /// Whether an index names a file of a set near its beginning: then it is not the left-over of another numbering. To
    /// read it whole is the business of the scan.
    fn names_one_of(&self, index: &[u8], set: usize) -> bool {
        const LOOK: usize = 16 << 10;
        let named = |piece: &[u8]| {
            std::str::from_utf8(piece)
                .ok()
                .and_then(|piece| self.place(OsStr::new(piece)))
                .is_some_and(|file| self.owners[file] == Some(set))
        };
        index[..index.len().min(LOOK)]
            .split(|&byte| byte == b'"')
            .any(named)
    }

    /// Makes the files that an index means one set.
    fn claim(
        &mut self,
        (index, name): (&OsStr, &WeightName),
        known: Result<Index, String>,
        notes: &mut Problems,
    ) {
        let named: BTreeSet<&str> = match &known {
            Ok(index) => index.files.iter().map(|(file, _)| &**file).collect(),
            Err(error) => {
                notes.push(Code::IndexInvalid, None, || {
                    format!("{}: {error}", index.display())
                });
                return;
            }
        };
        let here: Vec<usize> = named
            .iter()
            .filter_map(|file| self.place(OsStr::new(file)))
            .collect();
        // An adapter is no copy of the model whose shards are missing.
        if here.is_empty() && self.models > 0 {
            notes.push(Code::IndexStale, None, || {
                format!(
                    "{} names {}, none of which is here; it is not used",
                    index.display(),
                    counted(named.len() as u64, "shard")
                )
            });
            return;
        }
        // What the index does not name of the parts that go by its name; a single file of that name is a copy.
        let all = &*self;
        let left_over: Vec<usize> = all
            .of_name(name)
            .into_iter()
            .filter(|&set| all.sets[set].name.stem == name.stem)
            .flat_map(|set| {
                let members = all.sets[set].members.iter().copied();
                members.filter(move |&file| all.owners[file] == Some(set))
            })
            .filter(|&file| {
                let (text, parsed) = &all.folder.weights[file];
                let is_named = text.to_str().is_some_and(|text| named.contains(text));
                parsed.part.is_some() && !is_named
            })
            .collect();
        for file in left_over {
            shard_unlisted(
                Path::new(&self.folder.weights[file].0),
                Path::new(index),
                notes,
            );
            self.release(file);
        }
        let set = self.enter(name.clone(), here);
        set.index = Some(index.to_owned());
        set.known_index = Some(known);
    }

    fn finish(self) -> Vec<Set> {
        let mut files: Vec<Vec<(OsString, WeightName)>> = vec![Vec::new(); self.sets.len()];
        for (file, owner) in self.folder.weights.iter().zip(&self.owners) {
            if let Some(set) = owner {
                files[*set].push(file.clone());
            }
        }
        self.sets
            .into_iter()
            .zip(files)
            .filter(|(set, _)| set.is_there())
            .map(|(set, files)| Set {
                name: set.name,
                files,
                index: set.index,
                known_index: set.known_index,
            })
            .collect()
    }
}
