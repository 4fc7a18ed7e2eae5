//! Welch's t-test on the time of two classes of input, as in "dude, is my code constant time?" (Reparaz, Balasch, Verbauwhede, 2017).
//!
//! Classes are measured in random order, so that whatever else the machine does falls on both. The slowest samples are left out: an
//! interrupt takes longer than any leak.

use std::time::Instant;

/// Of each class, the fastest so many in a hundred count.
const KEPT: usize = 90;

/// Two classes compared.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// How many samples were taken.
    pub samples: u64,
    /// Welch's t: beyond 4.5 the classes are told apart with near certainty, given enough samples of the same kind.
    pub t: f64,
    /// Mean of the first class, nanoseconds.
    pub mean: f64,
    /// By how much the second class is slower, nanoseconds.
    pub slower: f64,
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let part = 100.0 * self.slower / self.mean;
        let Self {
            t, mean, slower, ..
        } = self;
        write!(f, "t={t:+.1}, {slower:+.1} ns of {mean:.0} ({part:+.2} %)")
    }
}

/// Measures `samples` calls of `work`, each with a class that is drawn, after `prepare` was called for that class.
pub fn measure<T>(
    samples: u64,
    seed: u64,
    mut prepare: impl FnMut(bool) -> T,
    mut work: impl FnMut(T),
) -> Figure {
    let mut random = Random(seed);
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..samples {
        let second = random.draw() & 1 == 1;
        let input = prepare(second);
        let start = Instant::now();
        work(input);
        let nanoseconds = start.elapsed().as_secs_f64() * 1e9;
        let [first_times, second_times] = &mut times;
        let class = if second { second_times } else { first_times };
        class.push(nanoseconds);
    }
    Figure::of(times)
}

impl Figure {
    /// From the times of the two classes.
    fn of(times: [Vec<f64>; 2]) -> Self {
        let samples = times.iter().map(|times| times.len() as u64).sum();
        let [first, second] = times.map(Moments::of_the_fastest);
        let spread = first.variance / first.count + second.variance / second.count;
        let slower = second.mean - first.mean;
        Self {
            samples,
            t: if spread > 0.0 {
                slower / spread.sqrt()
            } else {
                0.0
            },
            mean: first.mean,
            slower,
        }
    }
}

struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn of_the_fastest(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        times.truncate(times.len() * KEPT / 100);
        let mut moments = Self {
            count: 0.0,
            mean: 0.0,
            variance: 0.0,
        };
        // Welford's way: no large sums are subtracted from each other.
        for time in times {
            moments.count += 1.0;
            let step = time - moments.mean;
            moments.mean += step / moments.count;
            moments.variance += step * (time - moments.mean);
        }
        moments.variance /= (moments.count - 1.0).max(1.0);
        moments
    }
}

/// SplitMix64: the order of the classes, nothing secret.
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_nine_of_ten_count() {
        let times = (1..=9).map(f64::from).chain([1000.0]).collect();
        let moments = Moments::of_the_fastest(times);
        assert_eq!((moments.count, moments.mean), (9.0, 5.0));
        assert!((moments.variance - 7.5).abs() < 1e-9);
    }

    /// Two classes that alternate around their means: 1, 3, 1, 3 and so on.
    fn around(first: f64, second: f64) -> Figure {
        let class = |mean: f64| {
            (0..1_000)
                .map(|n| mean + f64::from(n % 2 * 2 - 1))
                .collect()
        };
        Figure::of([class(first), class(second)])
    }

    #[test]
    fn classes_with_different_means_are_told_apart_and_equal_ones_are_not() {
        let same = around(100.0, 100.0);
        assert!(same.t.abs() < 1e-9 && same.slower.abs() < 1e-9, "{same}");
        let slower = around(100.0, 101.0);
        assert!(
            slower.t > 20.0 && (slower.slower - 1.0).abs() < 1e-9,
            "{slower}"
        );
        assert!(around(101.0, 100.0).t < -20.0);
        assert_eq!(same.samples, 2_000);
    }

    #[test]
    fn both_classes_are_drawn_and_every_sample_is_measured() {
        let mut drawn = [0, 0];
        let figure = measure(100, 7, |second| drawn[usize::from(second)] += 1, |()| {});
        assert_eq!((figure.samples, drawn[0] + drawn[1]), (100, 100));
        assert!(drawn.iter().all(|count| *count > 20), "{drawn:?}");
    }
}
