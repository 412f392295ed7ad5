//! How fast a sweep is: `cargo run --release --example sweep [MODEL] [ENGINE] [PART] [NUMBER]`, where a part is count, table,
//! many, minds (models that are no two alike, of so many numbers of layers), or long-count, long-top, long-frontier or
//! long-frontier-requests (10^10 points, or of so many contexts; only if asked for).

use pondera::hardware::Catalogue;
use pondera::model::Model;
use pondera::parallel::Control;
use pondera::request::Request;
use pondera::subject::Subject;
use pondera::sweep::{
    Axis, By, Field, Given, Partial, Question, Run, Sweep, Target, Value, What, fit_many,
};
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

#[expect(clippy::cast_precision_loss, reason = "rates for people")]
fn rate(what: &str, count: u64, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{what}: {count} in {seconds:.3} s, {:.4e} a second",
        count as f64 / seconds
    );
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let model = words.next().unwrap_or_else(|| "llama-3.1-8b".to_owned());
    let engine = words.next().unwrap_or_else(|| "vllm==0.19.0".to_owned());
    let part = words.next();
    let asks = |name: &str| part.as_deref().is_none_or(|part| part == name);
    let control = Control::default();
    let subject = Arc::new(Subject::of(&Model::open(&model, None, 2, &control)?)?);
    let target = Target::new(Arc::clone(&subject), None);
    if asks("minds") {
        let layers = words.next().map_or(Ok(1), |text| text.parse())?;
        minds(&target, &engine, layers, &control)?;
    }
    let gpus: Vec<Value> = Catalogue::built_in()
        .common()
        .chain(Catalogue::built_in().iter())
        .take(32)
        .filter_map(|gpu| Catalogue::built_in().find(&gpu.name).ok())
        .map(|found| Value::Gpu(Box::new(found)))
        .collect();
    let request = Request::new(Catalogue::built_in().find("H100-SXM-80GB")?, &engine);
    let grid = |contexts: u64, requests: u64| -> Result<Sweep, Box<dyn Error>> {
        let axes = vec![
            Axis::new(What::Gpu, gpus.clone())?,
            Axis::texts(What::Weights, &["bf16", "fp8", "awq", "w4a16"])?,
            Axis::texts(What::Cache, &["bf16", "fp8"])?,
            Axis::counts(What::TensorParallel, [1, 2, 4, 8])?,
            Axis::counts(
                What::Context,
                (1..=contexts).map(|step| step * 131_072 / contexts),
            )?,
            Axis::counts(What::Concurrency, 1..=requests)?,
        ];
        Ok(Sweep::new(
            vec![target.clone()],
            request.clone(),
            axes,
            &[],
        )?)
    };
    let sweep = grid(384, 256)?;
    for threads in [1, 2] {
        let run = Run {
            threads,
            control: &control,
            chunk: None,
        };
        for question in [
            Question::Count { by: Vec::new() },
            Question::Count {
                by: vec![By::values("gpu")],
            },
            Question::Top {
                most: 20,
                by: "headroom".to_owned(),
                descending: true,
                per: None,
            },
        ]
        .into_iter()
        .filter(|_| asks("count"))
        {
            let fresh = grid(384, 256)?;
            let begun = Instant::now();
            let answer = fresh.answer(&question, None, 0..fresh.points(), run)?;
            rate(
                &format!("{threads} threads, {question:?}"),
                fresh.points(),
                begun,
            );
            if let Partial::Count(tallies) = answer {
                println!("  {:?}", tallies.first());
            }
        }
        if !asks("table") {
            continue;
        }
        let columns = sweep.columns();
        let some: Vec<_> = columns[..columns.len() - 4].to_vec();
        let begun = Instant::now();
        let table = sweep.table(0..10_000_000.min(sweep.points()), &some, run)?;
        rate(
            &format!("{threads} threads, table of {} columns", some.len()),
            table.rows() as u64,
            begun,
        );
        let begun = Instant::now();
        let blank: Vec<Vec<u64>> = some.iter().map(|_| vec![1; table.rows()]).collect();
        rate(
            "  columns filled with ones",
            blank.len() as u64 * 10_000_000,
            begun,
        );
    }
    let frontier = |axis: &str| Question::Frontier {
        axis: axis.to_owned(),
    };
    let long = match part.as_deref() {
        Some("long-count") => Some(Question::Count { by: Vec::new() }),
        Some("long-top") => Some(Question::Top {
            most: 20,
            by: "headroom".to_owned(),
            descending: true,
            per: None,
        }),
        Some("long-frontier") => Some(frontier("context")),
        Some("long-frontier-requests") => Some(frontier("concurrency")),
        _ => None,
    };
    if let Some(question) = long {
        let contexts = words.next().map_or(Ok(9766), |text| text.parse())?;
        ask_long(&grid(contexts, 1000)?, &question, &control)?;
    }
    if asks("many") {
        many(&target, &request, &gpus, &control)?;
    }
    Ok(())
}

