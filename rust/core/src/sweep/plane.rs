//! Counts over whole planes of contexts and requests: for each context how many requests fit is found near where it was for
//! the context before, so that most points are never looked at.

use super::hot::Place;
use super::laid::Laid;
use super::memo::{Cell, Memo, Open, Source};
use super::{Sweep, Tally};
use crate::engine::CachePlan;
use std::ops::Range;
use std::sync::Arc;

/// Numbers that are looked at to find out whether more requests take more, where they are too many to be kept. Beyond these
/// it would take too long to do at one go.
const MOST: usize = 1 << 26;
/// Numbers of requests that are asked for at once, on each side of where the last one that fits is thought to be.
const BESIDE: usize = 2;

/// What a plan sets aside for every context and every number of requests of a sweep. More requests, in the order of the list,
/// never take less.
#[derive(Debug)]
pub(super) struct Plane {
    requests: usize,
    /// Bytes on each stage; nothing where these are too many to be kept.
    kept: Option<Vec<Vec<u64>>>,
}

impl Plane {
    /// Of these contexts and requests, with up to so many numbers kept; none where there are too many to be looked at, or more
    /// requests may take less. Contexts that are not said have nothing set aside here.
    pub fn of(
        plan: &dyn CachePlan,
        contexts: &[Place],
        each: &[u64],
        stages: usize,
        most: usize,
    ) -> Option<Self> {
        let size = contexts.len().checked_mul(each.len())?;
        let numbers = size.checked_mul(stages)?;
        if numbers > MOST {
            return None;
        }
        let is_kept = numbers <= most;
        let room = if is_kept { size } else { each.len() };
        let mut lists = vec![Vec::with_capacity(room); stages];
        for place in contexts {
            let from = lists.first().map_or(0, Vec::len);
            if let Place::At(context) = *place {
                plan.reserved_each(context, each, &mut lists);
            } else {
                for list in &mut lists {
                    list.resize(from + each.len(), 0);
                }
            }
            let is_whole = |list: &Vec<u64>| list.len() == from + each.len();
            if !lists
                .iter()
                .all(|list| is_whole(list) && list[from..].is_sorted())
            {
                return None;
            }
            if !is_kept {
                lists.iter_mut().for_each(Vec::clear);
            }
        }
        Some(Self {
            requests: each.len(),
            kept: is_kept.then_some(lists),
        })
    }

    /// How many numbers are kept.
    pub fn numbers(&self) -> usize {
        self.kept.iter().flatten().map(Vec::len).sum()
    }
}

