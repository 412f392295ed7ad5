//! Holding a body against its mind, name by name, and wording what differs.
//!
//! A packed weight is compared by how many weights it stands for, an ordinary one by its shape. Tensors that serve
//! a packed one (scales, zero points) are the business of its scheme and are passed over.

use super::disagreement::{Disagreement, Kind, Severity};
use super::naming::{self, Expected};
use crate::architecture::Architecture;
use crate::architecture::template::{Routing, Template};
use crate::checkpoint::{Checkpoint, Group, Kind as CheckpointKind, Role, is_buffer};
use foldhash::{HashMap, HashSet};
use std::collections::BTreeMap;
use std::path::Path;

/// Where the tensors of one name pattern differ.
struct Entry<'a> {
    count: u64,
    example: String,
    layers: Vec<u32>,
    expected: Option<&'a Template>,
    found: Option<&'a Group>,
}

type Entries<'a> = BTreeMap<String, Entry<'a>>;

/// Everything in which they differ, worst first.
pub fn compare(checkpoint: &Checkpoint, architecture: &Architecture) -> Vec<Disagreement> {
    let expected = naming::expected(architecture);
    let found = naming::stored(checkpoint, &expected);
    let prefix = naming::best_prefix(&found, &expected);
    let mut seen: HashSet<String> = HashSet::default();
    let (mut unexpected, mut reshaped) = (Entries::new(), Entries::new());
    for (name, group) in &found {
        let known = match naming::renamed(name, prefix).filter(|other| expected.contains_key(other))
        {
            Some(other) => other,
            None => name.clone(),
        };
        let Some(asked) = expected.get(&known) else {
            note(&mut unexpected, name, None, None, Some(group));
            continue;
        };
        if !same_size(group, asked.template) {
            note(
                &mut reshaped,
                &known,
                asked.layer,
                Some(asked.template),
                Some(group),
            );
        }
        seen.insert(known);
    }
    let mut missing = Entries::new();
    for (name, asked) in &expected {
        if !seen.contains(name) {
            note(&mut missing, name, asked.layer, Some(asked.template), None);
        }
    }
    let facts = Facts::new(
        checkpoint,
        architecture,
        &expected,
        seen.len(),
        &missing,
        &reshaped,
    );
    let mut all = Vec::new();
    if let Some((from, to)) = prefix {
        all.push(Disagreement {
            severity: Severity::Info,
            kind: Kind::Name,
            pattern: format!("{from}*"),
            count: seen.len() as u64,
            example: found
                .first()
                .map(|(name, _)| name.clone())
                .unwrap_or_default(),
            expected: None,
            found: None,
            cause: format!(
                "stored under {from:?} where the class has {to:?}; libraries load it all the same"
            ),
        });
    }
    let kinds = [
        (Kind::Shape, reshaped),
        (Kind::Missing, missing),
        (Kind::Unexpected, unexpected),
    ];
    for (kind, entries) in kinds {
        for (pattern, entry) in entries {
            let (severity, cause) = facts.explain(kind, &pattern, &entry);
            all.push(Disagreement {
                severity,
                kind,
                pattern,
                count: entry.count,
                example: entry.example,
                expected: entry.expected.map(|template| template.shape.clone()),
                found: entry.found.map(|group| group.form.shape.to_vec()),
                cause,
            });
        }
    }
    all.sort_by(|a, b| (a.severity, a.kind, &a.pattern).cmp(&(b.severity, b.kind, &b.pattern)));
    all
}

fn same_size(group: &Group, template: &Template) -> bool {
    *group.form.shape == *template.shape
        || (group.form.elements() != Some(group.parameters) && template.elements() == Some(group.parameters))
        // One side of 1 more or less, as [heads] for [1, 1, heads, 1], is the same memory.
        || (group.form.elements() == template.elements() && squeezed(&group.form.shape) == squeezed(&template.shape))
}

fn squeezed(shape: &[u64]) -> Vec<u64> {
    shape.iter().copied().filter(|&side| side != 1).collect()
}

fn note<'a>(
    entries: &mut Entries<'a>,
    name: &str,
    layer: Option<u32>,
    expected: Option<&'a Template>,
    found: Option<&'a Group>,
) {
    let pattern = naming::pattern_of(name);
    let entry = entries.entry(pattern).or_insert_with(|| Entry {
        count: 0,
        example: name.to_owned(),
        layers: Vec::new(),
        expected,
        found,
    });
    entry.count += 1;
    if *name < *entry.example {
        name.clone_into(&mut entry.example);
    }
    let layer = layer.or_else(|| name.split('.').find_map(|part| part.parse().ok()));
    entry.layers.extend(layer);
}

