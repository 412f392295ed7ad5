//! Conditions over columns: `tensor_parallel * pipeline_parallel == gpus and headroom_bytes >= 4GiB`.
//!
//! ```text
//!  or   ─ and ─ not ─ comparison: == != < <= > >= in (..) ─ sum: + - ─ product: * / % ─ -x ─ number, 'text', name, (..)
//! ```
//!
//! Numbers are whole: `4096`, `4k` (tokens), `80GiB` (bytes), `30e9`; a ratio such as `0.9` goes with
//! `gpu_memory_utilization` alone. Division rounds down. What is missing (an axis left open, a field of a deployment that
//! cannot be, a sum beyond 128 bits, a division by 0) compares with nothing: every comparison with it is false. What no
//! axis varies may be named, too, and is as the request says.

use super::axis::{Value, What};
use super::batch::Batch;
use super::field::{Field, Fields, REASONS, code};
use super::table::Column;
use super::{Sweep, refused};
use crate::deployment::{FitError, Share};
use crate::hardware::Catalogue;
use crate::{request, size};

/// Stands for what is missing; sums never reach it.
const MISSING: i128 = i128::MIN;
/// How deep parentheses and signs may be.
const DEEPEST: usize = 64;

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
    Axis(usize),
    Field(Field),
    /// Whether the axis has one of the values that are marked.
    Among(usize, Vec<bool>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Both(Operator, Box<Node>, Box<Node>),
}

/// A piece of the text, and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Number(String),
    Text(String),
    Word(String),
    Sign(&'static str),
    End,
}

const SIGNS: [&str; 16] = [
    "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "(", ")", "[", "]", ",",
];

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FitError> {
    let mut all = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let at = text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            all.push((at, Token::End));
            return Ok(all);
        };
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        if first == '"' || first == '\'' {
            let inside = &rest[1..];
            let Some(end) = inside.find(first) else {
                return Err(wrong(text, at, "a text that does not end"));
            };
            all.push((at, Token::Text(inside[..end].to_owned())));
            rest = &inside[end + 1..];
        } else if is_word(first) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let word = rest[..end].to_owned();
            all.push((
                at,
                if first.is_ascii_digit() || first == '.' {
                    Token::Number(word)
                } else {
                    Token::Word(word)
                },
            ));
            rest = &rest[end..];
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            all.push((at, Token::Sign(sign)));
            rest = &rest[sign.len()..];
        } else {
            return Err(wrong(
                text,
                at,
                &format!("{first:?}, which means nothing here"),
            ));
        }
    }
}

fn wrong(text: &str, at: usize, what: &str) -> FitError {
    let place = text.get(..at).map_or(0, |before| before.chars().count()) + 1;
    refused(format!("where: {what}, at character {place} of {text:?}"))
}

/// Reads a condition.
struct Parser<'a> {
    sweep: &'a Sweep,
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