/// Asks for all points, and tells the most memory that was held, where the system does.
fn ask_long(sweep: &Sweep, question: &Question, control: &Control) -> Result<(), Box<dyn Error>> {
    let run = Run {
        threads: 2,
        control,
        chunk: None,
    };
    let begun = Instant::now();
    let answer = sweep.answer(question, None, 0..sweep.places(question)?, run)?;
    rate(&format!("{question:?}"), sweep.points(), begun);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!("  {}", peak.unwrap_or_default());
    match answer {
        Partial::Count(tallies) => println!("  {:?}", tallies.first()),
        Partial::Frontier(pieces) => {
            let found = pieces.iter().flat_map(|(_, piece)| piece).flatten();
            // Tells whether two runs found the same.
            let sum = found.fold(0_u64, |sum, &point| {
                sum.wrapping_mul(0x0100_0000_01b3).wrapping_add(point + 1)
            });
            println!("  {sum:x}");
        }
        _ => {}
    }
    Ok(())
}

/// Models that are no two alike, each on four GPUs with two contexts: 40,000 for each number of layers.
fn minds(
    target: &Target,
    engine: &str,
    layers: u64,
    control: &Control,
) -> Result<(), Box<dyn Error>> {
    let field = |name: &str, from: u64, step: u64, count: u64| {
        let values = (0..count).map(|place| Value::Json((from + step * place).to_string()));
        Axis::new(What::Mind(name.to_owned()), values.collect())
    };
    let is_mixture = target.subject.config.get("num_experts").is_some();
    let mut axes = vec![
        field("num_hidden_layers", 16, 2, layers)?,
        field("hidden_size", 2048, 128, 20)?,
        field("vocab_size", 64_000, 8000, 10)?,
    ];
    axes.extend(if is_mixture {
        vec![
            field("moe_intermediate_size", 512, 128, 10)?,
            field("num_experts", 64, 16, 5)?,
            field("num_experts_per_tok", 2, 2, 4)?,
        ]
    } else {
        vec![
            field("intermediate_size", 8192, 512, 20)?,
            field("head_dim", 64, 16, 10)?,
        ]
    });
    let gpus = ["H100-SXM-80GB", "L40S", "A100-SXM-80GB", "B200"];
    let gpus = gpus.iter().map(|name| Catalogue::built_in().find(name));
    let gpus = gpus.map(|found| Ok(Value::Gpu(Box::new(found?))));
    axes.push(Axis::new(
        What::Gpu,
        gpus.collect::<Result<_, Box<dyn Error>>>()?,
    )?);
    axes.push(Axis::counts(What::Context, [8192, 32_768])?);
    let request = Request::new(Catalogue::built_in().find("H100-SXM-80GB")?, engine);
    let sweep = || Sweep::new(vec![target.clone()], request.clone(), axes.clone(), &[]);
    for threads in [1, 2] {
        let run = Run {
            threads,
            control,
            chunk: None,
        };
        let fresh = sweep()?;
        let minds = fresh.points() / 8;
        let begun = Instant::now();
        let answer = fresh.answer(
            &Question::Count { by: Vec::new() },
            None,
            0..fresh.points(),
            run,
        )?;
        rate(&format!("{threads} threads, count of minds"), minds, begun);
        if let Partial::Count(tallies) = answer {
            println!("  {:?}", tallies.first());
        }
        let fresh = sweep()?;
        let columns = fresh.columns();
        let begun = Instant::now();
        let table = fresh.table(0..fresh.points(), &columns, run)?;
        rate(&format!("{threads} threads, table of minds"), minds, begun);
        println!("  {} columns", table.columns().len());
    }
    Ok(())
}

fn many(
    target: &Target,
    request: &Request,
    gpus: &[Value],
    control: &Control,
) -> Result<(), Box<dyn Error>> {
    let rows = 1_000_000;
    let mut state = 7_u64;
    let mut roll = |sides: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % sides
    };
    let mut codes = |sides: usize| -> Vec<u32> {
        (0..rows)
            .map(|_| u32::try_from(roll(sides as u64)).unwrap_or(0))
            .collect()
    };
    let texts = |list: &[&str]| {
        list.iter()
            .map(|text| Value::Text((*text).to_owned()))
            .collect()
    };
    let columns = vec![
        (
            What::Gpu,
            Given::Values {
                codes: codes(gpus.len()),
                values: gpus.to_vec(),
            },
        ),
        (
            What::Weights,
            Given::Values {
                codes: codes(3),
                values: texts(&["bf16", "fp8", "awq"]),
            },
        ),
        (
            What::TensorParallel,
            Given::Counts(codes(4).into_iter().map(|code| 1 << code).collect()),
        ),
        (
            What::Context,
            Given::Counts(
                codes(131_072)
                    .into_iter()
                    .map(|code| u64::from(code) + 1)
                    .collect(),
            ),
        ),
        (
            What::Concurrency,
            Given::Counts(
                codes(256)
                    .into_iter()
                    .map(|code| u64::from(code) + 1)
                    .collect(),
            ),
        ),
    ];
    for (threads, fields) in [1, 2]
        .into_iter()
        .flat_map(|threads| [12, Field::ALL.len()].map(|count| (threads, &Field::ALL[..count])))
    {
        let run = Run {
            threads,
            control,
            chunk: None,
        };
        let begun = Instant::now();
        let table = fit_many(target, request, &columns, fields, run)?;
        rate(
            &format!("{threads} threads, fit_many of {} columns", fields.len()),
            table.rows() as u64,
            begun,
        );
    }
    Ok(())
}
