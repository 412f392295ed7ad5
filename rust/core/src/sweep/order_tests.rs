//! What compares as a number and what does not: in conditions, in rankings and on frontiers.

use super::tests::{gpu, run};
use super::{Axis, Condition, Partial, Question, Sweep, SweepError, Target, Value, What};
use crate::engine::samples;
use crate::parallel::Control;
use crate::request::Request;
use std::sync::Arc;

fn sweep(axes: Vec<Axis>) -> Sweep {
    let request = Request::new(gpu("H100-SXM-80GB"), "vllm==0.19.0");
    let target = Target::new(Arc::new(samples::subject("llama-3.1-8b")), None);
    Sweep::new(vec![target], request, axes, &[]).unwrap()
}

fn mind(field: &str, values: &[&str]) -> Axis {
    let values = values.iter().map(|text| Value::Json((*text).to_owned()));
    Axis::new(What::Mind(field.to_owned()), values.collect()).unwrap()
}

fn counts_or_open(what: What, values: &[Option<u64>]) -> Axis {
    let values = values
        .iter()
        .map(|value| value.map_or(Value::Open, Value::Count));
    Axis::new(what, values.collect()).unwrap()
}

/// The points that a condition leaves.
fn left(sweep: &Sweep, text: &str) -> Vec<i128> {
    let control = Control::default();
    let condition = Condition::parse(text, sweep).unwrap();
    let question = Question::Count {
        by: (1..sweep.axes().len())
            .map(|axis| super::By::values(sweep.axes()[axis].what.name()))
            .collect(),
    };
    let all = 0..sweep.points();
    let answer = sweep.answer(&question, Some(&condition), all, run(1, None, &control));
    let Ok(Partial::Count(tallies)) = answer else {
        unreachable!()
    };
    // Of one target, so that there is a group for each point.
    let places = tallies.iter().zip(0..);
    places
        .filter(|(tally, _)| tally.points == 1)
        .map(|(_, place)| place)
        .collect()
}

fn why_not(sweep: &Sweep, text: &str) -> String {
    match Condition::parse(text, sweep) {
        Ok(_) => panic!("{text} was read"),
        Err(error) => error.message,
    }
}

fn ask(sweep: &Sweep, question: &Question) -> Result<Partial, SweepError> {
    let control = Control::default();
    let places = sweep.places(question).unwrap();
    sweep.answer(question, None, 0..places, run(1, None, &control))
}

fn top(by: &str, per: Option<&str>) -> Question {
    Question::Top {
        most: 9,
        by: by.to_owned(),
        descending: true,
        per: per.map(str::to_owned),
    }
}

fn frontier(axis: &str) -> Question {
    Question::Frontier {
        axis: axis.to_owned(),
    }
}

fn refusal(sweep: &Sweep, question: &Question) -> String {
    match ask(sweep, question) {
        Err(SweepError::Refused(error)) => error.message,
        other => panic!("{question:?}: {other:?}"),
    }
}

#[test]
fn whole_numbers_are_numbers_however_they_are_written() {
    for (text, number) in [
        ("7", Some(7)),
        ("-7", Some(-7)),
        ("1e6", Some(1_000_000)),
        ("1000000.0", Some(1_000_000)),
        ("-2.5e1", Some(-25)),
        ("-0.0", Some(0)),
        ("18446744073709551615", Some(u64::MAX.into())),
        ("-9223372036854775808", Some(i64::MIN.into())),
        ("-9007199254740992.0", Some(-(1 << 53))),
        ("9007199254740994.0", None),
        // Beyond 64 bits, where it is read as a float.
        ("18446744073709551616", None),
        ("1e300", None),
        ("0.5", None),
        ("true", Some(1)),
        ("null", None),
        ("\"4\"", None),
        ("[4]", None),
    ] {
        assert_eq!(Value::Json(text.to_owned()).number(), number, "{text}");
    }
}