/// What was read: something to work out, or a text or ratio that only some axes compare with.
enum Read {
    Node(Node),
    Text(String),
    Ratio(Share),
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens
            .get(self.next)
            .map_or(&Token::End, |(_, token)| token)
    }

    fn error(&self, what: &str) -> FitError {
        let at = self
            .tokens
            .get(self.next)
            .map_or(self.text.len(), |(at, _)| *at);
        wrong(self.text, at, what)
    }

    fn takes(&mut self, sign: &str) -> bool {
        let found = match self.peek() {
            Token::Sign(known) => *known == sign,
            Token::Word(word) => word == sign,
            _ => false,
        };
        if found {
            self.next += 1;
        }
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), FitError> {
        if self.takes(sign) {
            Ok(())
        } else {
            Err(self.error(&format!("{sign:?} is missing")))
        }
    }

    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, FitError>,
    ) -> Result<T, FitError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("too many parentheses within each other"));
        }
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn node(&self, read: Read) -> Result<Node, FitError> {
        match read {
            Read::Node(node) => Ok(node),
            Read::Text(text) => Err(self.error(&format!(
                "{text:?} is a text, which == and != compare with an axis of names"
            ))),
            Read::Ratio(_) => Err(self.error(
                "a number that is not whole, which compares with gpu_memory_utilization alone",
            )),
        }
    }

    fn any(&mut self) -> Result<Node, FitError> {
        let mut node = self.all()?;
        while self.takes("or") {
            node = Node::Both(Operator::Or, Box::new(node), Box::new(self.all()?));
        }
        Ok(node)
    }

    fn all(&mut self) -> Result<Node, FitError> {
        let mut node = self.not()?;
        while self.takes("and") {
            node = Node::Both(Operator::And, Box::new(node), Box::new(self.not()?));
        }
        Ok(node)
    }

    fn not(&mut self) -> Result<Node, FitError> {
        if self.takes("not") {
            return self.deeper(|parser| Ok(Node::Not(Box::new(parser.not()?))));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Node, FitError> {
        let left = self.sum()?;
        for (sign, operator) in [
            ("==", Operator::Equal),
            ("!=", Operator::Unequal),
            ("<=", Operator::AtMost),
            (">=", Operator::AtLeast),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ] {
            if self.takes(sign) {
                let right = self.sum()?;
                return self.compared(operator, left, right);
            }
        }
        let negated = self.takes("not");
        if self.takes("in") {
            let node = self.among(left)?;
            return Ok(if negated {
                Node::Not(Box::new(node))
            } else {
                node
            });
        }
        if negated {
            return Err(self.error("\"in\" is missing behind \"not\""));
        }
        self.node(left)
    }

    fn among(&mut self, left: Read) -> Result<Node, FitError> {
        let left = self.node(left)?;
        let close = if self.takes("[") {
            "]"
        } else {
            self.expect("(")?;
            ")"
        };
        let mut node: Option<Node> = None;
        while !self.takes(close) {
            let right = self.sum()?;
            let one = self.compared(Operator::Equal, Read::Node(left.clone()), right)?;
            node = Some(match node {
                None => one,
                Some(known) => Node::Both(Operator::Or, Box::new(known), Box::new(one)),
            });
            if !self.takes(",") {
                self.expect(close)?;
                break;
            }
        }
        node.ok_or_else(|| self.error("a list has at least one value"))
    }

    fn compared(&self, operator: Operator, left: Read, right: Read) -> Result<Node, FitError> {
        let turned = match operator {
            Operator::Less => Operator::Greater,
            Operator::Greater => Operator::Less,
            Operator::AtMost => Operator::AtLeast,
            Operator::AtLeast => Operator::AtMost,
            same => same,
        };
        match (left, right) {
            (Read::Text(text), Read::Node(Node::Axis(axis)))
            | (Read::Node(Node::Axis(axis)), Read::Text(text)) => {
                let marked = Node::Among(axis, self.marked(axis, &text)?);
                match operator {
                    Operator::Equal => Ok(marked),
                    Operator::Unequal => Ok(Node::Not(Box::new(marked))),
                    _ => Err(self.error("names are compared with == and != alone")),
                }
            }
            (Read::Text(text), Read::Node(Node::Field(Field::Reason)))
            | (Read::Node(Node::Field(Field::Reason)), Read::Text(text)) => match operator {
                Operator::Equal | Operator::Unequal => Ok(both(
                    operator,
                    Node::Field(Field::Reason),
                    self.reason(&text)?,
                )),
                _ => Err(self.error("names are compared with == and != alone")),
            },
            (Read::Node(axis), Read::Ratio(share)) if self.is_ratio(&axis) => {
                Ok(both(operator, axis, share.0.into()))
            }
            (Read::Ratio(share), Read::Node(axis)) if self.is_ratio(&axis) => {
                Ok(both(turned, axis, share.0.into()))
            }
            (Read::Node(axis), Read::Node(Node::Number(number))) if self.is_ratio(&axis) => {
                Ok(both(operator, axis, number.saturating_mul(1_000_000)))
            }
            (Read::Node(Node::Number(number)), Read::Node(axis)) if self.is_ratio(&axis) => {
                Ok(both(turned, axis, number.saturating_mul(1_000_000)))
            }
            (left, right) => Ok(Node::Both(
                operator,
                Box::new(self.node(left)?),
                Box::new(self.node(right)?),
            )),
        }
    }

    fn is_ratio(&self, node: &Node) -> bool {
        matches!(node, Node::Axis(axis)
            if self.sweep.axes[*axis].what == What::GpuMemoryUtilization)
    }

    /// The code of a reason; the empty text stands for none.
    fn reason(&self, text: &str) -> Result<i128, FitError> {
        if text.is_empty() {
            return Ok(0);
        }
        let found = REASONS.iter().find(|(_, name)| *name == text);
        let found = found.ok_or_else(|| {
            let known: Vec<_> = REASONS.iter().map(|(_, name)| *name).collect();
            self.error(&format!(
                "{text:?} is no reason; there are {}",
                known.join(", ")
            ))
        })?;
        Ok(code(Some(found.0)).into())
    }

    /// Which values of an axis a text names.
    fn marked(&self, axis: usize, text: &str) -> Result<Vec<bool>, FitError> {
        let axis = &self.sweep.axes[axis];
        let found = match axis.what {
            What::Gpu => Catalogue::built_in().find(text).ok(),
            _ => None,
        };
        let is = |value: &Value| {
            let shown = value.to_string();
            shown.eq_ignore_ascii_case(text)
                || shown.trim_matches('"').eq_ignore_ascii_case(text)
                || found.as_ref().is_some_and(|found| found.gpu.name == shown)
        };
        let marked: Vec<bool> = axis.values.iter().map(is).collect();
        if marked.contains(&true) {
            return Ok(marked);
        }
        let known: Vec<_> = axis.values.iter().map(Value::to_string).collect();
        Err(self.error(&format!(
            "{text:?} is no value of {}, which has {}",
            axis.what.name(),
            known.join(", ")
        )))
    }

    fn sum(&mut self) -> Result<Read, FitError> {
        self.chain(
            &[("+", Operator::Add), ("-", Operator::Subtract)],
            Self::product,
        )
    }

    fn product(&mut self) -> Result<Read, FitError> {
        self.chain(
            &[
                ("*", Operator::Multiply),
                ("/", Operator::Divide),
                ("%", Operator::Remainder),
            ],
            Self::signed,
        )
    }

    fn chain(
        &mut self,
        signs: &[(&str, Operator)],
        next: fn(&mut Self) -> Result<Read, FitError>,
    ) -> Result<Read, FitError> {
        let mut left = next(self)?;
        while let Some((_, operator)) = signs.iter().find(|(sign, _)| self.takes(sign)) {
            let first = self.node(left)?;
            let read = next(self)?;
            let second = self.node(read)?;
            left = Read::Node(Node::Both(*operator, Box::new(first), Box::new(second)));
        }
        Ok(left)
    }

    fn signed(&mut self) -> Result<Read, FitError> {
        if self.takes("-") {
            return self.deeper(|parser| {
                let read = parser.signed()?;
                Ok(Read::Node(Node::Negate(Box::new(parser.node(read)?))))
            });
        }
        self.one()
    }

    fn one(&mut self) -> Result<Read, FitError> {
        if self.takes("(") {
            return self.deeper(|parser| {
                let node = parser.any()?;
                parser.expect(")")?;
                Ok(Read::Node(node))
            });
        }
        let read = match self.peek().clone() {
            Token::Number(text) => self.number(&text)?,
            Token::Text(text) => Read::Text(text),
            Token::Word(word) => match word.as_str() {
                "true" => Read::Node(Node::Number(1)),
                "false" => Read::Node(Node::Number(0)),
                name => match self.sweep.column(name) {
                    Ok(Column::Axis(axis)) => Read::Node(Node::Axis(axis)),
                    Ok(Column::Field(field)) => Read::Node(Node::Field(field)),
                    Ok(Column::Point) => {
                        return Err(self.error("points are numbers of rows; compare their axes"));
                    }
                    Err(error) => match self.sweep.said(name) {
                        Some(number) => {
                            Read::Node(Node::Number(number.map_or(MISSING, i128::from)))
                        }
                        None => return Err(self.error(&error.message)),
                    },
                },
            },
            Token::Sign(sign) => return Err(self.error(&format!("{sign:?} where a value begins"))),
            Token::End => return Err(self.error("a value is missing")),
        };
        self.next += 1;
        Ok(read)
    }

    fn number(&self, text: &str) -> Result<Read, FitError> {
        let whole = size::parse_count(text).or_else(|_| size::parse_bytes(text));
        if let Ok(number) = whole {
            return Ok(Read::Node(Node::Number(number.into())));
        }
        let ratio = text.parse().ok().filter(|ratio: &f64| *ratio < 1.0);
        match ratio.and_then(|ratio| request::share("where", ratio).ok()) {
            Some(share) => Ok(Read::Ratio(share)),
            None => Err(self.error(&format!(
                "{text:?} is no number; write 4096, 4k, 80GiB or 30e9"
            ))),
        }
    }
}

fn both(operator: Operator, left: Node, right: i128) -> Node {
    Node::Both(operator, Box::new(left), Box::new(Node::Number(right)))
}

/// A run of rows that a condition is tried on.
pub(super) struct Rows<'a> {
    /// The sweep.
    pub sweep: &'a Sweep,
    /// The digit that moves.
    pub inner: usize,
    /// The digits of the first row.
    pub at: &'a [u64],
    /// How many rows.
    pub count: usize,
    /// What comes of them; nothing if that is not worked out yet.
    pub batch: Option<&'a Batch>,
}

