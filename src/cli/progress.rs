//! Progress on standard error: only on a terminal, and only for inputs that take long.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A run that is over before this shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar that appears once the run has taken a while.
pub struct Progress {
    started: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Starts to wait; nothing is drawn if standard error is no terminal.
    #[allow(clippy::disallowed_methods)] // a progress display is about the user's time, and no report depends on it
    pub fn start() -> Self {
        Self { started: std::io::stderr().is_terminal().then(Instant::now), bar: None }
    }

    /// Tells how many octets were read, of how many.
    pub fn tell(&mut self, octets: u64, total: Option<u64>) {
        let Some(started) = self.started else { return };
        if self.bar.is_none() && started.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| new_bar(total));
        bar.set_position(octets);
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn new_bar(total: Option<u64>) -> ProgressBar {
    let template = if total.is_some() {
        "reading {bar:30} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left"
    } else {
        "reading {spinner} {binary_bytes}, {binary_bytes_per_sec}"
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr()).with_style(style)
}