/// How the names of biases end.
const BIAS: &str = ".bias";

/// What explains a difference.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one finding, and all of them may hold together"
)]
struct Facts<'a> {
    architecture: &'a Architecture,
    /// Whether the head is tied by the config.
    tied: bool,
    /// Whether any head is stored.
    head_stored: bool,
    /// The first layer of which every tensor is missing, if all from there on are.
    pruned_from: Option<u32>,
    /// The number of layers the config asks for.
    layers: u32,
    /// Whether so much differs that the config is of another model.
    another_model: bool,
    /// Whether tensors of an adapter are among the weights.
    adapter: bool,
    /// Whether there are only those.
    adapter_alone: bool,
    /// A weight file that is missing or could not be read.
    unread: Option<&'a Path>,
}

impl<'a> Facts<'a> {
    fn new(
        checkpoint: &'a Checkpoint,
        architecture: &'a Architecture,
        expected: &HashMap<String, Expected<'_>>,
        seen: usize,
        missing: &Entries<'_>,
        reshaped: &Entries<'_>,
    ) -> Self {
        let in_layers =
            |asked: &&Expected<'_>| asked.layer.is_some() && asked.template.role != Role::Mtp;
        let layers = architecture
            .decoder()
            .map(|layer| layer.number + 1)
            .max()
            .unwrap_or(0);
        let mut whole: Vec<u64> = vec![0; layers as usize];
        let mut gone: Vec<u64> = vec![0; layers as usize];
        for asked in expected.values().filter(in_layers) {
            if let Some(count) = asked.layer.and_then(|layer| whole.get_mut(layer as usize)) {
                *count += 1;
            }
        }
        for entry in missing
            .values()
            .filter(|entry| entry.expected.is_some_and(|t| t.role != Role::Mtp))
        {
            for &layer in &entry.layers {
                if let Some(count) = gone.get_mut(layer as usize) {
                    *count += 1;
                }
            }
        }
        let first_whole_gone = (0..whole.len())
            .find(|&from| (from..whole.len()).all(|at| whole[at] > 0 && gone[at] >= whole[at]))
            .and_then(|from| u32::try_from(from).ok());
        let reshaped_count: u64 = reshaped.values().map(|entry| entry.count).sum();
        let sound = (seen as u64).saturating_sub(reshaped_count);
        let unread = checkpoint
            .problems
            .iter()
            .find(|problem| problem.code.hides_tensors())
            .map(|problem| problem.path.as_path());
        let has_role = |role: Role| checkpoint.groups.iter().any(|group| group.role == role);
        Self {
            architecture,
            tied: !architecture
                .templates
                .iter()
                .any(|template| template.role == Role::Head),
            head_stored: has_role(Role::Head),
            pruned_from: first_whole_gone.filter(|&from| from > 0),
            layers,
            // Either most shapes differ, or most tensors are not there and it is not just that layers are missing.
            another_model: reshaped_count * 2 > seen as u64
                || (unread.is_none()
                    && sound * 2 < expected.len() as u64
                    && first_whole_gone.is_none_or(|from| from == 0)),
            adapter: has_role(Role::Adapter),
            adapter_alone: checkpoint.kind == CheckpointKind::Adapter,
            unread,
        }
    }

    fn explain(&self, kind: Kind, pattern: &str, entry: &Entry<'_>) -> (Severity, String) {
        match kind {
            Kind::Missing => self.explain_missing(pattern, entry),
            Kind::Unexpected => self.explain_unexpected(pattern, entry),
            Kind::Shape | Kind::Name | Kind::Storage => self.explain_shape(entry),
        }
    }

