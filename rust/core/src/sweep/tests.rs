//! Every row is what `fit` says, for random grids over built-in models and all engines.

use super::{
    Axis, By, Column, Condition, Field, Given, Partial, Question, REASONS, Run, Sweep, SweepError,
    Tally, Target, Value, What, fit_many,
};
use crate::deployment::{FitError, Share};
use crate::engine::samples;
use crate::fit::Fit;
use crate::hardware::{Catalogue, Found};
use crate::parallel::Control;
use crate::request::Request;
use crate::subject::Subject;
use crate::table::{self, Table};
use proptest::prelude::*;
use std::sync::Arc;

/// Models of every kind of cache: plain, windowed, latent, indexed, mixtures, states, encoders, images.
const MODELS: &[&str] = &[
    "bart-large",
    "deepseek-v2-lite",
    "deepseek-v3.2",
    "deepseek-v4-flash",
    "gemma-3-4b",
    "gpt-oss-20b",
    "gpt2",
    "kimi-linear-48b-a3b",
    "lfm2-1.2b",
    "llama-3.1-8b",
    "llama-3.2-11b-vision",
    "mamba-codestral-7b",
    "minicpm3-4b",
    "mistral-7b",
    "qwen3-30b-a3b",
    "whisper-large-v3",
];

pub(super) fn models() -> Vec<Arc<crate::subject::Subject>> {
    MODELS
        .iter()
        .filter(|name| crate::model::builtin::find(name).is_some())
        .map(|name| Arc::new(samples::subject(name)))
        .collect()
}

pub(super) fn gpu(name: &str) -> Found {
    Catalogue::built_in().find(name).unwrap()
}

/// A source of choices.
pub(super) struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % sides as u64).unwrap()
    }

    fn some<T: Clone>(&mut self, all: &[T], most: usize) -> Vec<T> {
        let count = 1 + self.roll(most);
        (0..count)
            .map(|_| all[self.roll(all.len())].clone())
            .collect()
    }
}

const ENGINES: &[&str] = &[
    "vllm==0.11.0",
    "vllm==0.19.0",
    "vllm",
    "sglang==0.5.3",
    "sglang",
    "llama.cpp",
    "tensorrt-llm",
    "transformers",
    "no-such-engine",
];

#[expect(clippy::too_many_lines, reason = "one list of cases")]
fn values(dice: &mut Dice, what: &What) -> Vec<Value> {
    let counts = |list: Vec<u64>| list.into_iter().map(Value::Count).collect::<Vec<_>>();
    let texts = |list: Vec<&str>| {
        list.into_iter()
            .map(|text| match text {
                "" => Value::Open,
                text => Value::Text(text.to_owned()),
            })
            .collect::<Vec<_>>()
    };
    let open = |dice: &mut Dice, mut list: Vec<Value>| {
        if dice.roll(4) == 0 {
            list.push(Value::Open);
        }
        list
    };
    match what {
        What::Gpu => dice
            .some(
                &[
                    "H100-SXM-80GB",
                    "A100-SXM-80GB",
                    "B200",
                    "H200",
                    "L4",
                    "24GiB",
                    "RTX 4090",
                ],
                3,
            )
            .into_iter()
            .filter_map(|name| Catalogue::built_in().find(name).ok())
            .map(|found| Value::Gpu(Box::new(found)))
            .chain([Value::Gpu(Box::new(gpu("H100-SXM-80GB")))])
            .collect(),
        What::Engine => texts(dice.some(ENGINES, 3)),
        What::Weights => texts(dice.some(&["", "bf16", "fp8", "awq", "fp32", "q4_k_m", "fp5"], 3)),
        What::Cache => texts(dice.some(&["", "bf16", "fp8", "fp16", "q8_0", "odd"], 3)),
        What::Context => {
            let list = counts(dice.some(
                &[
                    0,
                    1,
                    2,
                    7,
                    100,
                    4096,
                    8192,
                    16_384,
                    32_768,
                    131_072,
                    1_048_576,
                    1 << 41,
                ],
                6,
            ));
            open(dice, list)
        }
        What::Concurrency => counts(dice.some(
            &[
                0,
                1,
                2,
                3,
                4,
                16,
                100,
                256,
                300,
                2049,
                4096,
                1 << 40,
                1 << 41,
            ],
            6,
        )),
        What::Gpus => {
            let list = counts(dice.some(&[1, 2, 4, 8, 0], 2));
            open(dice, list)
        }
        What::MaxBatchedTokens => {
            let list = counts(dice.some(&[1, 512, 2048, 65_536, 0], 2));
            open(dice, list)
        }
        What::MaxSequences => {
            let list = counts(dice.some(&[1, 8, 256, 1024], 2));
            open(dice, list)
        }
        What::BlockSize => {
            let list = counts(dice.some(&[1, 16, 17, 64, 128], 2));
            open(dice, list)
        }
        What::CacheMemory => {
            let list = counts(dice.some(&[0, 1 << 30, 20 << 30, u64::MAX], 2));
            open(dice, list)
        }
        What::GpuMemoryUtilization => {
            let shares = dice.some(&[900_000, 500_000, 1_000_000, 0, 2_000_000], 2);
            let list = shares.into_iter().map(|share| Value::Share(Share(share)));
            let list = list.collect();
            open(dice, list)
        }
        What::PrefixCaching => {
            let list = dice.some(&[true, false], 1).into_iter().map(Value::Flag);
            let list = list.collect();
            open(dice, list)
        }
        What::Eager => vec![Value::Flag(false), Value::Flag(true)],
        What::Target | What::Mind(_) => {
            let texts = dice.some(&["1", "4", "8", "3", "\"x\"", "0"], 2);
            texts
                .into_iter()
                .map(|text| Value::Json(text.to_owned()))
                .collect()
        }
        _ => counts(dice.some(&[1, 2, 4, 8, 3, 0], 3)),
    }
}