#[test]
fn floats_and_negative_numbers_of_a_config_rank() {
    let one = sweep(vec![mind(
        "rope_theta",
        &["1e6", "10000.0", "500000", "-5"],
    )]);
    assert_eq!(left(&one, "rope_theta > 100000"), [0, 2]);
    assert_eq!(left(&one, "rope_theta == 1e6 or rope_theta < 0"), [0, 3]);
    assert_eq!(left(&one, "-rope_theta == 5"), [3]);
    let Ok(Partial::Top(lists)) = ask(&one, &top("rope_theta", None)) else {
        unreachable!()
    };
    let found = lists[0].iter().map(|ranked| ranked.values[0]);
    assert_eq!(found.collect::<Vec<_>>(), [1_000_000, 500_000, 10_000, -5]);
    for (values, best) in [(["1e6", "1e4"], 0), (["1e4", "1e6"], 1), (["-1", "-2"], 0)] {
        let one = sweep(vec![mind("rope_theta", &values)]);
        let found = ask(&one, &frontier("rope_theta"));
        assert_eq!(found, Ok(Partial::Frontier(vec![(0, vec![Some(best)])])));
    }
}

#[test]
fn numbers_that_are_not_whole_are_refused() {
    let one = sweep(vec![mind("rope_theta", &["1.0", "0.5"])]);
    let what = "rope_theta has the value 0.5, and whole numbers alone";
    assert!(why_not(&one, "rope_theta > 0").contains(what));
    assert!(why_not(&one, "rope_theta").contains(what));
    for question in [top("rope_theta", None), frontier("rope_theta")] {
        assert!(refusal(&one, &question).starts_with(what));
    }
    // As texts they compare.
    assert_eq!(left(&one, "rope_theta == '0.5'"), [1]);
}

#[test]
fn a_frontier_over_what_is_left_open_beside_numbers_is_refused() {
    let one = sweep(vec![counts_or_open(What::Context, &[None, Some(4096)])]);
    let why = refusal(&one, &frontier("context"));
    assert!(why.starts_with("context is left open"), "{why}");
    let null = sweep(vec![mind("head_dim", &["null", "128"])]);
    let why = refusal(&null, &frontier("head_dim"));
    assert!(why.starts_with("head_dim is left open"), "{why}");
    // Names count by their places, what is left open among them.
    let values = vec![Value::Text("fp8".to_owned()), Value::Open];
    let names = sweep(vec![Axis::new(What::Weights, values).unwrap()]);
    let found = ask(&names, &frontier("weights"));
    assert_eq!(found, Ok(Partial::Frontier(vec![(0, vec![Some(1)])])));
}

#[test]
fn what_is_no_number_ranks_nothing() {
    let card = |name: &str| Value::Gpu(Box::new(gpu(name)));
    let one = sweep(vec![
        Axis::new(What::Gpu, vec![card("H100-SXM-80GB"), card("L40S")]).unwrap(),
        counts_or_open(What::Gpus, &[None]),
        mind("torch_dtype", &["\"bfloat16\"", "\"float16\""]),
        counts_or_open(What::Context, &[None, Some(4096)]),
    ]);
    for (by, what) in [
        ("gpu", "gpu is a name"),
        ("target", "target is a name"),
        ("torch_dtype", "torch_dtype is a name"),
        ("point", "point says nothing"),
        ("reason", "reason says nothing"),
        ("gpus", "gpus is left open for all points"),
    ] {
        let pareto = Question::Pareto {
            minimise: vec![by.to_owned()],
            maximise: vec!["headroom".to_owned()],
        };
        for question in [top(by, None), top(by, Some("gpu")), pareto] {
            let why = refusal(&one, &question);
            assert!(why.starts_with(what), "{by}: {why}");
        }
    }
    for text in [
        "gpu",
        "not gpu",
        "gpu < 5",
        "5 == gpu",
        "gpu + 1 == 2",
        "gpu == target",
        "weights == cache",
        "engine == 3",
        "torch_dtype > 0",
        "gpu in (1, 2)",
        "gpu == 0.5",
    ] {
        let why = why_not(&one, text);
        let is_told = why.contains("is a name and no number") || why.contains("is left open");
        assert!(is_told, "{text}: {why}");
    }
    // Of numbers of which some are left open the others rank.
    let Ok(Partial::Top(lists)) = ask(&one, &top("context", None)) else {
        unreachable!()
    };
    assert!(!lists[0].is_empty());
    assert!(lists[0].iter().all(|ranked| ranked.values == [4096]));
}

