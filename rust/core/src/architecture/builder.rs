//! Writing down a model: what a family calls, name by name, while it walks through its blocks.

use super::config::{ConfigError, Result};
use super::layer::{FeedForward, Layer, Mixer, Stack};
use super::shared::Shared;
use super::template::{Numbers, Routing, Template};
use crate::checkpoint::Role;
use std::sync::Arc;

/// Collects templates and layers.
///
/// Names are relative to the scopes that are open. Shapes are not checked here but once at the end, so that
/// families read as lists.
#[derive(Debug, Default)]
pub struct Builder {
    prefix: String,
    numbers: Vec<Numbers>,
    in_layer: bool,
    stack: Option<Stack>,
    routing: Routing,
    /// If set, every tensor has this role whatever its own would be.
    role: Option<Role>,
    templates: Vec<Template>,
    layers: Vec<Layer>,
    /// What the block at hand has told of itself.
    mixers: Vec<Mixer>,
    feed_forward: Vec<FeedForward>,
}

impl Builder {
    /// Adds a tensor.
    pub fn tensor(&mut self, name: &str, role: Role, shape: &[u64]) {
        let mut pattern = String::with_capacity(self.prefix.len() + name.len());
        pattern.push_str(&self.prefix);
        pattern.push_str(name);
        debug_assert_eq!(
            pattern.matches('*').count(),
            self.numbers.len(),
            "{pattern}"
        );
        self.templates.push(Template {
            pattern,
            numbers: self.numbers.clone(),
            role: self.role.unwrap_or(role),
            shape: shape.to_vec(),
            routing: self.routing,
            in_layer: self.in_layer,
            part: self.stack,
            buffer: false,
        });
    }

    /// Adds a tensor that the model's code registers as a buffer and saves.
    pub fn buffer(&mut self, name: &str, role: Role, shape: &[u64]) {
        self.tensor(name, role, shape);
        if let Some(last) = self.templates.last_mut() {
            last.buffer = true;
        }
    }

    /// Adds `name.weight` of `[outputs, inputs]` and, with a bias, `name.bias` of `[outputs]`.
    pub fn linear(&mut self, name: &str, role: Role, outputs: u64, inputs: u64, bias: bool) {
        self.weight_and_bias(name, role, &[outputs, inputs], outputs, bias);
    }

    /// Adds `name.weight` of this shape and, with a bias, `name.bias` of `[outputs]`.
    pub fn weight_and_bias(
        &mut self,
        name: &str,
        role: Role,
        shape: &[u64],
        outputs: u64,
        bias: bool,
    ) {
        self.tensor(&format!("{name}.weight"), role, shape);
        if bias {
            self.tensor(&format!("{name}.bias"), role, &[outputs]);
        }
    }

    /// Adds a norm: `name.weight` and, with a bias, `name.bias`, both of `[size]`.
    pub fn norm(&mut self, name: &str, size: u64, bias: bool) {
        self.weight_and_bias(name, Role::Norm, &[size], size, bias);
    }

    /// Adds a table of which each token looks up one row: `name.weight` of `[rows, columns]`.
    pub fn embedding(&mut self, name: &str, role: Role, rows: u64, columns: u64) {
        self.looked_up(|b| b.tensor(&format!("{name}.weight"), role, &[rows, columns]));
    }

