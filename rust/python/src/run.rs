//! Long work away from the interpreter: progress, Ctrl-C, and the interpreter lock released.

use pondera::parallel::Control;
use pyo3::prelude::*;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often a waiting caller looks for Ctrl-C and reports progress.
const TICK: Duration = Duration::from_millis(50);

/// Runs `work` on a thread of its own while this one waits with the interpreter released.
///
/// Every 50 ms it takes the interpreter back for a moment to see whether Ctrl-C was pressed and to call
/// `progress(done, total)`. If either raises, the work is stopped and the exception is raised here.
pub fn watched<R: Send>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Control) -> R + Send,
) -> PyResult<R> {
    let control = Control::default();
    let finished = AtomicBool::new(false);
    let waiting = thread::current();
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let result = work(&control);
            finished.store(true, Ordering::Release);
            waiting.unpark();
            result
        });
        let mut watching = Ok(());
        while watching.is_ok() && !finished.load(Ordering::Acquire) && !worker.is_finished() {
            py.detach(|| thread::park_timeout(TICK));
            watching = py.check_signals().and_then(|()| report(progress, &control));
        }
        if watching.is_err() {
            control.cancel();
        }
        // A cancelled worker ends at its next file; the interpreter stays free meanwhile.
        let result = py.detach(|| worker.join());
        watching?;
        result.or_else(|panic| resume_unwind(panic))
    })
}

fn report(progress: Option<&Bound<'_, PyAny>>, control: &Control) -> PyResult<()> {
    if let Some(progress) = progress {
        progress.call1(control.progress())?;
    }
    Ok(())
}