#[test]
fn what_is_left_open_for_all_points_compares_with_nothing_and_is_refused() {
    let said = sweep(vec![Axis::counts(What::TensorParallel, [1, 2]).unwrap()]);
    let listed = sweep(vec![
        Axis::counts(What::TensorParallel, [1, 2]).unwrap(),
        counts_or_open(What::Context, &[None]),
        counts_or_open(What::Gpus, &[None]),
        counts_or_open(What::BlockSize, &[None]),
        Axis::new(What::GpuMemoryUtilization, vec![Value::Open]).unwrap(),
    ]);
    for one in [said, listed] {
        for (text, name) in [
            ("context <= 1m", "context"),
            ("not context > 1m", "context"),
            ("block_size", "block_size"),
            ("gpu_memory_utilization > 0.5", "gpu_memory_utilization"),
            ("0.5 < gpu_memory_utilization", "gpu_memory_utilization"),
            ("gpu_memory_utilization == 1", "gpu_memory_utilization"),
            ("cache_memory in (1GiB, 2GiB)", "cache_memory"),
        ] {
            let why = why_not(&one, text);
            let what = format!("{name} is left open for all points");
            assert!(why.contains(&what), "{text}: {why}");
        }
        // As a text it is what it is shown as.
        assert_eq!(left(&one, "context == 'default'"), [0, 1]);
        assert_eq!(left(&one, "gpus != 'default'"), [0; 0]);
        // GPUs that are left open are those that the deployment takes.
        assert_eq!(
            left(&one, "tensor_parallel * pipeline_parallel == gpus"),
            [0, 1]
        );
        assert_eq!(left(&one, "gpus == 2"), [1]);
        assert_eq!(left(&one, "gpus in (1, 3)"), [0]);
    }
}

#[test]
fn what_is_left_open_for_some_points_is_a_value_for_texts_and_missing_for_numbers() {
    let weights = ["fp8", "bf16"].map(|text| Value::Text(text.to_owned()));
    let weights = [&[Value::Open][..], &weights].concat();
    let names = sweep(vec![Axis::new(What::Weights, weights).unwrap()]);
    for (text, points) in [
        ("weights != 'fp8'", &[0, 2][..]),
        ("not weights == 'fp8'", &[0, 2]),
        ("weights == 'default'", &[0]),
        ("weights != 'default'", &[1, 2]),
        ("weights in ('default', 'fp8')", &[0, 1]),
    ] {
        assert_eq!(left(&names, text), points, "{text}");
    }
    let numbers = sweep(vec![counts_or_open(What::Context, &[None, Some(4096)])]);
    for (text, points) in [
        ("context != 8192", &[1][..]),
        ("context != 4096", &[]),
        ("not context == 4096", &[0]),
        ("context == 'default'", &[0]),
        ("context != 'default'", &[1]),
    ] {
        assert_eq!(left(&numbers, text), points, "{text}");
    }
}

#[test]
fn axes_that_cannot_be_linked_are_named_for_what_they_are() {
    let target = Target::new(Arc::new(samples::subject("llama-3.1-8b")), None);
    let request = Request::new(gpu("H100-SXM-80GB"), "vllm");
    let contexts = Axis::counts(What::Context, [1, 2]).unwrap();
    let fields = mind("vocab_size", &["1000", "2000"]);
    for axes in [[contexts.clone(), fields.clone()], [fields, contexts]] {
        let linked = [vec!["context".to_owned(), "vocab_size".to_owned()]];
        let error = Sweep::new(
            vec![target.clone()],
            request.clone(),
            axes.to_vec(),
            &linked,
        );
        let why = error.unwrap_err().message;
        assert!(
            why.starts_with("vocab_size is of the model and context is not"),
            "{why}"
        );
    }
}
