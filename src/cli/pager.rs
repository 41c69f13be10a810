//! What is longer than the terminal goes through a pager: `PAGER`, else `less` as Git calls it.
//!
//! The pager starts only when the output has more lines than the terminal, and never when standard output is no terminal. It runs with
//! `LESSSECURE`, so that nothing that it shows can make it start programs or write files. Whoever leaves it early has read enough.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::say;

/// Rows of a terminal that does not say how many it has.
const ROWS: usize = 24;

/// A key is not pressed twice within this.
const CALM: Duration = Duration::from_millis(20);

/// A pager and how much fits without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pager {
    program: String,
    arguments: Vec<String>,
    /// Named by the user: that it cannot be started is worth a word.
    is_chosen: bool,
    rows: usize,
}

impl Pager {
    /// The pager for standard output, which is a terminal; `None` if the user wants none.
    pub fn of_terminal() -> Option<Self> {
        let rows = terminal_size::terminal_size_of(io::stdout()).map_or(ROWS, |(_, height)| usize::from(height.0));
        Self::of(|name| std::env::var_os(name), rows)
    }

    fn of(variable: impl Fn(&str) -> Option<OsString>, rows: usize) -> Option<Self> {
        if variable("TERM").is_some_and(|term| term == "dumb") {
            return None;
        }
        let Some(chosen) = variable("PAGER") else {
            return Some(Self { program: "less".to_owned(), arguments: Vec::new(), is_chosen: false, rows });
        };
        let mut words = shell_words::split(chosen.to_str()?).ok()?.into_iter();
        let program = words.next().filter(|program| !program.is_empty() && program != "cat")?;
        Some(Self { program, arguments: words.collect(), is_chosen: true, rows })
    }

    /// Writes to standard output, or to the pager once it is too much for the terminal. The terminal sends an interrupt to both: it is meant for
    /// the pager (where it ends a search), so the flag by which a second one would end this process is taken back as long as the pager runs.
    pub fn write(&self, interrupted: &AtomicBool, render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let (is_over, is_paging) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let calm = scope.spawn(|| {
                while !is_over.load(Ordering::Acquire) {
                    if is_paging.load(Ordering::Relaxed) {
                        interrupted.store(false, Ordering::Relaxed);
                    }
                    std::thread::park_timeout(CALM);
                }
            });
            let mut paged = Paged { pager: self, is_paging: &is_paging, held: Vec::new(), lines: 0, target: Target::Undecided };
            let result = render(&mut paged);
            let result = result.and(paged.finish());
            is_over.store(true, Ordering::Release);
            calm.thread().unpark();
            result
        })
    }

    fn start(&self) -> Option<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).env("LESSSECURE", "1");
        // -F: leave at once if it fits after all, -R: let colours and links through, -X: leave the text on the screen.
        for (name, value) in [("LESS", "FRX"), ("LESSCHARSET", "utf-8")] {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        command.spawn().map_err(|error| self.cannot_start(&error)).ok()
    }

    fn cannot_start(&self, error: &io::Error) {
        if self.is_chosen {
            say(&format!("the pager {} cannot be started: {error}; see --no-pager", self.program));
        }
    }
}

/// Where the octets go.
enum Target {
    /// They are held back: it may all fit.
    Undecided,
    Pager(Child),
    Terminal,
}

struct Paged<'a> {
    pager: &'a Pager,
    is_paging: &'a AtomicBool,
    held: Vec<u8>,
    lines: usize,
    target: Target,
}

impl Paged<'_> {
    /// Sends what was held back to the pager, or to the terminal if there is no such program.
    fn decide(&mut self, is_long: bool) -> io::Result<()> {
        self.target = is_long.then(|| self.pager.start()).flatten().map_or(Target::Terminal, Target::Pager);
        self.is_paging.store(matches!(self.target, Target::Pager(_)), Ordering::Relaxed);
        let held = std::mem::take(&mut self.held);
        self.write_all(&held)
    }

    /// Sends the rest, and waits for the pager.
    fn finish(mut self) -> io::Result<()> {
        if matches!(self.target, Target::Undecided) {
            self.decide(false)?;
        }
        match self.target {
            Target::Pager(mut child) => {
                drop(child.stdin.take());
                child.wait().map(|_| ())
            }
            Target::Terminal | Target::Undecided => io::stdout().flush(),
        }
    }
}

impl Write for Paged<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match &mut self.target {
            Target::Pager(child) => child.stdin.as_mut().map_or(Ok(octets.len()), |stdin| stdin.write(octets)),
            Target::Terminal => io::stdout().write(octets),
            Target::Undecided => {
                self.held.extend_from_slice(octets);
                self.lines = self.lines.saturating_add(octets.split(|octet| *octet == b'\n').skip(1).count());
                // The prompt needs a row too.
                if self.lines >= self.pager.rows {
                    self.decide(true)?;
                }
                Ok(octets.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::Pager(child) => child.stdin.as_mut().map_or(Ok(()), Write::flush),
            Target::Terminal => io::stdout().flush(),
            Target::Undecided => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(pager: Option<&str>, term: &str) -> Option<(String, Vec<String>)> {
        let variable = |name: &str| match name {
            "PAGER" => pager.map(OsString::from),
            "TERM" => Some(OsString::from(term)),
            _ => None,
        };
        Pager::of(variable, 24).map(|pager| (pager.program, pager.arguments))
    }

    #[test]
    fn pager_is_less_unless_the_user_says_another() {
        assert_eq!(chosen(None, "xterm"), Some(("less".to_owned(), Vec::new())));
        assert_eq!(chosen(Some("most -w 'a b'"), "xterm"), Some(("most".to_owned(), vec!["-w".to_owned(), "a b".to_owned()])));
    }

    #[test]
    fn pager_is_none_where_nobody_wants_one() {
        for (pager, term) in [(Some(""), "xterm"), (Some("cat"), "xterm"), (Some("less 'open"), "xterm"), (None, "dumb")] {
            assert_eq!(chosen(pager, term), None, "{pager:?} {term}");
        }
    }
}