/// A random sweep of at most so many points.
pub(super) fn sweep(dice: &mut Dice, most: u64) -> Sweep {
    let models = models();
    let targets = dice
        .some(&models, 2)
        .into_iter()
        .map(|subject| Target::new(subject, None))
        .collect();
    let engine = ENGINES[dice.roll(ENGINES.len() - 1)];
    let mut request = Request::new(gpu("H100-SXM-80GB"), engine);
    if dice.roll(3) > 0 {
        request.context = Some([100, 2048, 4096][dice.roll(3)]);
    }
    request.concurrency = [1, 7][dice.roll(2)];
    let mut whats: Vec<What> = What::REQUEST.to_vec();
    whats.push(What::Mind("num_key_value_heads".to_owned()));
    whats.push(What::Mind("num_hidden_layers".to_owned()));
    let mut axes: Vec<Axis> = Vec::new();
    let mut points = 2;
    for hot in [What::Context, What::Concurrency] {
        if dice.roll(4) > 0 {
            let list = values(dice, &hot);
            points *= list.len() as u64;
            axes.push(Axis::new(hot, list).unwrap());
        }
    }
    for _ in 0..8 {
        let what = whats[dice.roll(whats.len())].clone();
        if axes.iter().any(|axis| axis.what == what) {
            continue;
        }
        let list = values(dice, &what);
        if points * list.len() as u64 > most {
            continue;
        }
        points *= list.len() as u64;
        let place = dice.roll(axes.len() + 1);
        axes.insert(place, Axis::new(what, list).unwrap());
    }
    let mut linked = Vec::new();
    if dice.roll(3) == 0 {
        let pair = axes.iter().enumerate().find_map(|(at, one)| {
            let other = axes.iter().skip(at + 1).find(|other| {
                other.values.len() == one.values.len()
                    && other.what.is_of_model() == one.what.is_of_model()
            })?;
            Some(vec![
                one.what.name().to_owned(),
                other.what.name().to_owned(),
            ])
        });
        linked.extend(pair);
    }
    Sweep::new(targets, request, axes, &linked).unwrap()
}

pub(super) fn run(threads: usize, chunk: Option<u64>, control: &Control) -> Run<'_> {
    Run {
        threads,
        control,
        chunk,
    }
}

