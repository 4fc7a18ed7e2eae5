//! Figures, their goals, and how they are printed.

use serde_json::json;
use std::time::{Duration, Instant};

/// One figure against its goal.
pub struct Figure {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
    pub goal: f64,
    /// Counts are exact and must hold. Ratios of times are printed, and depend on the machine.
    pub exact: bool,
}

impl Figure {
    /// An exact count.
    pub fn count(name: impl Into<String>, value: usize, unit: &'static str, goal: usize) -> Self {
        let as_number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        Self {
            name: name.into(),
            value: as_number(value),
            unit,
            goal: as_number(goal),
            exact: true,
        }
    }

    /// A ratio of two medians of one run.
    pub fn ratio(name: impl Into<String>, value: f64, goal: f64) -> Self {
        Self {
            name: name.into(),
            value,
            unit: "x",
            goal,
            exact: false,
        }
    }

    fn is_reached(&self) -> bool {
        self.value <= self.goal
    }
}

/// Prints all; whether every exact one is reached.
pub fn print(figures: &[Figure], as_json: bool) -> bool {
    if as_json {
        let list: Vec<_> = figures
            .iter()
            .map(|figure| {
                json!({
                    "name": figure.name,
                    "value": figure.value,
                    "unit": figure.unit,
                    "atMost": figure.goal,
                    "exact": figure.exact,
                    "reached": figure.is_reached(),
                })
            })
            .collect();
        println!("{:#}", json!(list));
    } else {
        println!("{:<66}{:>10} {:<6}{:>10}", "figure", "value", "", "at most");
        for figure in figures {
            let digits = if figure.exact { 0 } else { 3 };
            let verdict = match (figure.is_reached(), figure.exact) {
                (true, _) => "reached",
                (false, true) => "FAILED",
                (false, false) => "missed here",
            };
            println!(
                "{:<66}{:>10.digits$} {:<6}{:>10.digits$}  {verdict}",
                figure.name, figure.value, figure.unit, figure.goal
            );
        }
    }
    figures
        .iter()
        .all(|figure| figure.is_reached() || !figure.exact)
}

/// The median of `samples` runs of `work`, each timed by itself.
pub fn median<E>(samples: usize, mut work: impl FnMut() -> Result<Duration, E>) -> Result<f64, E> {
    let mut times = Vec::with_capacity(samples);
    for _ in 0..samples {
        times.push(work()?);
    }
    times.sort();
    Ok(times
        .get(samples / 2)
        .map_or(f64::NAN, Duration::as_secs_f64))
}

/// The median time of one call, measured in batches.
pub fn time_of<R>(mut work: impl FnMut() -> R) -> f64 {
    const BATCH: u32 = 16;
    let timed = median(200, || {
        let begin = Instant::now();
        for _ in 0..BATCH {
            std::hint::black_box(work());
        }
        Ok::<_, std::convert::Infallible>(begin.elapsed() / BATCH)
    });
    match timed {
        Ok(median) => median,
        Err(never) => match never {},
    }
}