/// How many of so many, of which those that are `within` come first, are; searched from a place near which the last one is.
fn partition_near(count: usize, near: usize, mut within: impl FnMut(usize) -> bool) -> usize {
    let mut step = 1;
    let (mut low, mut high);
    if near < count && within(near) {
        low = near + 1;
        loop {
            high = low.saturating_add(step).min(count);
            if high == count || !within(high) {
                break;
            }
            low = high + 1;
            step *= 2;
        }
    } else {
        high = near.min(count);
        loop {
            low = high.saturating_sub(step);
            if high == 0 {
                break;
            }
            if within(low) {
                low += 1;
                break;
            }
            high = low;
            step *= 2;
        }
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if within(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// How many numbers of requests, the first ones of the list of a sweep, can be and fit at a context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// Run at one time.
    pub possible: usize,
    /// Of these fit.
    pub fits: usize,
}

/// Contexts that are alike beside the cache.
struct Alike {
    first: u64,
    last: u64,
    /// How many numbers of requests run at one time: these come first.
    running: usize,
    /// The most that can be set aside on each stage; none where one stage has no room at all. Nothing of all this where it
    /// is refused.
    most: Option<Vec<u64>>,
    plan: Option<(Arc<Laid>, Arc<Plane>)>,
}

/// One deployment, asked for one context after another.
pub(super) struct Walk {
    open: Option<Arc<Open>>,
    alike: Option<Alike>,
    near: usize,
    lists: Vec<Vec<u64>>,
}

impl Walk {
    /// Of a cell; none where more requests may fit though fewer do not.
    pub fn of(cell: Cell) -> Option<Self> {
        let open = match cell {
            Cell::Unknown(_) | Cell::Refused(_) => None,
            Cell::Open(open) if open.reads_requests() || !open.is_rising => return None,
            Cell::Open(open) => Some(open),
        };
        Some(Self {
            open,
            alike: None,
            near: 0,
            lists: Vec::new(),
        })
    }

    /// How many requests fit at the context of a place of the list; none where that must be told one by one.
    pub fn reach(&mut self, memo: &mut Memo, source: &Source, context: usize) -> Option<Reach> {
        let Some(open) = &self.open else {
            return Some(Reach::default());
        };
        let tokens = match source.hot.places[context] {
            Place::Out => return Some(Reach::default()),
            Place::Open => return open_reach(memo, source, open),
            Place::At(tokens) => tokens,
        };
        let alike = match &mut self.alike {
            Some(alike) if alike.first <= tokens && tokens <= alike.last => alike,
            alike => {
                *alike = None;
                alike.insert(Alike::of(memo, source, open, tokens)?)
            }
        };
        let possible = alike.running;
        let (Some(most), Some((laid, plane))) = (&alike.most, &alike.plan) else {
            return Some(Reach { possible, fits: 0 });
        };
        let fits = if let Some(stages) = &plane.kept {
            let from = context * plane.requests;
            partition_near(possible, self.near, |at| {
                let mut stages = stages.iter().zip(most);
                stages.all(|(list, most)| list[from + at] <= *most)
            })
        } else {
            let each = &open.requests[..possible];
            self.lists.resize(most.len(), Vec::new());
            asked(laid, tokens, each, most, (self.near, &mut self.lists))
        };
        self.near = fits;
        Some(Reach { possible, fits })
    }
}

/// The same of what is not kept, asked of the plan.
fn asked(
    laid: &Laid,
    context: u64,
    each: &[u64],
    most: &[u64],
    (near, lists): (usize, &mut [Vec<u64>]),
) -> usize {
    let mut ask = |range: Range<usize>| {
        let each = &each[range];
        lists.iter_mut().for_each(Vec::clear);
        laid.reserve(context, each, lists);
        let stages = lists.iter().zip(most);
        let within = stages.map(|(list, &most)| list.partition_point(|&bytes| bytes <= most));
        within.min().unwrap_or(each.len())
    };
    let near = near.min(each.len());
    let (from, to) = (near.saturating_sub(BESIDE), (near + BESIDE).min(each.len()));
    let found = from + ask(from..to);
    let is_end = (found > from || from == 0) && (found < to || to == each.len());
    if is_end {
        return found;
    }
    partition_near(each.len(), found, |at| ask(at..at + 1) == 1)
}

/// How many requests fit where no context was said.
fn open_reach(memo: &mut Memo, source: &Source, open: &Arc<Open>) -> Option<Reach> {
    let Ok(placed) = memo.placed(source, open, Place::Open, 1) else {
        return Some(Reach::default());
    };
    let Ok(body) = &placed.body else {
        return Some(Reach::default());
    };
    let runs = |&each: &u64| placed.settings.runs(each);
    let possible = open.requests.partition_point(runs);
    let reserved = memo.reserved(open, body, placed.settings.context);
    if !reserved.is_rising {
        return None;
    }
    let mut fits = possible;
    for (stage, list) in body.stages.iter().zip(&reserved.stages) {
        let most = stage.most(open.usable());
        fits = fits.min(most.map_or(0, |most| list.partition_point(|&bytes| bytes <= most)));
    }
    Some(Reach { possible, fits })
}

impl Alike {
    fn of(memo: &mut Memo, source: &Source, open: &Arc<Open>, context: u64) -> Option<Self> {
        let (first, last, placed) = memo.placed_between(source, open, context);
        let mut alike = Self {
            first,
            last,
            running: 0,
            most: None,
            plan: None,
        };
        let Ok(placed) = placed else {
            return Some(alike);
        };
        let Ok(body) = &placed.body else {
            return Some(alike);
        };
        let runs = |&each: &u64| placed.settings.runs(each);
        alike.running = open.requests.partition_point(runs);
        let plane = memo.plane(source, open, body)?;
        let most = body.stages.iter().map(|stage| stage.most(open.usable()));
        // Where one stage has no room nothing fits.
        alike.most = most.collect();
        alike.plan = Some((Arc::clone(&body.laid), plane));
        Some(alike)
    }
}

impl Sweep {
    /// Counts the points of a range of the work order, plane by plane: `add` takes the digits of the first point of some
    /// that are alike but for context and requests, and how many of these fit. Gives the ranges that cannot be counted so.
    pub(super) fn planes(
        &self,
        memo: &mut Memo,
        range: Range<u64>,
        mut add: impl FnMut(&[u64], Tally),
    ) -> Vec<Range<u64>> {
        let order = &self.grid.work;
        let is = |digit: usize, axis: Option<usize>| {
            axis.is_some_and(|axis| self.grid.digits[digit].axes == [axis])
        };
        // One number of requests never moves, and is not the last digit.
        let outer = match order[..] {
            [.., outer, inner] if is(outer, self.context) && is(inner, self.concurrency) => outer,
            [.., inner] if is(inner, self.context) && self.source.hot.concurrency.len() == 1 => {
                inner
            }
            _ => return Vec::from([range]),
        };
        let rows = self.grid.digits[outer].radix;
        let columns = self.source.hot.concurrency.len() as u64;
        let Some(from) = range.start.checked_next_multiple_of(columns) else {
            return Vec::from([range]);
        };
        let to = range.end - range.end % columns;
        if from >= to || !self.requests_may_be {
            return Vec::from([range]);
        }
        let mut left = Vec::from([range.start..from, to..range.end]);
        let mut at = vec![0; self.grid.digits.len()];
        let mut place = from;
        while place < to {
            self.grid.decode(order, place, &mut at);
            let count = (rows - at[outer]).min((to - place) / columns);
            let first = usize::try_from(at[outer]).unwrap_or(usize::MAX);
            let end = place + count * columns;
            let contexts = first..first + usize::try_from(count).unwrap_or(usize::MAX);
            match self.plane(memo, &at, contexts) {
                Some(tally) => add(&at, tally),
                None => left.push(place..end),
            }
            place = end;
        }
        left.retain(|range| !range.is_empty());
        left
    }

    /// How many points of some contexts and all requests fit.
    fn plane(&self, memo: &mut Memo, at: &[u64], contexts: Range<usize>) -> Option<Tally> {
        let mut tally = Tally {
            points: contexts.len() as u64 * self.source.hot.concurrency.len() as u64,
            ..Tally::default()
        };
        let mut walk = Walk::of(self.cell(memo, at))?;
        for context in contexts {
            let reach = walk.reach(memo, &self.source, context)?;
            tally.possible += reach.possible as u64;
            tally.fits += reach.fits as u64;
        }
        Some(tally)
    }
}

#[cfg(test)]
mod tests {
    use super::{asked, partition_near};
    use crate::engine::samples;
    use crate::parallel::Control;
    use crate::request::Request;
    use crate::sweep::answer::add;
    use crate::sweep::hot::Place;
    use crate::sweep::memo::{Cell, Memo};
    use crate::sweep::tests::{frontier_is_the_furthest, gpu, models, number, run, whole};
    use crate::sweep::{Axis, By, Partial, Question, Sweep, Tally, Target, Value, What};
    use std::sync::Arc;

    #[test]
    fn a_search_finds_the_same_wherever_it_begins() {
        for list in [&[][..], &[5], &[1, 1, 2, 3, 5, 8, 13, 21, 21, 34], &[7; 20]] {
            for most in 0..40 {
                let found = list.partition_point(|&one| one <= most);
                for near in 0..25 {
                    let near = partition_near(list.len(), near, |at| list[at] <= most);
                    assert_eq!(near, found, "{list:?} {most}");
                }
            }
        }
    }

    /// Planes of every model: contexts that rise, fall and repeat, and more of both than any engine takes.
    fn sweep(engine: &str, requests: &[u64]) -> Sweep {
        let targets = models().into_iter().map(|one| Target::new(one, None));
        let gpus = ["L4", "H100-SXM-80GB"].map(|name| Value::Gpu(Box::new(gpu(name))));
        let counts = |what, list: &[u64]| Axis::counts(what, list.iter().copied()).unwrap();
        let axes = vec![
            Axis::new(What::Gpu, gpus.to_vec()).unwrap(),
            counts(What::Context, &[9, 4097, 1 << 17, 1 << 23, 1000, 1000, 1]),
            counts(What::PipelineParallel, &[1, 2]),
            counts(What::Concurrency, requests),
            counts(What::TensorParallel, &[1, 3]),
        ];
        let request = Request::new(gpu("L4"), engine);
        Sweep::new(targets.collect(), request, axes, &[]).unwrap()
    }

    #[test]
    fn planes_count_what_their_rows_say() {
        for (engine, requests) in [
            ("vllm==0.19.0", &[1, 2, 2, 40, 300, 4096][..]),
            ("vllm", &[3]),
            ("sglang", &[1, 7, 400]),
            ("llama.cpp", &[1, 2, 2, 40, 300, 4096]),
            ("transformers", &[2, 3]),
        ] {
            let sweep = sweep(engine, requests);
            let table = whole(&sweep, 2, None);
            let rows = 0..table.rows();
            let of = |name: &str, wanted: i128| {
                rows.clone()
                    .filter(|&row| number(&table, name, row) == wanted)
                    .count() as u64
            };
            for (chunk, by) in [
                (None, "gpu"),
                (None, "context"),
                (Some(17), "target"),
                (Some(500), "tensor_parallel"),
            ] {
                let control = Control::default();
                let ask = |by: Vec<By>| {
                    let question = Question::Count { by };
                    let all = 0..sweep.points();
                    match sweep.answer(&question, None, all, run(2, chunk, &control)) {
                        Ok(Partial::Count(tallies)) => tallies,
                        other => panic!("{other:?}"),
                    }
                };
                let all = ask(Vec::new())[0];
                assert_eq!(all.points, sweep.points());
                assert_eq!(all.possible, of("reason", 0), "{engine} {chunk:?}");
                assert_eq!(all.fits, of("fits", 1), "{engine} {chunk:?}");
                let mut sum = Tally::default();
                for one in ask(vec![By::values(by)]) {
                    add(&mut sum, one);
                }
                assert_eq!(sum, all, "{engine} {chunk:?} {by}");
            }
        }
    }

    #[test]
    fn frontiers_of_planes_are_those_of_their_rows() {
        let contexts = [4097, 0, 1 << 17, 9, 1 << 23, 1000, 1000, 1];
        let contexts = contexts.map(Value::Count).into_iter();
        let said = contexts.clone().collect::<Vec<_>>();
        let some_open = contexts.chain([Value::Open]).collect::<Vec<_>>();
        let all = models();
        for (engine, which) in [
            ("vllm==0.19.0", 0..2),
            ("vllm", 3..5),
            ("sglang", 6..8),
            ("llama.cpp", 8..10),
            ("transformers", 9..11),
        ] {
            let which = which.start..which.end.min(all.len());
            let targets = || all[which.clone()].iter().cloned();
            for (place, contexts) in [&said, &some_open, &vec![Value::Open; 1]]
                .into_iter()
                .enumerate()
            {
                let context = || Axis::new(What::Context, contexts.clone()).unwrap();
                let counts = |what, list: &[u64]| Axis::counts(what, list.iter().copied()).unwrap();
                // With data parallelism numbers that fall here may rise in a replica.
                let requests = [&[1, 2, 3, 40, 300][..], &[2, 1, 4, 3, 2000], &[7]][place];
                let requests = || counts(What::Concurrency, requests);
                let data = || counts(What::DataParallel, &[1, 2]);
                let pipeline = || counts(What::PipelineParallel, &[1, 2]);
                for axes in [
                    vec![data(), pipeline(), context(), requests()],
                    vec![requests(), data(), context(), pipeline()],
                    vec![context(), data(), requests()],
                ] {
                    let request = Request::new(gpu("L4"), engine);
                    let targets = targets().map(|one| Target::new(one, None)).collect();
                    let sweep = Sweep::new(targets, request, axes, &[]).unwrap();
                    let table = whole(&sweep, 1, None);
                    for (threads, chunk) in [(1, None), (2, Some(17))] {
                        let control = Control::default();
                        let way = run(threads, chunk, &control);
                        frontier_is_the_furthest(&sweep, &table, "context", way);
                        frontier_is_the_furthest(&sweep, &table, "concurrency", way);
                    }
                }
            }
        }
    }

    /// Where there are too many numbers plans are asked, and say the same.
    #[test]
    fn planes_that_are_not_kept_answer_alike() {
        for (engine, model) in [
            ("vllm==0.19.0", "gemma-3-4b"),
            ("sglang", "llama-3.1-8b"),
            ("transformers", "mistral-7b"),
        ] {
            let subject = samples::subject(model);
            let mut request = Request::new(gpu("L4"), engine);
            request.options.parallel.pipeline = 2;
            let target = Target::new(Arc::new(subject), None);
            let axes = vec![
                Axis::counts(What::Context, [1, 5, 64, 65, 4096, 31, 1 << 20]).unwrap(),
                Axis::counts(What::Concurrency, 1..=40).unwrap(),
            ];
            let sweep = Sweep::new(vec![target], request, axes, &[]).unwrap();
            let Cell::Open(open) = sweep.cell(&mut Memo::default(), &[0, 0, 0]) else {
                panic!("{engine} refuses {model}");
            };
            let mut memo = Memo::default();
            let placed = memo.placed(&sweep.source, &open, Place::At(1), 1).unwrap();
            let body = placed.body.as_ref().unwrap();
            let (contexts, each) = (&sweep.source.hot.places, &open.requests);
            let stages = body.stages.len();
            let plane = |most| body.laid.look_at(contexts, each, stages, most).unwrap();
            let (kept, not_kept) = (plane(usize::MAX), plane(0));
            assert_eq!(kept.numbers(), contexts.len() * each.len() * stages);
            assert_eq!(not_kept.numbers(), 0);
            for (at, context) in contexts.iter().enumerate() {
                let context = context.said().unwrap();
                for room in [0, 1 << 20, 1 << 26, 1 << 28, 1 << 30, 1 << 34, u64::MAX] {
                    let most = vec![room; stages];
                    let stages = kept.kept.iter().flatten();
                    let row = |list: &Vec<u64>| {
                        let row = &list[at * each.len()..(at + 1) * each.len()];
                        row.iter().filter(|&&bytes| bytes <= room).count()
                    };
                    let wanted = stages.map(row).min().unwrap();
                    for near in 0..=each.len() {
                        let lists = &mut vec![Vec::new(); most.len()];
                        let found = asked(&body.laid, context, each, &most, (near, lists));
                        assert_eq!(found, wanted, "{engine} {context} {room} {near}");
                    }
                }
            }
        }
    }
}