pub(super) fn whole(sweep: &Sweep, threads: usize, chunk: Option<u64>) -> Table {
    let control = Control::default();
    sweep
        .table(
            0..sweep.points(),
            &sweep.columns(),
            run(threads, chunk, &control),
        )
        .unwrap()
}

/// A value of a table as a number.
pub(super) fn number(table: &Table, name: &str, row: usize) -> i128 {
    match table.column(name).unwrap() {
        table::Column::Unsigned(values) => i128::from(values[row]),
        table::Column::Signed(values) => i128::from(values[row]),
        table::Column::Flags(values) => i128::from(values[row]),
        table::Column::Category { codes, .. } => i128::from(codes[row]),
        _ => unreachable!(),
    }
}

/// What `fit` says of a point.
pub(super) fn expected(sweep: &Sweep, point: u64) -> Vec<(Field, i128)> {
    match sweep.point(point) {
        Ok((subject, request)) => of_fit(&subject, request.fit(&subject)),
        Err(error) => of_fit(&models()[0], Err(error)),
    }
}

fn of_fit(subject: &Subject, fit: Result<Fit, FitError>) -> Vec<(Field, i128)> {
    let fit = match fit {
        Ok(fit) => fit,
        Err(error) => {
            let code = REASONS
                .iter()
                .position(|(reason, _)| *reason == error.reason)
                .unwrap();
            return Field::ALL
                .into_iter()
                .map(|field| match field {
                    Field::Reason => (field, code as i128 + 1),
                    field => (field, 0),
                })
                .collect();
        }
    };
    let stage = fit.on_fullest();
    let most = fit.pool.concurrency.and_then(|(a, b)| a.checked_div(b));
    let total = subject.architecture.total();
    Field::ALL
        .into_iter()
        .map(|field| {
            let value = match field {
                Field::Fits => i128::from(fit.fits()),
                Field::Reason => 0,
                Field::Weights => stage.used.weights.into(),
                Field::Cache => stage.reserved.into(),
                Field::Activations => stage.used.activations.into(),
                Field::Overhead => stage.used.overhead.into(),
                Field::CudaContext => stage.used.context.into(),
                Field::CudaGraphs => stage.used.graphs.into(),
                Field::Total => stage.total().into(),
                Field::Usable => fit.usable.into(),
                Field::Headroom => fit.headroom.clamp(i64::MIN.into(), i64::MAX.into()),
                Field::Gpus => fit.gpus.into(),
                Field::CacheTokens => fit.pool.tokens.into(),
                Field::MaxConcurrency => most.unwrap_or(0).into(),
                Field::Parameters => total.parameters.into(),
                Field::ActiveParameters => total.active.into(),
            };
            (field, value)
        })
        .collect()
}