    fn explain_missing(&self, pattern: &str, entry: &Entry<'_>) -> (Severity, String) {
        let role = entry.expected.map(|template| template.role);
        let buffer = entry.expected.is_some_and(|template| template.buffer);
        if self.adapter_alone {
            return (
                Severity::Error,
                "these weights are an adapter alone; the model it was made for is elsewhere"
                    .to_owned(),
            );
        }
        if let Some(path) = self.unread.filter(|_| !self.another_model) {
            return (
                Severity::Error,
                format!(
                    "not every weight file is there and sound ({}); a scan says what is wrong",
                    path.display()
                ),
            );
        }
        match role {
            Some(Role::Head) if !self.head_stored => (
                Severity::Warning,
                "the head is not stored, so it is tied to the embedding, though the config says it is not".to_owned(),
            ),
            Some(Role::Mtp) => (
                Severity::Info,
                "the layers that predict further tokens were dropped; the model runs without them".to_owned(),
            ),
            Some(Role::Vision | Role::Audio | Role::Projector) if !self.another_model => (
                Severity::Warning,
                "this part is left out: a checkpoint of the text model alone, or of another part".to_owned(),
            ),
            _ if buffer => (Severity::Info, "a buffer that this file does not store".to_owned()),
            _ if self.another_model => (Severity::Error, self.wrong_config()),
            _ => match self.pruned_from {
                Some(from) if entry.layers.iter().all(|&layer| layer >= from) && !entry.layers.is_empty() => (
                    Severity::Error,
                    format!("layers from {from} on are not there, and the config has {}: layers were pruned, or shards are missing", self.layers),
                ),
                _ if self.adapter => (Severity::Error, "an adapter is stored that was not merged into these weights".to_owned()),
                _ if pattern.ends_with(BIAS) => (Severity::Error, "the config asks for biases that these weights do not have".to_owned()),
                _ => (Severity::Error, "the config asks for it; it was left out, or goes by another name".to_owned()),
            },
        }
    }

    fn explain_unexpected(&self, pattern: &str, entry: &Entry<'_>) -> (Severity, String) {
        let role = entry.found.map(|group| group.role);
        let buffer = entry
            .found
            .is_some_and(|group| is_buffer(group.form.pattern.text()));
        match role {
            _ if buffer => (
                Severity::Info,
                "a buffer that older versions stored; it holds no weights".to_owned(),
            ),
            Some(Role::Head) if self.tied && pattern.ends_with("weight") => (
                Severity::Info,
                "stored although the config ties it to the embedding; libraries ignore the copy"
                    .to_owned(),
            ),
            Some(Role::Mtp) => (
                Severity::Info,
                "layers that predict further tokens, which the config does not mention".to_owned(),
            ),
            Some(Role::Adapter) => (
                Severity::Warning,
                "an adapter that was not merged into the weights".to_owned(),
            ),
            _ if self.another_model => (Severity::Error, self.wrong_config()),
            _ if self.adapter && pattern.contains(".base_layer.") => (
                Severity::Warning,
                "the weight that an adapter changes, which was not merged into it".to_owned(),
            ),
            _ if entry.layers.iter().all(|&layer| layer >= self.layers)
                && !entry.layers.is_empty()
                && (self.layers > 0 || self.architecture.layers.is_empty()) =>
            {
                (
                    Severity::Error,
                    format!(
                        "layers from {} on are stored, and the config has fewer",
                        self.layers
                    ),
                )
            }
            Some(Role::Vision | Role::Audio | Role::Projector) => (
                Severity::Warning,
                "a part the config does not describe: this config is of the text model alone"
                    .to_owned(),
            ),
            _ if pattern.ends_with(BIAS) => (
                Severity::Error,
                "biases that the config does not ask for; libraries would drop them".to_owned(),
            ),
            _ => (
                Severity::Warning,
                "the config does not ask for it; libraries would not load it".to_owned(),
            ),
        }
    }

    fn explain_shape(&self, entry: &Entry<'_>) -> (Severity, String) {
        let (Some(template), Some(group)) = (entry.expected, entry.found) else {
            return (Severity::Error, "the shapes differ".to_owned());
        };
        if group.form.elements() != Some(group.parameters) {
            return (
                Severity::Error,
                format!(
                    "packed for {} weights where the config asks for {}",
                    group.parameters,
                    template.elements().unwrap_or(u64::MAX)
                ),
            );
        }
        let vocabulary = template.routing == Routing::Lookup || template.role == Role::Head;
        if vocabulary
            && let (Some((rows, rest)), Some((asked, others))) =
                (group.form.shape.split_first(), template.shape.split_first())
            && rest == others
            && self.architecture.vocab_size == Some(*asked)
        {
            return (
                Severity::Error,
                format!("the vocabulary was resized to {rows}, and the config still says {asked}"),
            );
        }
        if self.another_model {
            return (Severity::Error, self.wrong_config());
        }
        (
            Severity::Error,
            "the config describes another shape than these weights have".to_owned(),
        )
    }

    fn wrong_config(&self) -> String {
        format!(
            "most tensors differ: this config ({}) is of another model than these weights",
            if self.architecture.model_type.is_empty() {
                "no model type"
            } else {
                &self.architecture.model_type
            }
        )
    }
}