    /// Everything added inside is tables of which each token looks up one row, as [`Self::embedding`] adds one.
    pub fn looked_up<T>(&mut self, inside: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.routing, Routing::Lookup);
        let result = inside(self);
        self.routing = outer;
        result
    }

    /// Everything added inside has `prefix` in front of its name. A dot between them must be part of the prefix.
    pub fn scope<T>(&mut self, prefix: &str, inside: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.prefix.len();
        self.prefix.push_str(prefix);
        let result = inside(self);
        self.prefix.truncate(length);
        result
    }

    /// Everything added inside exists once for each number, as `PREFIX.N.`, where the prefix comes without its dot.
    pub fn each<T>(
        &mut self,
        prefix: &str,
        numbers: Numbers,
        inside: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.numbers.push(numbers);
        let separator = if prefix.is_empty() { "*." } else { ".*." };
        let result = self.scope(&format!("{prefix}{separator}"), inside);
        self.numbers.pop();
        result
    }

    /// Adds a tensor for each number, as `NAME.N`: parameters in a list.
    pub fn numbered(&mut self, name: &str, numbers: Numbers, role: Role, shape: &[u64]) {
        self.numbers.push(numbers);
        self.tensor(&format!("{name}.*"), role, shape);
        self.numbers.pop();
    }

    /// Everything added inside belongs to experts of which a router chooses so many of so many.
    pub fn routed<T>(&mut self, chosen: u64, of: u64, inside: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.routing, Routing::Routed { chosen, of });
        let result = inside(self);
        self.routing = outer;
        result
    }

    /// Everything added inside has this role, whatever it would have elsewhere: the inside of a vision tower.
    pub fn all_as<T>(&mut self, role: Role, inside: impl FnOnce(&mut Self) -> T) -> T {
        // The outermost decides: the attention of a vision tower in a prediction layer is of that layer.
        let outer = self.role;
        self.role = outer.or(Some(role));
        let result = inside(self);
        self.role = outer;
        result
    }

    /// Adds the layers with these numbers, which are alike, as `PREFIX.N.`.
    pub fn layers<T>(
        &mut self,
        stack: Stack,
        prefix: &str,
        numbers: &Numbers,
        inside: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let mixers = std::mem::take(&mut self.mixers);
        let feed_forward = std::mem::take(&mut self.feed_forward);
        // Only outermost numbers are a layer's.
        let in_layer = std::mem::replace(&mut self.in_layer, self.numbers.is_empty());
        // Layers within layers (a projector's inside a tower's) belong to the outer ones.
        let outer = self.stack;
        self.stack = outer.or(Some(stack));
        let result = self.each(prefix, numbers.clone(), inside);
        self.in_layer = in_layer;
        self.stack = outer;
        let mixers = Shared::from(std::mem::replace(&mut self.mixers, mixers));
        let feed_forward = Shared::from(std::mem::replace(&mut self.feed_forward, feed_forward));
        self.layers.extend(numbers.iter().map(|number| Layer {
            stack,
            number,
            mixers: mixers.clone(),
            feed_forward: feed_forward.clone(),
        }));
        result
    }

    /// Says how the layers at hand move information between tokens.
    pub fn mixer(&mut self, mixer: Mixer) {
        self.mixers.push(mixer);
    }

    /// Says what the layers at hand do to each token.
    pub fn feed_forward(&mut self, feed_forward: FeedForward) {
        self.feed_forward.push(feed_forward);
    }

    /// The templates in the order they were added, and the layers by stack and number.
    ///
    /// # Errors
    /// If a tensor, or all of them together, have more elements than 64 bits count.
    pub fn finish(mut self) -> Result<(Vec<Template>, Vec<Layer>)> {
        self.templates
            .retain(|template| template.count() != Some(0));
        let mut sum = 0_u64;
        for template in &self.templates {
            sum = template
                .total()
                .and_then(|total| sum.checked_add(total))
                .ok_or_else(|| {
                    ConfigError::new(
                        "",
                        format!(
                            "{} has too many elements to count: shape {:?}",
                            template.pattern, template.shape
                        ),
                    )
                })?;
        }
        for feed_forward in self.layers.iter().flat_map(|layer| &layer.feed_forward) {
            if let FeedForward::Experts {
                experts, chosen, ..
            } = feed_forward
                && chosen > experts
            {
                return Err(ConfigError::new(
                    "num_experts_per_tok",
                    format!("a token cannot visit {chosen} experts of {experts}"),
                ));
            }
        }
        self.layers.sort_by_key(|layer| (layer.stack, layer.number));
        Ok((self.templates, self.layers))
    }
}

/// Groups the numbers of equal items: which layers have which plan, in order of first appearance.
pub fn group<P: PartialEq>(plans: impl IntoIterator<Item = P>) -> Vec<(P, Numbers)> {
    let mut groups: Vec<(P, Vec<u32>)> = Vec::new();
    for (number, plan) in (0_u32..).zip(plans) {
        match groups.iter_mut().find(|(known, _)| *known == plan) {
            Some((_, numbers)) => numbers.push(number),
            None => groups.push((plan, vec![number])),
        }
    }
    groups
        .into_iter()
        .map(|(plan, numbers)| (plan, Numbers::Listed(Arc::from(numbers))))
        .collect()
}