fn every_row_is_that_of_fit(seed: u64) {
    let sweep = sweep(&mut Dice(seed), 150);
    let table = whole(&sweep, 1, None);
    for point in 0..sweep.points() {
        let row = usize::try_from(point).unwrap();
        let at = sweep.at(point).unwrap();
        for (axis, place) in sweep.axes().iter().zip(at) {
            let name = axis.what.name();
            match table.column(name).unwrap() {
                table::Column::Unsigned(values) => {
                    assert_eq!(Some(values[row].into()), axis.values[place].number());
                }
                table::Column::Category { codes, values } => {
                    assert_eq!(values[codes[row] as usize], axis.values[place].to_string());
                }
                _ => unreachable!(),
            }
        }
        for (field, value) in expected(&sweep, point) {
            assert_eq!(
                number(&table, field.name(), row),
                value,
                "{} of point {point}, seed {seed}: {:?}",
                field.name(),
                sweep
                    .point(point)
                    .map(|(subject, request)| (subject.name.clone(), request))
            );
        }
    }
    for (threads, chunk) in [(1, 1), (3, 7), (2, 64)] {
        assert!(
            whole(&sweep, threads, Some(chunk)) == table,
            "{threads} {chunk}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn rows_are_those_of_fit(seed in any::<u64>()) {
        every_row_is_that_of_fit(seed);
    }
}

/// Requests that rise are worked out at once where they change what lies beside the cache.
#[test]
fn rows_of_rising_requests_are_those_of_fit() {
    for engine in ["llama.cpp", "sglang", "tensorrt-llm", "transformers"] {
        for subject in models() {
            let axes = vec![
                Axis::counts(What::PipelineParallel, [1, 2]).unwrap(),
                Axis::new(What::MaxSequences, vec![Value::Open, Value::Count(3)]).unwrap(),
                Axis::counts(What::Context, [64, 400]).unwrap(),
                Axis::counts(What::Concurrency, [1, 2, 3, 4, 5, 90, 600, 3000]).unwrap(),
            ];
            let request = Request::new(gpu("H100-SXM-80GB"), engine);
            let target = Target::new(Arc::clone(&subject), None);
            let sweep = Sweep::new(vec![target], request, axes, &[]).unwrap();
            let table = whole(&sweep, 1, None);
            for point in 0..sweep.points() {
                let row = usize::try_from(point).unwrap();
                for (field, value) in expected(&sweep, point) {
                    let found = number(&table, field.name(), row);
                    let name = &subject.name;
                    assert_eq!(found, value, "{} {point} {engine} {name}", field.name());
                }
            }
        }
    }
}

#[test]
fn columns_are_found_by_name() {
    let subject = Arc::new(samples::subject("gpt2"));
    let request = Request::new(gpu("H100-SXM-80GB"), "vllm");
    let axis = Axis::counts(What::Context, [1, 2]).unwrap();
    let sweep = Sweep::new(vec![Target::new(subject, None)], request, vec![axis], &[]).unwrap();
    assert_eq!(sweep.column("context").unwrap(), Column::Axis(1));
    assert_eq!(
        sweep.column("headroom").unwrap(),
        Column::Field(Field::Headroom)
    );
    let error = sweep.column("hedroom").unwrap_err();
    assert!(error.message.contains("headroom_bytes"), "{error}");
    assert!(sweep.fit(2).unwrap_err().message.contains("has 2"));
}

/// Points that pass a plain test, by brute force over the whole table.
fn passing(table: &Table, rows: usize, holds: impl Fn(usize) -> bool) -> Vec<usize> {
    (0..rows)
        .filter(|&row| number(table, "fits", row) == 1 && holds(row))
        .collect()
}

fn ways() -> [(usize, Option<u64>); 4] {
    [(1, None), (1, Some(1)), (3, Some(7)), (2, Some(64))]
}

#[expect(clippy::too_many_lines, reason = "one list of cases")]
fn answers_are_those_of_brute_force(seed: u64) {
    let mut dice = Dice(seed);
    let sweep = sweep(&mut dice, 400);
    let table = whole(&sweep, 1, None);
    let rows = table.rows();
    let bound = 60_i128 << 30;
    let text = "total_bytes <= 60GiB and not (headroom_bytes % 2 == 1)";
    let condition = Condition::parse(text, &sweep).unwrap();
    let possible = |row| number(&table, "reason", row) == 0;
    let holds = |row| {
        possible(row)
            && number(&table, "total_bytes", row) <= bound
            && number(&table, "headroom_bytes", row).rem_euclid(2) != 1
    };
    let axis = dice.roll(sweep.axes().len());
    let name = sweep.axes()[axis].what.name().to_owned();
    let place = |row: usize| sweep.at(row as u64).unwrap()[axis];
    let second = dice.roll(sweep.axes().len());
    let other = |row: usize| sweep.at(row as u64).unwrap()[second];
    let pairs = By {
        name: sweep.axes()[second].what.name().to_owned(),
        each: 2,
    };
    for (threads, chunk) in ways() {
        let control = Control::default();
        let ask = |question: &Question, condition: Option<&Condition>| {
            let way = run(threads, chunk, &control);
            // The answer of pieces, merged.
            let cut = sweep.points() / 3;
            let first = sweep.answer(question, condition, 0..cut, way).unwrap();
            let rest = sweep
                .answer(question, condition, cut..sweep.points(), way)
                .unwrap();
            let merged = rest.clone().merge(first.clone(), question).unwrap();
            assert_eq!(merged, first.merge(rest, question).unwrap());
            let all = sweep.answer(question, condition, 0..sweep.points(), way);
            assert_eq!(merged, all.unwrap());
            merged
        };
        let count = |by: &[By], which: Option<&Condition>| {
            let by = by.to_vec();
            match ask(&Question::Count { by }, which) {
                Partial::Count(tallies) => tallies,
                _ => unreachable!(),
            }
        };
        let expected = |of: &dyn Fn(usize) -> bool| Tally {
            points: (0..rows).filter(|&row| of(row)).count() as u64,
            possible: (0..rows).filter(|&row| of(row) && possible(row)).count() as u64,
            fits: passing(&table, rows, of).len() as u64,
        };
        assert_eq!(count(&[], None), [expected(&|_| true)]);
        assert_eq!(count(&[], Some(&condition)), [expected(&holds)]);
        let by = By::values(&name);
        for (at, tally) in count(&[by], None).into_iter().enumerate() {
            assert_eq!(tally, expected(&|row| place(row) == at), "{name} {at}");
        }
        // By several at once, of which one has its values taken together.
        let by = [By::values("reason"), pairs.clone(), By::values(&name)];
        let groups = sweep.groups(&by).unwrap();
        let mut tallies = count(&by, Some(&condition)).into_iter();
        for reason in 0..groups[0].groups {
            for pair in 0..groups[1].groups {
                for at in 0..groups[2].groups {
                    let is = |row: usize| {
                        holds(row)
                            && number(&table, "reason", row) == reason as i128
                            && other(row) / 2 == pair
                            && place(row) == at
                    };
                    assert_eq!(tallies.next(), Some(expected(&is)), "{reason} {pair} {at}");
                }
            }
        }
        assert_eq!(tallies.next(), None);
        for (column, descending) in [("headroom", true), ("weights_bytes", false)] {
            let full = format!("{}_bytes", column.trim_end_matches("_bytes"));
            let mut sorted = passing(&table, rows, holds);
            let sign = if descending { -1 } else { 1 };
            sorted.sort_by_key(|&row| (sign * number(&table, &full, row), row));
            let question = |per: Option<String>, most| Question::Top {
                most,
                by: column.to_owned(),
                descending,
                per,
            };
            let Partial::Top(lists) = ask(&question(None, 5), Some(&condition)) else {
                unreachable!()
            };
            let points: Vec<usize> = lists[0]
                .iter()
                .map(|ranked| usize::try_from(ranked.point).unwrap())
                .collect();
            assert_eq!(points, sorted[..sorted.len().min(5)]);
            let Partial::Top(lists) = ask(&question(Some(name.clone()), 1), Some(&condition))
            else {
                unreachable!()
            };
            for (at, list) in lists.iter().enumerate() {
                let best = sorted.iter().copied().find(|&row| place(row) == at);
                let found = list
                    .first()
                    .map(|ranked| usize::try_from(ranked.point).unwrap());
                assert_eq!(found, best, "{name} {at}");
            }
        }
        let values = |row: usize| {
            (
                number(&table, "total_bytes", row),
                number(&table, "concurrency", row),
                number(&table, "headroom_bytes", row),
            )
        };
        if sweep.column("concurrency").is_ok() {
            let fitting = passing(&table, rows, |_| true);
            let better = |one: usize, other: usize| {
                let (a, b) = (values(one), values(other));
                a.0 <= b.0 && a.1 >= b.1 && a.2 >= b.2 && (a != b || one < other)
            };
            let front: Vec<usize> = fitting
                .iter()
                .copied()
                .filter(|&row| {
                    !fitting
                        .iter()
                        .any(|&other| other != row && better(other, row))
                })
                .collect();
            let question = Question::Pareto {
                minimise: vec!["total_bytes".to_owned()],
                maximise: vec!["concurrency".to_owned(), "headroom".to_owned()],
            };
            let Partial::Pareto(found) = ask(&question, None) else {
                unreachable!()
            };
            let points: Vec<usize> = found
                .iter()
                .map(|ranked| usize::try_from(ranked.point).unwrap())
                .collect();
            assert_eq!(points, front);
        }
        frontier_is_the_furthest(&sweep, &table, &name, run(threads, chunk, &control));
    }
}

pub(super) fn frontier_is_the_furthest(sweep: &Sweep, table: &Table, name: &str, way: Run<'_>) {
    let axis = sweep.axis(name).unwrap();
    let combinations = sweep.combinations(name).unwrap();
    let sizes = sweep.axes()[axis].values.iter();
    let (numbers, others): (Vec<&Value>, _) = sizes.partition(|value| value.number().is_some());
    if !numbers.is_empty() && !others.is_empty() {
        let error = sweep
            .frontier(name, None, 0..combinations, way)
            .unwrap_err();
        // Each kind of refusal has a test of its own words.
        let words = ["is left open", "whole numbers alone"];
        let is_told = words.iter().any(|what| error.to_string().contains(what));
        assert!(is_told, "{error}");
        return;
    }
    let found = sweep.frontier(name, None, 0..combinations, way).unwrap();
    let digit = sweep.digit_of(axis).unwrap();
    let mut best: std::collections::BTreeMap<Vec<usize>, Option<(i128, u64)>> =
        std::collections::BTreeMap::new();
    for point in 0..sweep.points() {
        let mut at = sweep.at(point).unwrap();
        let place = at[axis];
        for (other, at) in at.iter_mut().enumerate() {
            if sweep.digit_of(other) == Some(digit) {
                *at = 0;
            }
        }
        let values = &sweep.axes()[axis].values;
        let texts = values.iter().all(|value| value.number().is_none());
        let value = if texts {
            place as i128
        } else {
            values[place].number().unwrap_or(0)
        };
        let known = best.entry(at).or_default();
        let fits = number(table, "fits", usize::try_from(point).unwrap()) == 1;
        if fits && known.is_none_or(|(most, _)| value > most) {
            *known = Some((value, point));
        }
    }
    assert_eq!(found.len(), best.len());
    let expected: Vec<Option<u64>> = best.into_values().map(|one| Some(one?.1)).collect();
    assert_eq!(found, expected, "{name}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn answers_are_exact(seed in any::<u64>()) {
        answers_are_those_of_brute_force(seed);
    }
}

#[test]
fn conditions_say_what_is_wrong_and_where() {
    let axes = vec![
        Axis::counts(What::Context, [4096, 8192]).unwrap(),
        Axis::texts(What::Weights, &["bf16", "fp8"]).unwrap(),
        Axis::new(
            What::GpuMemoryUtilization,
            vec![Value::Share(Share(900_000)), Value::Open],
        )
        .unwrap(),
    ];
    let subject = Arc::new(samples::subject("gpt2"));
    let request = Request::new(gpu("H100-SXM-80GB"), "vllm");
    let sweep = Sweep::new(vec![Target::new(subject, None)], request, axes, &[]).unwrap();
    for (text, what) in [
        ("", "a value is missing, at character 1"),
        (
            "context = 4k",
            "'=', which means nothing here, at character 9",
        ),
        ("context == 4x", "\"4x\" is no number"),
        ("contxt == 4k", "\"contxt\" is no column"),
        ("(context == 4k", "\")\" is missing, at character 15"),
        ("weights == 'fp9'", "has bf16, fp8"),
        ("weights < 'fp8'", "== and != alone"),
        ("context == 0.5", "gpu_memory_utilization alone"),
        ("context 4k", "does not go on"),
        ("weights == 'fp8", "does not end"),
        ("context in ()", "at least one value"),
    ] {
        let error = Condition::parse(text, &sweep).unwrap_err().message;
        assert!(error.contains(what), "{text}: {error}");
    }
    let count = |text: &str| {
        let control = Control::default();
        let condition = Condition::parse(text, &sweep).unwrap();
        let question = Question::Count { by: Vec::new() };
        let all = 0..sweep.points();
        match sweep.answer(&question, Some(&condition), all, run(1, None, &control)) {
            Ok(Partial::Count(tallies)) => tallies[0].points,
            other => panic!("{other:?}"),
        }
    };
    for (text, points) in [
        ("context == 4k", 4),
        ("context < 2 * 4096 and weights == 'FP8'", 2),
        ("weights != 'fp8' or context / 3 == 1365", 6),
        ("gpu_memory_utilization >= 0.9", 4),
        ("0.95 > gpu_memory_utilization", 4),
        ("gpu_memory_utilization != 0.9", 0),
        ("not gpu_memory_utilization == 0.9", 4),
        ("weights in ('fp8', 'bf16') and context not in [4k]", 4),
        ("-context + 4096 == -(4k)", 4),
        ("-7 / 2 == -4 and -7 % 2 == 1", 8),
        ("1 / 0 == 1 / 0", 0),
        ("context * 1e18 * 1e18 > 0", 0),
        ("parameters > 100e6", 0),
        ("true", 8),
    ] {
        assert_eq!(count(text), points, "{text}");
    }
}

fn many_rows_are_those_of_fit(seed: u64) {
    let mut dice = Dice(seed);
    let models = models();
    let subject = Arc::clone(&models[dice.roll(models.len())]);
    let mut request = Request::new(gpu("H100-SXM-80GB"), ENGINES[dice.roll(8)]);
    request.context = [None, Some(2048)][dice.roll(2)];
    let rows = 1 + dice.roll(40);
    let mut columns = Vec::new();
    for what in What::REQUEST {
        if dice.roll(2) == 0 {
            continue;
        }
        let list = values(&mut dice, &what);
        let counts: Option<Vec<u64>> = list
            .iter()
            .map(|value| match value {
                Value::Count(count) => Some(*count),
                _ => None,
            })
            .collect();
        let codes: Vec<u32> = (0..rows)
            .map(|_| u32::try_from(dice.roll(list.len())).unwrap())
            .collect();
        let given = match counts {
            Some(counts) => {
                Given::Counts(codes.iter().map(|&code| counts[code as usize]).collect())
            }
            None => Given::Values {
                codes,
                values: list,
            },
        };
        columns.push((what, given));
    }
    let rows = if columns.is_empty() { 1 } else { rows };
    let target = Target::new(Arc::clone(&subject), None);
    let mut tables = ways().into_iter().map(|(threads, chunk)| {
        let control = Control::default();
        let way = run(threads, chunk, &control);
        fit_many(&target, &request, &columns, &Field::ALL, way).unwrap()
    });
    let table = tables.next().unwrap();
    for row in 0..rows {
        let mut request = request.clone();
        for (what, given) in &columns {
            let value = match given {
                Given::Counts(counts) => Value::Count(counts[row]),
                Given::Values { codes, values } => values[codes[row] as usize].clone(),
            };
            super::axis::set(&mut request, what, &value);
        }
        for (field, value) in of_fit(&subject, request.fit(&subject)) {
            assert_eq!(
                number(&table, field.name(), row),
                value,
                "{} of row {row}, seed {seed}: {} {request:?}",
                field.name(),
                subject.name
            );
        }
    }
    assert!(tables.all(|other| other == table));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn many_are_those_of_fit(seed in any::<u64>()) {
        many_rows_are_those_of_fit(seed);
    }
}

#[test]
fn rows_of_points_are_those_of_the_table() {
    let sweep = sweep(&mut Dice(11), 150);
    let table = whole(&sweep, 1, None);
    let control = Control::default();
    let points: Vec<u64> = (0..sweep.points()).rev().collect();
    let rows = sweep
        .rows(&points, &sweep.columns(), run(2, Some(5), &control))
        .unwrap();
    let last = table.rows() - 1;
    for (name, _) in table.columns() {
        for row in 0..=last {
            assert_eq!(number(&rows, name, row), number(&table, name, last - row));
        }
    }
}

#[test]
fn a_stopped_sweep_has_no_answer() {
    let sweep = sweep(&mut Dice(3), 150);
    let control = Control::default();
    control.cancel();
    let way = run(2, Some(1), &control);
    let all = 0..sweep.points();
    let table = sweep.table(all.clone(), &sweep.columns(), way);
    assert_eq!(table, Err(SweepError::Stopped));
    let question = Question::Count { by: Vec::new() };
    let answer = sweep.answer(&question, None, all, way);
    assert_eq!(answer, Err(SweepError::Stopped));
}
