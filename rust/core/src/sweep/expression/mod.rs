//! Conditions over columns: `tensor_parallel * pipeline_parallel == gpus and headroom_bytes >= 4GiB`.
//!
//! ```text
//!  or   ─ and ─ not ─ comparison: == != < <= > >= in (..) ─ sum: + - ─ product: * / % ─ -x ─ number, 'text', name, (..)
//! ```
//!
//! Numbers are whole: `4096`, `4k` (tokens), `80GiB` (bytes), `30e9`; a ratio such as `0.9` goes with
//! `gpu_memory_utilization` alone. Division rounds down. Names compare with texts alone, by `==`, `!=` and `in`. What no axis
//! varies may be named, too, and is as the request says.
//!
//! What is left open is the value `default` where it compares with a text: it differs from `'fp8'`. Where it compares with a
//! number it is missing, as are a field of a deployment that cannot be, a sum beyond 128 bits and a division by 0: every
//! comparison with what is missing is false. What is left open for all points is refused there, but for `gpus`, which is then
//! what the deployment takes.

mod parse;
mod rows;
mod token;

pub(super) use rows::{Left, Rows};

use super::Sweep;
use super::field::{Field, Fields};
use crate::deployment::FitError;
use parse::Parser;

/// Stands for what is missing; sums never reach it.
const MISSING: i128 = i128::MIN;

/// A condition over the columns of a sweep.
#[derive(Clone, Debug)]
pub struct Condition {
    text: String,
    /// Parts that must all hold, those first that need no field.
    parts: Vec<Node>,
    fields: Fields,
    of_axes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
    And,
    Or,
}

#[derive(Clone, Debug)]
enum Node {
    Number(i128),
    /// A ratio that no axis varies, in millionths.
    Ratio(i128),
    Axis(usize),
    Field(Field),
    /// Whether the axis has one of the values that are marked.
    Among(usize, Vec<bool>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Both(Operator, Box<Node>, Box<Node>),
}

impl Condition {
    /// Reads a condition over the columns of a sweep.
    ///
    /// # Errors
    /// With what is wrong, and where.
    pub fn parse(text: &str, sweep: &Sweep) -> Result<Self, FitError> {
        let node = Parser::read(text, sweep)?;
        let mut parts = Vec::new();
        parts_of(node, &mut parts);
        let uses = |node: &Node| {
            let mut fields = Vec::new();
            fields_of(node, &mut fields);
            fields
        };
        parts.sort_by_key(|part| !uses(part).is_empty());
        let fields: Vec<Field> = parts.iter().flat_map(uses).collect();
        Ok(Self {
            text: text.to_owned(),
            of_axes: parts.iter().filter(|part| uses(part).is_empty()).count(),
            fields: if fields.is_empty() {
                Fields::default()
            } else {
                Fields::of(&fields).and(Fields::of(&[Field::Reason]))
            },
            parts,
        })
    }

    /// The text it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The fields that it looks at.
    pub(super) const fn fields(&self) -> Fields {
        self.fields
    }

    /// Whether it looks at axes alone.
    pub(super) const fn is_of_axes(&self) -> bool {
        self.of_axes == self.parts.len()
    }

    /// The rows for which what it says of axes alone holds.
    pub(super) fn left_by_axes(&self, rows: &Rows<'_>) -> Left {
        self.parts[..self.of_axes]
            .iter()
            .fold(Left::All, |left, part| match left {
                Left::None => Left::None,
                left => left.and(&rows.values(part)),
            })
    }

    /// The rows of those for which the rest holds too.
    pub(super) fn left_by_fields(&self, left: Left, rows: &Rows<'_>) -> Left {
        self.parts[self.of_axes..]
            .iter()
            .fold(left, |left, part| match left {
                Left::None => Left::None,
                left => left.and(&rows.values(part)),
            })
    }
}

/// The parts of a node that must all hold.
fn parts_of(node: Node, parts: &mut Vec<Node>) {
    match node {
        Node::Both(Operator::And, left, right) => {
            parts_of(*left, parts);
            parts_of(*right, parts);
        }
        node => parts.push(node),
    }
}

fn fields_of(node: &Node, fields: &mut Vec<Field>) {
    match node {
        Node::Field(field) => fields.push(*field),
        Node::Number(_) | Node::Ratio(_) | Node::Axis(_) | Node::Among(..) => {}
        Node::Not(node) | Node::Negate(node) => fields_of(node, fields),
        Node::Both(_, left, right) => {
            fields_of(left, fields);
            fields_of(right, fields);
        }
    }
}