/// The values of a node: the same for all rows, or one for each.
#[derive(Clone, Debug)]
pub(super) enum Values {
    /// The same.
    One(i128),
    /// One for each.
    Each(Vec<i128>),
}

impl Values {
    fn at(&self, row: usize) -> i128 {
        match self {
            Self::One(value) => *value,
            Self::Each(values) => values.get(row).copied().unwrap_or(MISSING),
        }
    }

    /// The number of a row, if it is not missing.
    pub fn number(&self, row: usize) -> Option<i128> {
        Some(self.at(row)).filter(|&value| value != MISSING)
    }

    fn map(self, of: impl Fn(i128) -> i128) -> Self {
        match self {
            Self::One(value) => Self::One(of(value)),
            Self::Each(mut values) => {
                for value in &mut values {
                    *value = of(*value);
                }
                Self::Each(values)
            }
        }
    }
}

fn apply(operator: Operator, left: i128, right: i128) -> i128 {
    let truth = i128::from;
    match operator {
        Operator::And => return truth(holds(left) && holds(right)),
        Operator::Or => return truth(holds(left) || holds(right)),
        _ => {}
    }
    if left == MISSING || right == MISSING {
        let compares = !matches!(
            operator,
            Operator::Add
                | Operator::Subtract
                | Operator::Multiply
                | Operator::Divide
                | Operator::Remainder
        );
        return if compares { 0 } else { MISSING };
    }
    match operator {
        Operator::Add => left.checked_add(right).unwrap_or(MISSING),
        Operator::Subtract => left.checked_sub(right).unwrap_or(MISSING),
        Operator::Multiply => left.checked_mul(right).unwrap_or(MISSING),
        Operator::Divide => floor(left, right),
        Operator::Remainder => floor(left, right)
            .checked_mul(right)
            .and_then(|whole| left.checked_sub(whole))
            .filter(|_| right != 0)
            .unwrap_or(MISSING),
        Operator::Equal => truth(left == right),
        Operator::Unequal => truth(left != right),
        Operator::Less => truth(left < right),
        Operator::AtMost => truth(left <= right),
        Operator::Greater => truth(left > right),
        Operator::AtLeast => truth(left >= right),
        Operator::And | Operator::Or => 0,
    }
}

