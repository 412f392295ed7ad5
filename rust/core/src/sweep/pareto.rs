//! Points that no other one is better than, in columns of which less or more is better.

use super::answer::Ranked;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// New points are looked through when there are so many of them, or as many as there are on the front.
const LEAST: usize = 1 << 12;
/// Points of the front that new ones are held against at once.
const GUARDS: usize = 4;

/// A front while points are entered.
#[derive(Debug, Default)]
pub(super) struct Front {
    /// How many columns are minimised; the rest are maximised.
    minimised: usize,
    /// Points of which the first are on the front and the others are new.
    points: Vec<Ranked>,
    /// How many are on the front.
    known: usize,
    /// Points that covered others lately.
    guards: Vec<Vec<i128>>,
}

impl Front {
    /// An empty front of so many columns that are minimised, and any number that are maximised.
    pub fn of(minimised: usize) -> Self {
        Self {
            minimised,
            ..Self::default()
        }
    }

    /// Enters a point. Points are entered in any order.
    pub fn enter(&mut self, values: &[i128], point: u64) {
        let covers =
            |guard: &Vec<i128>| guard[..] != *values && is_as_good(guard, values, self.minimised);
        if let Some(place) = self.guards.iter().position(covers) {
            self.guards[..=place].rotate_right(1);
            return;
        }
        self.points.push(Ranked {
            values: values.to_vec(),
            point,
        });
        if self.guards.len() < GUARDS {
            self.guards.insert(0, values.to_vec());
        } else if let Some(last) = self.guards.last_mut() {
            last.clear();
            last.extend_from_slice(values);
            self.guards.rotate_right(1);
        }
        if self.points.len() - self.known > LEAST.max(self.known) {
            reduce(&mut self.points, self.minimised);
            self.known = self.points.len();
        }
    }

    /// The front, by the number of the point.
    pub fn finish(mut self) -> Vec<Ranked> {
        reduce(&mut self.points, self.minimised);
        self.points.sort_unstable_by_key(|ranked| ranked.point);
        self.points
    }
}

/// Two fronts together, by the number of the point.
pub(super) fn merge(one: Vec<Ranked>, other: Vec<Ranked>, minimised: usize) -> Vec<Ranked> {
    Front {
        points: one.into_iter().chain(other).collect(),
        ..Front::of(minimised)
    }
    .finish()
}

/// Whether one is as good as another in every column.
fn is_as_good(one: &[i128], other: &[i128], minimised: usize) -> bool {
    let pairs = one.iter().zip(other).enumerate();
    pairs.into_iter().all(|(column, (one, other))| {
        if column < minimised {
            one <= other
        } else {
            one >= other
        }
    })
}

/// The order of values, the better first: no point is covered by one behind it.
fn order(one: &Ranked, other: &Ranked, minimised: usize) -> Ordering {
    let columns = one.values.iter().zip(&other.values).enumerate();
    let differ = columns
        .map(|(column, (one, other))| {
            if column < minimised {
                one.cmp(other)
            } else {
                other.cmp(one)
            }
        })
        .find(|order| order.is_ne());
    differ.unwrap_or_else(|| one.point.cmp(&other.point))
}

/// Leaves those that no other one is better than; of equals the one of the lowest number.
fn reduce(points: &mut Vec<Ranked>, minimised: usize) {
    points.sort_unstable_by(|one, other| order(one, other, minimised));
    points.dedup_by(|next, known| next.values == known.values);
    match points.first().map_or(0, |first| first.values.len()) {
        0 => {}
        1 => points.truncate(1),
        2 | 3 => staircase(points, minimised),
        _ => one_by_one(points, minimised),
    }
}

/// Of points in order, with two or three columns: one is covered where another before it has no more in the second and
/// in the third, and the steps of those make a staircase (Kung, Luccio and Preparata 1975).
fn staircase(points: &mut Vec<Ranked>, minimised: usize) {
    // What is maximised counts downwards; no column reaches the ends of 128 bits.
    let height = |ranked: &Ranked, column: usize| match ranked.values.get(column) {
        Some(&value) if column < minimised => value,
        Some(&value) => -value,
        None => 0,
    };
    let mut steps: BTreeMap<i128, i128> = BTreeMap::new();
    points.retain(|ranked| {
        let (second, third) = (height(ranked, 1), height(ranked, 2));
        let before = steps.range(..=second).next_back();
        if before.is_some_and(|(_, lowest)| *lowest <= third) {
            return false;
        }
        while let Some((&key, &value)) = steps.range(second..).next() {
            if value < third {
                break;
            }
            steps.remove(&key);
        }
        steps.insert(second, third);
        true
    });
}

/// Of points in order, with any number of columns.
fn one_by_one(points: &mut Vec<Ranked>, minimised: usize) {
    let mut kept: Vec<Ranked> = Vec::new();
    for ranked in points.drain(..) {
        let covers = |known: &Ranked| is_as_good(&known.values, &ranked.values, minimised);
        if let Some(place) = kept.iter().position(covers) {
            // What covers one often covers the next.
            kept.swap(place / 2, place);
        } else {
            kept.push(ranked);
        }
    }
    *points = kept;
}

#[cfg(test)]
mod tests {
    use super::{Front, Ranked, is_as_good, merge};

    /// The front by its definition.
    fn plainly(points: &[Ranked], minimised: usize) -> Vec<Ranked> {
        let is_left = |one: &&Ranked| {
            !points.iter().any(|other| {
                let equal = other.values == one.values;
                is_as_good(&other.values, &one.values, minimised)
                    && (!equal || other.point < one.point)
            })
        };
        points.iter().filter(is_left).cloned().collect()
    }

    #[test]
    fn fronts_are_those_of_the_definition() {
        let mut state = 11_u64;
        let mut roll = |sides: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % sides
        };
        for columns in 1..=5 {
            for (count, sides) in [(0, 3), (1, 3), (300, 3), (500, 40), (9000, 12)] {
                if count == 9000 && columns > 3 {
                    continue;
                }
                for minimised in [0, columns / 2, columns] {
                    let points: Vec<Ranked> = (0..count)
                        .map(|point| Ranked {
                            values: (0..columns).map(|_| i128::from(roll(sides))).collect(),
                            point,
                        })
                        .collect();
                    let (mut whole, mut halves) = (
                        Front::of(minimised),
                        [Front::of(minimised), Front::of(minimised)],
                    );
                    for ranked in points.iter().rev() {
                        whole.enter(&ranked.values, ranked.point);
                        let half = usize::from(ranked.point % 3 == 0);
                        halves[half].enter(&ranked.values, ranked.point);
                    }
                    let expected = plainly(&points, minimised);
                    assert_eq!(whole.finish(), expected, "{columns} {count} {minimised}");
                    let [one, other] = halves.map(Front::finish);
                    assert_eq!(merge(one, other, minimised), expected);
                }
            }
        }
    }
}
