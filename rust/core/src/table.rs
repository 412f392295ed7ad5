//! Tables of columns: what a query over many things returns.
//!
//! Plain data, without a dependency on any array library; the bindings hand the columns on as NumPy arrays and as
//! an Arrow stream.

use serde::{Deserialize, Serialize};

/// A table. All columns have the same length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Restored")]
pub struct Table {
    rows: usize,
    columns: Vec<(String, Column)>,
}

/// A table as it comes out of bytes that anyone may have written: its indices are checked before they are used.
#[derive(Deserialize)]
struct Restored {
    rows: usize,
    columns: Vec<(String, Column)>,
}

impl TryFrom<Restored> for Table {
    type Error = &'static str;

    fn try_from(Restored { rows, columns }: Restored) -> Result<Self, Self::Error> {
        let sound = columns
            .iter()
            .all(|(_, column)| column.len() == rows && column.is_sound());
        if sound {
            Ok(Self { rows, columns })
        } else {
            Err("the columns of the table do not fit together")
        }
    }
}

/// The values of one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Column {
    /// Whole numbers from 0 to 2^64 - 1.
    Unsigned(Vec<u64>),
    /// Whole numbers from -2^63 to 2^63 - 1.
    Signed(Vec<i64>),
    /// Yes or no.
    Flags(Vec<bool>),
    /// Whole numbers, some of them missing.
    Optional(Vec<Option<u32>>),
    /// Texts that mostly differ.
    Text(Texts),
    /// Texts of which there are few: a code per row, and the text for each code.
    Category {
        /// Index into `values`, row by row.
        codes: Vec<u32>,
        /// The texts.
        values: Vec<String>,
    },
    /// Lists of whole numbers: all items in one row after another, and where each row ends.
    Lists {
        /// The items.
        items: Vec<u64>,
        /// Where each row ends in `items`.
        ends: Vec<usize>,
    },
}

/// Many texts in one piece of memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Texts {
    /// One text after another.
    pub joined: String,
    /// Where each ends in `joined`.
    pub ends: Vec<usize>,
}

impl Texts {
    /// Ends the text that was appended to `joined` last.
    pub fn end_row(&mut self) {
        self.ends.push(self.joined.len());
    }

    /// The texts.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        let mut from = 0;
        self.ends.iter().map(move |&end| {
            let text = &self.joined[from..end];
            from = end;
            text
        })
    }
}

impl Column {
    /// How many rows it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Unsigned(values) => values.len(),
            Self::Signed(values) => values.len(),
            Self::Flags(values) => values.len(),
            Self::Optional(values) => values.len(),
            Self::Text(texts) => texts.ends.len(),
            Self::Category { codes, .. } => codes.len(),
            Self::Lists { ends, .. } => ends.len(),
        }
    }

    /// Whether every index in it points at something.
    fn is_sound(&self) -> bool {
        let ends_at = |ends: &[usize], length: usize| {
            ends.is_sorted() && ends.last().copied().unwrap_or(0) == length
        };
        match self {
            Self::Unsigned(_) | Self::Signed(_) | Self::Flags(_) | Self::Optional(_) => true,
            Self::Text(texts) => {
                ends_at(&texts.ends, texts.joined.len())
                    && texts
                        .ends
                        .iter()
                        .all(|&end| texts.joined.is_char_boundary(end))
            }
            Self::Category { codes, values } => {
                codes.iter().all(|&code| (code as usize) < values.len())
            }
            Self::Lists { items, ends } => ends_at(ends, items.len()),
        }
    }

    /// Whether it has no rows.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Table {
    /// A table of these columns, which must all have the given number of rows.
    ///
    /// # Panics
    /// If a column has another length: that is a mistake in this crate, never in its input.
    #[must_use]
    pub fn new(rows: usize, columns: Vec<(&str, Column)>) -> Self {
        for (name, column) in &columns {
            assert_eq!(column.len(), rows, "column {name}");
        }
        Self {
            rows,
            columns: columns
                .into_iter()
                .map(|(name, column)| (name.to_owned(), column))
                .collect(),
        }
    }

    /// How many rows there are.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// The columns with their names, in order.
    #[must_use]
    pub fn columns(&self) -> &[(String, Column)] {
        &self.columns
    }

    /// The column of this name, to be changed.
    pub fn column_mut(&mut self, name: &str) -> Option<&mut Column> {
        let found = self.columns.iter_mut().find(|(column, _)| column == name);
        found.map(|(_, values)| values)
    }

    /// The column of this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|(column, _)| column == name)
            .map(|(_, values)| values)
    }
}