/// A quotient rounded down.
fn floor(left: i128, right: i128) -> i128 {
    let Some(quotient) = left.checked_div(right) else {
        return MISSING;
    };
    let is_short = left % right != 0 && (left < 0) != (right < 0);
    quotient - i128::from(is_short)
}

/// Whether a value is true.
const fn holds(value: i128) -> bool {
    value != 0 && value != MISSING
}

impl Rows<'_> {
    fn axis(&self, axis: usize, of: impl Fn(usize) -> i128) -> Values {
        let digit = self.sweep.digit[axis];
        let first = usize::try_from(self.at[digit]).unwrap_or(usize::MAX);
        if digit == self.inner {
            Values::Each((first..first + self.count).map(of).collect())
        } else {
            Values::One(of(first))
        }
    }

    /// The values of a column: missing where there are none.
    pub fn column(&self, column: Column) -> Values {
        match column {
            Column::Axis(axis) => {
                let numbers = &self.sweep.numbers[axis];
                self.axis(axis, |place| {
                    numbers
                        .get(place)
                        .copied()
                        .flatten()
                        .map_or(MISSING, i128::from)
                })
            }
            Column::Point => Values::One(MISSING),
            Column::Field(field) => {
                let Some(batch) = self.batch else {
                    return Values::One(MISSING);
                };
                let reasons = batch.column(Field::Reason);
                let known = matches!(field, Field::Reason | Field::Fits);
                let value = |(value, reason): (&u64, &u64)| {
                    if *reason != 0 && !known {
                        MISSING
                    } else if field == Field::Headroom {
                        i128::from(value.cast_signed())
                    } else {
                        i128::from(*value)
                    }
                };
                Values::Each(batch.column(field).iter().zip(reasons).map(value).collect())
            }
        }
    }

    fn values(&self, node: &Node) -> Values {
        match node {
            Node::Number(number) => Values::One(*number),
            Node::Axis(axis) => self.column(Column::Axis(*axis)),
            Node::Field(field) => self.column(Column::Field(*field)),
            Node::Among(axis, marked) => self.axis(*axis, |place| {
                i128::from(marked.get(place).copied().unwrap_or(false))
            }),
            Node::Not(node) => self.values(node).map(|value| i128::from(!holds(value))),
            Node::Negate(node) => self
                .values(node)
                .map(|value| value.checked_neg().unwrap_or(MISSING)),
            Node::Both(operator, left, right) => {
                let (left, right) = (self.values(left), self.values(right));
                if let (Values::One(left), Values::One(right)) = (&left, &right) {
                    return Values::One(apply(*operator, *left, *right));
                }
                let rows = 0..self.count;
                Values::Each(
                    rows.map(|row| apply(*operator, left.at(row), right.at(row)))
                        .collect(),
                )
            }
        }
    }
}

