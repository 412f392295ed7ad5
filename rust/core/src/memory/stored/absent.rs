//! Weights that a config asks for and that the files do not hold: what they would take if they were there.

use crate::architecture::Architecture;
use crate::architecture::template::{Numbers, Template};
use crate::checkpoint::{Checkpoint, Code};
use crate::memory::body::Piece;
use crate::model::naming::{self, Expected};
use crate::model::{Disagreement, Kind, Severity};
use crate::quantization::scheme::{Scheme, Weight, dtype_bytes};
use crate::size::format_bytes;
use crate::wording::counted;
use foldhash::{HashMap, HashSet};
use std::collections::BTreeMap;

/// How many files are named in a message.
const NAMED: usize = 3;

/// Adds what is missing to the pieces of a checkpoint, as if it were complete. Says what was missing, in a sentence, and
/// `None` if nothing is.
///
/// Where there are tensors that the class does not know, the missing ones may be among them under other names: then
/// nothing is added, and the sentence says so.
#[must_use]
pub fn complete(
    checkpoint: &Checkpoint,
    architecture: &Architecture,
    disagreements: &[Disagreement],
    scheme: Option<&Scheme>,
    pieces: &mut Vec<Piece>,
) -> Option<String> {
    let serious = |kind: Kind| {
        disagreements
            .iter()
            .filter(move |one| one.kind == kind && one.severity == Severity::Error)
    };
    let missing: HashSet<&str> = serious(Kind::Missing).map(|one| &*one.pattern).collect();
    let worst = serious(Kind::Missing).max_by_key(|one| one.count)?;
    let tensors = serious(Kind::Missing).fold(0_u64, |sum, one| sum.saturating_add(one.count));
    let lacks = format!(
        "{} that the config asks for {} not in the files",
        counted(tensors, "tensor"),
        if tensors == 1 { "is" } else { "are" }
    );
    let cause = files_of(checkpoint).unwrap_or_else(|| worst.cause.clone());
    if let Some(other) = serious(Kind::Unexpected).next() {
        return Some(format!(
            "{lacks} ({cause}), and there are some that it does not ask for, such as {}; the weights are those of the files \
             alone",
            other.example
        ));
    }
    let added = planned(checkpoint, architecture, &missing, scheme, pieces);
    let bytes = added
        .iter()
        .fold(0_u64, |sum, piece| sum.saturating_add(piece.total()));
    pieces.extend(added);
    Some(format!(
        "{lacks} ({cause}); their {} are counted as if they were there",
        format_bytes(bytes)
    ))
}

/// What is wrong with the files, if that is why tensors are missing.
fn files_of(checkpoint: &Checkpoint) -> Option<String> {
    let mut words: Vec<String> = checkpoint
        .problems
        .iter()
        .filter(|problem| problem.code.hides_tensors() || problem.code == Code::PartAlone)
        .map(|problem| {
            let name = problem.path.file_name().unwrap_or(problem.path.as_os_str());
            format!("{}: {}", name.to_string_lossy(), problem.message)
        })
        .collect();
    let more = words.len().saturating_sub(NAMED);
    words.truncate(NAMED);
    if more > 0 {
        words.push(format!("and {more} more"));
    }
    (!words.is_empty()).then(|| words.join("; "))
}

/// The missing tensors of these patterns, in the size that others of their kind have here, or else that the config gives
/// them.
fn planned(
    checkpoint: &Checkpoint,
    architecture: &Architecture,
    missing: &HashSet<&str>,
    scheme: Option<&Scheme>,
    pieces: &[Piece],
) -> Vec<Piece> {
    let expected = naming::expected(architecture);
    let found = naming::stored(checkpoint, &expected);
    let prefix = naming::best_prefix(&found, &expected);
    let there: HashSet<String> = found
        .into_iter()
        .map(|(name, _)| {
            naming::renamed(&name, prefix)
                .filter(|other| expected.contains_key(other))
                .unwrap_or(name)
        })
        .collect();
    let mut counts: BTreeMap<(&str, Option<u32>), (u64, &Template)> = BTreeMap::new();
    for (name, Expected { template, layer }) in &expected {
        if !there.contains(name) && missing.contains(&*naming::pattern_of(name)) {
            let key = (template.pattern.as_str(), *layer);
            counts.entry(key).or_insert((0, template)).0 += 1;
        }
    }
    let mut sizes: HashMap<&str, u64> = HashMap::default();
    for piece in pieces {
        let elements = piece
            .shape
            .iter()
            .fold(1_u64, |all, &side| all.saturating_mul(side));
        // Where some of a layer are missing, its piece stands for all that are left.
        if piece.elements == elements {
            sizes.entry(&*piece.pattern).or_insert(piece.bytes);
        }
    }
    counts
        .into_iter()
        .map(|((pattern, layer), (each, template))| {
            let elements = template.elements().unwrap_or(u64::MAX);
            let by_config = || match scheme {
                Some(scheme) => scheme.bytes(&Weight {
                    template,
                    layer,
                    architecture,
                }),
                // A scheme that is not known: as if it were none.
                None => elements.saturating_mul(dtype_bytes(architecture).unwrap_or(2)),
            };
            Piece {
                pattern: pattern.into(),
                role: template.role,
                shape: template.shape.clone(),
                part: template.part,
                layers: layer.map(|layer| Numbers::Listed([layer].into())),
                each,
                elements,
                bytes: sizes.get(pattern).copied().unwrap_or_else(by_config),
                routing: template.routing,
            }
        })
        .collect()
}
