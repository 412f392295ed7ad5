//! Feed-forward networks: dense ones, and experts behind a router.

use super::builder::Builder;
use super::layer::FeedForward;
use super::template::Numbers;
use crate::checkpoint::Role;

/// The names of a gated network's gate, up and down projections.
pub const GATED: [&str; 3] = ["gate_proj", "up_proj", "down_proj"];

/// Adds a gated network, two matrices in and one out, to the scope that is open.
pub fn gated(b: &mut Builder, names: [&str; 3], role: Role, hidden: u64, width: u64, bias: bool) {
    let [gate, up, down] = names;
    b.linear(gate, role, width, hidden, bias);
    b.linear(up, role, width, hidden, bias);
    b.linear(down, role, hidden, width, bias);
}

/// Adds a plain network, one matrix in and one out, to the scope that is open.
pub fn plain(b: &mut Builder, names: [&str; 2], role: Role, hidden: u64, width: u64, bias: bool) {
    let [up, down] = names;
    b.linear(up, role, width, hidden, bias);
    b.linear(down, role, hidden, width, bias);
}

/// Adds a gated network as the layer's feed-forward under `prefix`, which ends in a dot.
pub fn dense(b: &mut Builder, prefix: &str, hidden: u64, width: u64, bias: bool) {
    b.scope(prefix, |b| gated(b, GATED, Role::Mlp, hidden, width, bias));
    b.feed_forward(FeedForward::Dense { width });
}

/// How the experts of a layer are laid out in tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout<'n> {
    /// One set of gate, up and down projections per expert, `PREFIX.N.NAME.weight`.
    Each([&'n str; 3]),
    /// Two tensors for all experts, each expert's transposed: `gate_up_proj` of `[experts, hidden, 2 width]` and
    /// `down_proj` of `[experts, width, hidden]`, without `.weight`.
    FusedTransposed([&'n str; 2]),
    /// Two tensors for all experts: `[experts, 2 width, hidden]` and `[experts, hidden, width]`, named in full.
    Fused([&'n str; 2]),
}

/// Experts behind a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Experts<'n> {
    /// Width of the residual stream.
    pub hidden: u64,
    /// How many experts.
    pub experts: u64,
    /// How many of them each token visits.
    pub chosen: u64,
    /// Inner width of one.
    pub width: u64,
    /// The router, `NAME.weight` of `[experts, hidden]`.
    pub router: &'n str,
    /// Whether the router has a bias.
    pub router_bias: bool,
    /// A correction of the router's scores by this full name, `[experts]`, which the model's code keeps as a buffer.
    pub correction: Option<&'n str>,
    /// Where the experts are, without the dot before their numbers.
    pub prefix: &'n str,
    /// How they are laid out.
    pub layout: Layout<'n>,
    /// Inner width of what every token visits beside them, and its prefix with the dot.
    pub shared: Option<(u64, &'n str)>,
    /// A gate of the shared part, `NAME.weight` of `[1, hidden]`.
    pub shared_gate: Option<&'n str>,
}

impl<'n> Experts<'n> {
    /// Experts as most families have them: `gate` and `experts.N`, nothing shared.
    #[must_use]
    pub const fn new(hidden: u64, experts: u64, chosen: u64, width: u64) -> Self {
        Self {
            hidden,
            experts,
            chosen,
            width,
            router: "gate",
            router_bias: false,
            correction: None,
            prefix: "experts",
            layout: Layout::Each(GATED),
            shared: None,
            shared_gate: None,
        }
    }

    /// Adds them to the scope that is open, which ends in a dot, and tells the layer of them.
    pub fn add(&self, b: &mut Builder) {
        let Self {
            hidden,
            experts,
            chosen,
            width,
            ..
        } = *self;
        b.linear(self.router, Role::Router, experts, hidden, self.router_bias);
        if let Some(name) = self.correction {
            b.buffer(name, Role::Router, &[experts]);
        }
        b.routed(chosen, experts, |b| match self.layout {
            Layout::Each(names) => {
                // `COUNT_LIMIT` bounds their number.
                let numbers = Numbers::Below(u32::try_from(experts).unwrap_or(u32::MAX));
                b.each(self.prefix, numbers, |b| {
                    gated(b, names, Role::Expert, hidden, width, false)
                });
            }
            Layout::FusedTransposed([gate_up, down]) => {
                b.scope(&format!("{}.", self.prefix), |b| {
                    b.tensor(gate_up, Role::Expert, &[experts, hidden, 2 * width]);
                    b.tensor(down, Role::Expert, &[experts, width, hidden]);
                })
            }
            Layout::Fused([gate_up, down]) => b.scope(&format!("{}.", self.prefix), |b| {
                b.tensor(gate_up, Role::Expert, &[experts, 2 * width, hidden]);
                b.tensor(down, Role::Expert, &[experts, hidden, width]);
            }),
        });
        if let Some((width, prefix)) = self.shared {
            b.scope(prefix, |b| {
                gated(b, GATED, Role::SharedExpert, hidden, width, false)
            });
        }
        if let Some(name) = self.shared_gate {
            b.linear(name, Role::SharedExpert, 1, hidden, false);
        }
        b.feed_forward(FeedForward::Experts {
            experts,
            chosen,
            width,
            shared_width: self.shared.map_or(0, |(width, _)| width),
        });
    }
}