/// Which rows of a run are left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// All.
    All,
    /// None.
    None,
    /// Those marked.
    Some(Vec<bool>),
}

impl Left {
    /// Whether a row is.
    pub fn has(&self, row: usize) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Some(marked) => marked.get(row).copied().unwrap_or(false),
        }
    }

    fn and(self, values: &Values) -> Self {
        match (self, values) {
            (Self::None, _) => Self::None,
            (left, Values::One(value)) => {
                if holds(*value) {
                    left
                } else {
                    Self::None
                }
            }
            (Self::All, Values::Each(values)) => {
                Self::Some(values.iter().map(|value| holds(*value)).collect())
            }
            (Self::Some(mut marked), Values::Each(values)) => {
                for (marked, value) in marked.iter_mut().zip(values) {
                    *marked &= holds(*value);
                }
                Self::Some(marked)
            }
        }
    }
}

impl Condition {
    /// Reads a condition over the columns of a sweep.
    ///
    /// # Errors
    /// With what is wrong, and where.
    pub fn parse(text: &str, sweep: &Sweep) -> Result<Self, FitError> {
        let mut parser = Parser {
            sweep,
            text,
            tokens: tokens(text)?,
            next: 0,
            depth: 0,
        };
        let node = parser.any()?;
        if *parser.peek() != Token::End {
            return Err(parser.error("something that does not go on from what is before"));
        }
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
        Node::Number(_) | Node::Axis(_) | Node::Among(..) => {}
        Node::Not(node) | Node::Negate(node) => fields_of(node, fields),
        Node::Both(_, left, right) => {
            fields_of(left, fields);
            fields_of(right, fields);
        }
    }
}
