//! Reading a condition.

use super::token::{Token, tokens, wrong};
use super::{Node, Operator};
use crate::deployment::{FitError, Share};
use crate::hardware::Catalogue;
use crate::sweep::axis::{Value, What, left_open, no_order};
use crate::sweep::field::{Field, REASONS, code};
use crate::sweep::table::Column;
use crate::sweep::{Sweep, refused};
use crate::{request, size};

/// How deep parentheses and signs may be.
const DEEPEST: usize = 64;
/// Words, numbers and signs of a condition at the most: each sum and each `or` is within the one behind it.
const LONGEST: usize = 2000;

/// Reads a condition.
pub(super) struct Parser<'a> {
    sweep: &'a Sweep,
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

/// What was read: something to work out, or a text or ratio that only some axes compare with.
#[derive(Clone)]
enum Read {
    Node(Node),
    Text(String),
    Ratio(Share),
    /// What the request names, or leaves open.
    Name(What, Value),
}

impl<'a> Parser<'a> {
    /// What a whole text says.
    ///
    /// # Errors
    /// With what is wrong, and where.
    pub fn read(text: &'a str, sweep: &'a Sweep) -> Result<Node, FitError> {
        let tokens = tokens(text)?;
        if tokens.len() > LONGEST {
            return Err(refused(format!(
                "where: the condition has {} words, numbers and signs, and at most {LONGEST} can be; name fewer values",
                tokens.len()
            )));
        }
        let mut parser = Self {
            sweep,
            text,
            tokens,
            next: 0,
            depth: 0,
        };
        let node = parser.any()?;
        if *parser.peek() == Token::End {
            Ok(node)
        } else {
            Err(parser.error("something that does not go on from what is before"))
        }
    }
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
            Read::Node(Node::Axis(axis)) => {
                let varied = &self.sweep.axes[axis];
                if varied.what == What::Gpus && varied.is_open() {
                    return Ok(Node::Field(Field::Gpus));
                }
                match varied.why_no_numbers() {
                    None => Ok(Node::Axis(axis)),
                    Some(why) => Err(self.error(&why)),
                }
            }
            Read::Node(node) => Ok(node),
            // As many as the deployment takes.
            Read::Name(What::Gpus, Value::Open) => Ok(Node::Field(Field::Gpus)),
            Read::Name(what, Value::Open) => Err(self.error(&left_open(&what))),
            Read::Name(what, _) => Err(self.error(&no_order(&what))),
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
            let node = self.among(&left)?;
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

    fn among(&mut self, left: &Read) -> Result<Node, FitError> {
        let close = if self.takes("[") {
            "]"
        } else {
            self.expect("(")?;
            ")"
        };
        let mut node: Option<Node> = None;
        while !self.takes(close) {
            let right = self.sum()?;
            let one = self.compared(Operator::Equal, left.clone(), right)?;
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
        match (left, right) {
            (Read::Text(text), Read::Node(Node::Axis(axis)))
            | (Read::Node(Node::Axis(axis)), Read::Text(text)) => {
                let varied = &self.sweep.axes[axis];
                let marked = Node::Among(axis, self.marks(&varied.what, &varied.values, &text)?);
                match operator {
                    Operator::Equal => Ok(marked),
                    Operator::Unequal => Ok(Node::Not(Box::new(marked))),
                    _ => Err(self.error("names are compared with == and != alone")),
                }
            }
            (Read::Text(text), Read::Name(what, value))
            | (Read::Name(what, value), Read::Text(text)) => {
                self.marks(&what, std::slice::from_ref(&value), &text)?;
                match operator {
                    Operator::Equal => Ok(Node::Number(1)),
                    Operator::Unequal => Ok(Node::Number(0)),
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
            (left, right) => self.compared_numbers(operator, left, right),
        }
    }

    fn compared_numbers(
        &self,
        operator: Operator,
        left: Read,
        right: Read,
    ) -> Result<Node, FitError> {
        let turned = match operator {
            Operator::Less => Operator::Greater,
            Operator::Greater => Operator::Less,
            Operator::AtMost => Operator::AtLeast,
            Operator::AtLeast => Operator::AtMost,
            same => same,
        };
        let checked = |read: Read| match read {
            Read::Node(_) | Read::Name(..) => self.node(read).map(Read::Node),
            Read::Text(_) | Read::Ratio(_) => Ok(read),
        };
        match (checked(left)?, checked(right)?) {
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
        match node {
            Node::Ratio(_) => true,
            Node::Axis(axis) => self.sweep.axes[*axis].what == What::GpuMemoryUtilization,
            _ => false,
        }
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

    /// Which of some values a text names.
    fn marks(&self, what: &What, values: &[Value], text: &str) -> Result<Vec<bool>, FitError> {
        let found = match what {
            What::Gpu => Catalogue::built_in().find(text).ok(),
            _ => None,
        };
        let is = |value: &Value| {
            let shown = value.to_string();
            shown.eq_ignore_ascii_case(text)
                || shown.trim_matches('"').eq_ignore_ascii_case(text)
                || found.as_ref().is_some_and(|found| found.gpu.name == shown)
        };
        let marked: Vec<bool> = values.iter().map(is).collect();
        if marked.contains(&true) {
            return Ok(marked);
        }
        let known: Vec<_> = values.iter().map(Value::to_string).collect();
        Err(self.error(&format!(
            "{text:?} is no value of {}, which has {}",
            what.name(),
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
                    Err(error) => self.said(name).ok_or_else(|| self.error(&error.message))?,
                },
            },
            Token::Sign(sign) => return Err(self.error(&format!("{sign:?} where a value begins"))),
            Token::End => return Err(self.error("a value is missing")),
        };
        self.next += 1;
        Ok(read)
    }

    /// What no axis varies, as the request says.
    fn said(&self, name: &str) -> Option<Read> {
        let Some(number) = self.sweep.said(name) else {
            let (what, value) = self.sweep.said_name(name)?;
            return Some(Read::Name(what, value));
        };
        Some(match (What::named(name)?, number) {
            (what, None) => Read::Name(what, Value::Open),
            (What::GpuMemoryUtilization, Some(number)) => Read::Node(Node::Ratio(number.into())),
            (_, Some(number)) => Read::Node(Node::Number(number.into())),
        })
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
