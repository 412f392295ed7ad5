//! The decisions that need sibling names: towers told by their first convolution, mixers told by
//! one tell-tale matrix, the scale constants of adapters, and whole pipeline components.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::Role;
use super::glob::{Index, Segments, wildcard};
use super::rules::{COMPONENTS, CONTEXTS};

/// One bit for each glob of a context, in the order of its `when`, then its `unless`.
type Seen = u32;

/// Deeper prefixes hold no tower in a published model; the bound keeps a hostile file cheap.
const MAX_PREFIX_SEGMENTS: usize = 8;
const MAX_SCOPE_SEGMENTS: usize = MAX_PREFIX_SEGMENTS + 4;

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    Index::new(CONTEXTS.iter().enumerate().flat_map(|(context, rule)| {
        let globs = rule
            .when
            .split_ascii_whitespace()
            .chain(rule.unless.split_ascii_whitespace());
        globs
            .enumerate()
            .map(move |(bit, glob)| (context * Seen::BITS as usize + bit, glob))
    }))
});

/// Which parts of each context were seen, for every prefix that one of its globs followed.
#[derive(Default)]
pub(super) struct Evidence<'a> {
    seen: HashMap<(usize, &'a str), Seen>,
}

impl<'a> Evidence<'a> {
    pub(super) fn collect(&mut self, pattern: &'a str, name: &Segments) {
        INDEX.scan(
            name,
            |_| true,
            |owner, start| {
                if start <= MAX_PREFIX_SEGMENTS {
                    let (context, bit) = (owner / Seen::BITS as usize, owner % Seen::BITS as usize);
                    let prefix = &pattern[..name.offset(start).saturating_sub(1)];
                    *self.seen.entry((context, prefix)).or_default() |= 1 << bit;
                }
            },
        );
    }

    /// Gives every pattern the role of the scopes around it, from the outermost inwards.
    pub(super) fn refine(&self, patterns: &[&str], roles: &mut [Role]) {
        let scopes = self.scopes();
        if !scopes.is_empty() {
            for (role, pattern) in roles.iter_mut().zip(patterns) {
                refine_one(&scopes, pattern, role);
            }
        }
    }

    /// The name prefixes whose tensors a context claims, each with the first context that does.
    fn scopes(&self) -> HashMap<String, usize> {
        let mut scopes = HashMap::<String, usize>::new();
        for (&(context, prefix), seen) in &self.seen {
            let rule = &CONTEXTS[context];
            let wanted = (1 << rule.when.split_ascii_whitespace().count()) - 1;
            if *seen != wanted {
                continue;
            }
            let everything = rule.claims.is_empty().then(|| prefix.to_owned());
            let parts = rule
                .claims
                .split_ascii_whitespace()
                .map(|part| match prefix {
                    "" => part.to_owned(),
                    _ => format!("{prefix}.{part}"),
                });
            for scope in everything.into_iter().chain(parts) {
                let first = scopes.entry(scope).or_insert(context);
                *first = context.min(*first);
            }
        }
        scopes
    }
}

fn refine_one(scopes: &HashMap<String, usize>, pattern: &str, role: &mut Role) {
    let dots = pattern.match_indices('.').map(|(at, _)| at);
    let ends = [0].into_iter().chain(dots.take(MAX_SCOPE_SEGMENTS));
    for end in ends.chain([pattern.len()]) {
        let Some(context) = scopes.get(&pattern[..end]) else {
            continue;
        };
        let new = CONTEXTS[*context].role;
        // A scope without a name is the whole checkpoint, whose head is still a head.
        let head = end == 0 && *role == Role::Head && new != Role::Mtp;
        if !head && yields(*role, new) {
            *role = new;
        }
    }
}

/// Whether a role from the rule table gives way to the role of the tower or mixer around it.
fn yields(role: Role, to: Role) -> bool {
    match to {
        Role::Attention | Role::State => matches!(
            role,
            Role::Attention | Role::State | Role::Mlp | Role::Other
        ),
        Role::Mtp => role != Role::Adapter,
        // A codec of sound is stored as `vae` too.
        Role::Vision if role == Role::Audio => false,
        _ => !matches!(role, Role::Adapter | Role::Mtp | Role::Projector),
    }
}

/// Gives the scale constant `alpha` of a low-rank adapter the role of its neighbours, from which
/// the learned `alpha` of an activation function differs by having none.
pub(super) fn adopt_alphas(patterns: &[&str], roles: &mut [Role]) {
    let modules: HashSet<&str> = patterns
        .iter()
        .zip(roles.iter())
        .filter(|(_, role)| **role == Role::Adapter)
        .flat_map(|(pattern, _)| {
            pattern
                .rmatch_indices('.')
                .take(3)
                .map(|(at, _)| &pattern[..at])
        })
        .collect();
    if modules.is_empty() {
        return;
    }
    for (pattern, role) in patterns.iter().zip(roles) {
        if pattern
            .strip_suffix(".alpha")
            .is_some_and(|module| modules.contains(module))
        {
            *role = Role::Adapter;
        }
    }
}

/// Gives a whole pipeline component the role that its folder name tells, if it tells one.
pub(super) fn apply_component(component: &str, roles: &mut [Role]) {
    let folder = component.rsplit('/').next().unwrap_or_default();
    let folder = folder.to_ascii_lowercase();
    let names = |globs: &str| {
        globs
            .split_ascii_whitespace()
            .any(|glob| wildcard(glob, &folder))
    };
    if let Some((whole, _)) = COMPONENTS.iter().find(|(_, globs)| names(globs)) {
        for role in roles.iter_mut().filter(|role| yields(**role, *whole)) {
            *role = *whole;
        }
    }
}
